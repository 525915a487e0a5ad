import type { CodeableConcept, Resource } from '../../core/resource.js';
import { decimal, idOf } from '../hl7-values.js';
import type { Element } from './element.js';
import { assigned, encounterClass, listed, type Who } from './header.js';
import {
  type Context,
  concept,
  type Identifier,
  identifiers,
  interval,
  observedValue,
  originalText,
  period,
  quantity,
  time,
} from './values.js';

/** What the entries of a document are about. */
export interface Subject extends Context {
  readonly patientId: string;
  readonly encounterId: string | undefined;
  /** Called with whom an entry names. */
  readonly names: (who: Who) => void;
}

/** Templates of C-CDA 2.1 that are read, by what they are. */
const T = {
  problem: '2.16.840.1.113883.10.20.22.4.4',
  problemStatus: '2.16.840.1.113883.10.20.22.4.6',
  severity: '2.16.840.1.113883.10.20.22.4.8',
  criticality: '2.16.840.1.113883.10.20.22.4.145',
  reaction: '2.16.840.1.113883.10.20.22.4.9',
  allergy: '2.16.840.1.113883.10.20.22.4.7',
  allergyStatus: '2.16.840.1.113883.10.20.22.4.28',
  medication: '2.16.840.1.113883.10.20.22.4.16',
  indication: '2.16.840.1.113883.10.20.22.4.19',
  immunization: '2.16.840.1.113883.10.20.22.4.52',
  refusal: '2.16.840.1.113883.10.20.22.4.53',
  procedures: [
    '2.16.840.1.113883.10.20.22.4.12',
    '2.16.840.1.113883.10.20.22.4.13',
    '2.16.840.1.113883.10.20.22.4.14',
  ],
  results: '2.16.840.1.113883.10.20.22.4.1',
  encounter: '2.16.840.1.113883.10.20.22.4.49',
  family: '2.16.840.1.113883.10.20.22.4.45',
  familyCondition: '2.16.840.1.113883.10.20.22.4.46',
};

/** Observations by template and the category they are listed under. */
const OBSERVATIONS: readonly (readonly [template: string, category: string])[] = [
  ['2.16.840.1.113883.10.20.22.4.2', 'laboratory'],
  ['2.16.840.1.113883.10.20.22.4.27', 'vital-signs'],
  ['2.16.840.1.113883.10.20.22.4.78', 'social-history'],
  ['2.16.840.1.113883.10.20.22.4.85', 'social-history'],
  ['2.16.840.1.113883.10.20.22.4.38', 'social-history'],
  ['2.16.840.1.113883.10.20.22.4.200', 'social-history'],
  ['2.16.840.1.113883.10.20.22.4.501', 'social-history'],
  ['2.16.840.1.113883.10.20.15.3.8', 'social-history'],
  ['2.16.840.1.113883.10.20.22.4.67', 'survey'],
  ['2.16.840.1.113883.10.20.22.4.74', 'survey'],
  ['2.16.840.1.113883.10.20.22.4.69', 'survey'],
];

const SCT = 'http://snomed.info/sct';
const clinicalStatus = (kind: string, code: string) => ({
  coding: [{ system: `http://terminology.hl7.org/CodeSystem/${kind}-clinical`, code }],
});
/** SNOMED CT codes of a status, as problem and allergy status observations carry them. */
const STATUS_CODES: Readonly<Record<string, string>> = {
  '55561003': 'active',
  '73425007': 'inactive',
  '413322009': 'resolved',
  '246455001': 'recurrence',
  '277022003': 'remission',
  '263855007': 'relapse',
};

/** Statements within a statement, of any kind of relationship. */
function related(statement: Element): Element[] {
  return statement
    .all('entryRelationship')
    .flatMap((r) => r.elements().filter(({ name }) => STATEMENTS.has(name)));
}
const STATEMENTS = new Set([
  'act',
  'observation',
  'substanceAdministration',
  'procedure',
  'organizer',
  'encounter',
  'supply',
]);

function relatedBy(statement: Element, template: string): Element | undefined {
  return related(statement).find((one) => one.follows(template));
}

/** The id of what a statement says: its own identifier, else its words and time. */
function statementId(
  type: string,
  statement: Element,
  subject: Subject,
  ...otherwise: string[]
): { id: string; found: Identifier[] } {
  const found = identifiers(statement);
  const [first] = found;
  return {
    found,
    id: first
      ? idOf(type, subject.patientId, first.system, first.value)
      : idOf(type, subject.patientId, ...otherwise),
  };
}

function keyOf(code: CodeableConcept | undefined): string {
  const [first] = code?.coding ?? [];
  return first ? `${first.system}|${first.code}` : (code?.text ?? '').toLowerCase();
}

function about({ patientId, encounterId }: Subject) {
  return {
    subject: { reference: `Patient/${patientId}` },
    ...(encounterId && { encounter: { reference: `Encounter/${encounterId}` } }),
  };
}

function author(
  statement: Element,
  subject: Subject,
): { at: string | undefined; who: Who['reference'] | undefined } {
  const first = statement.at('author');
  const who = assigned(first?.at('assignedAuthor'));
  if (who) subject.names(who);
  const isPerson = who && !who.reference.reference?.startsWith('Organization/');
  return { at: time(first?.at('time'), subject), who: isPerson ? who.reference : undefined };
}

function performers(statement: Element, subject: Subject): Who['reference'][] {
  return statement.all('performer').flatMap((performer) => {
    const who = assigned(performer.at('assignedEntity'));
    if (who) subject.names(who);
    return who ? [who.reference] : [];
  });
}

/** SNOMED CT codes that stand for "a problem" at large: negated they mean that there is none. */
const ANY_PROBLEM = new Set(['55607006', '64572001', '404684003', '282291009']);

function condition(
  problem: Element,
  concern: Element | undefined,
  category: string,
  subject: Subject,
): Resource | undefined {
  const value = problem.at('value');
  const negated = problem.get('negationInd') === 'true';
  const none = negated && (value?.absent !== undefined || ANY_PROBLEM.has(value?.get('code') ?? ''));
  const code: CodeableConcept | undefined = none
    ? {
        coding: [{ system: SCT, code: '160245001', display: 'No current problems or disability' }],
        text: 'No known problems',
      }
    : (concept(value, subject) ?? textOnly(originalText(problem.at('text'), subject)));
  if (!code) return undefined;
  const when = interval(problem.at('effectiveTime'), subject);
  const said = STATUS_CODES[relatedBy(problem, T.problemStatus)?.at('value')?.get('code') ?? ''];
  const concernEnded = concern?.at('statusCode')?.get('code') === 'completed';
  const ended = when.ended || concernEnded;
  // R4 con-4: what has ended is not active.
  const status = ended && (said === undefined || said === 'active') ? 'resolved' : (said ?? 'active');
  const severity = concept(relatedBy(problem, T.severity)?.at('value'), subject);
  const by = author(problem, subject);
  const { id, found } = statementId('Condition', problem, subject, keyOf(code), when.start ?? '');
  return {
    resourceType: 'Condition',
    id,
    ...listed('identifier', found),
    clinicalStatus: clinicalStatus('condition', status),
    verificationStatus: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status',
          code: negated && !none ? 'refuted' : 'confirmed',
        },
      ],
    },
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-category', code: category }] },
    ],
    ...(severity && { severity }),
    code,
    ...about(subject),
    ...(when.start && { onsetDateTime: when.start }),
    ...(when.end && { abatementDateTime: when.end }),
    ...(by.at && { recordedDate: by.at }),
    ...(by.who && { recorder: by.who }),
  };
}

function textOnly(text: string | undefined): CodeableConcept | undefined {
  return text ? { text } : undefined;
}

/** Kinds of allergy (SNOMED CT) → type and category of AllergyIntolerance. */
const ALLERGY_KINDS: Readonly<
  Record<string, readonly [type: string | undefined, category: string | undefined]>
> = {
  '416098002': ['allergy', 'medication'],
  '419511003': [undefined, 'medication'],
  '59037007': ['intolerance', 'medication'],
  '414285001': ['allergy', 'food'],
  '418471000': [undefined, 'food'],
  '235719002': ['intolerance', 'food'],
  '419199007': ['allergy', undefined],
  '426232007': ['allergy', 'environment'],
  '420134006': [undefined, undefined],
};
const SEVERITIES: Readonly<Record<string, string>> = {
  '255604002': 'mild',
  '371923003': 'moderate',
  '6736007': 'moderate',
  '371924009': 'severe',
  '24484000': 'severe',
  '399166001': 'severe',
};

function allergy(observation: Element, concern: Element | undefined, subject: Subject): Resource | undefined {
  const agent = observation
    .all('participant')
    .map((p) => p.at('participantRole', 'playingEntity'))
    .find((entity) => entity?.at('code') || entity?.at('name'));
  const kindCode = observation.at('value')?.get('code') ?? '';
  const [type, category] = ALLERGY_KINDS[kindCode] ?? [];
  const agentCode = concept(agent?.at('code'), subject) ?? textOnly(agent?.at('name')?.text());
  const negated = observation.get('negationInd') === 'true';
  const code: CodeableConcept | undefined =
    negated && !agentCode?.coding
      ? category === 'medication'
        ? {
            coding: [{ system: SCT, code: '409137002', display: 'No known drug allergy' }],
            text: 'No known drug allergies',
          }
        : {
            coding: [{ system: SCT, code: '716186003', display: 'No known allergy' }],
            text: 'No known allergies',
          }
      : agentCode;
  if (!code) return undefined;
  const refuted = negated && agentCode?.coding !== undefined;
  const when = interval(observation.at('effectiveTime'), subject);
  const said = STATUS_CODES[relatedBy(observation, T.allergyStatus)?.at('value')?.get('code') ?? ''];
  const status = when.ended
    ? 'resolved'
    : said === 'inactive' || said === 'resolved'
      ? said
      : concern?.at('statusCode')?.get('code') === 'completed'
        ? 'resolved'
        : 'active';
  const reactions = related(observation)
    .filter((one) => one.follows(T.reaction))
    .flatMap((one) => {
      const manifestation =
        concept(one.at('value'), subject) ?? textOnly(originalText(one.at('text'), subject));
      const severity = SEVERITIES[relatedBy(one, T.severity)?.at('value')?.get('code') ?? ''];
      return manifestation ? [{ manifestation: [manifestation], ...(severity && { severity }) }] : [];
    });
  const criticality = { CRITL: 'low', CRITH: 'high', CRITU: 'unable-to-assess' }[
    relatedBy(observation, T.criticality)?.at('value')?.get('code') ?? ''
  ];
  const by = author(observation, subject);
  const { id, found } = statementId('AllergyIntolerance', observation, subject, keyOf(code));
  const { subject: patient, ...encounter } = about(subject);
  return {
    resourceType: 'AllergyIntolerance',
    id,
    ...listed('identifier', found),
    clinicalStatus: clinicalStatus('allergyintolerance', status),
    verificationStatus: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification',
          code: refuted ? 'refuted' : 'confirmed',
        },
      ],
    },
    ...(type && { type }),
    ...(category && { category: [category] }),
    ...(criticality && { criticality }),
    code,
    patient,
    ...encounter,
    ...(when.start && { onsetDateTime: when.start }),
    ...(by.at && { recordedDate: by.at }),
    ...(by.who && { recorder: by.who }),
    ...listed('reaction', reactions),
  };
}

const MEDICATION_STATUSES: Readonly<Record<string, string>> = {
  active: 'active',
  completed: 'completed',
  aborted: 'stopped',
  suspended: 'on-hold',
  held: 'on-hold',
  cancelled: 'not-taken',
  nullified: 'entered-in-error',
};

/** The drug or vaccine of an administration. */
function product(statement: Element, subject: Subject): CodeableConcept | undefined {
  const material = statement.at('consumable', 'manufacturedProduct', 'manufacturedMaterial');
  return concept(material?.at('code'), subject) ?? textOnly(material?.at('name')?.text());
}

function medication(statement: Element, subject: Subject): Resource | undefined {
  const code = product(statement, subject);
  if (!code) return undefined;
  const times = statement.all('effectiveTime');
  const isTiming = (t: Element) => /PIVL_TS|EIVL_TS$/.test(t.attributes['xsi:type'] ?? '');
  const when = interval(
    times.find((t) => !isTiming(t)),
    subject,
  );
  const during = period(when);
  const every = times.find((t) => (t.attributes['xsi:type'] ?? '').endsWith('PIVL_TS'))?.at('period');
  const everyValue = decimal(every?.get('value') ?? every?.at('low')?.get('value'));
  const everyUnit = every?.get('unit') ?? every?.at('low')?.get('unit');
  const text = originalText(statement.at('text'), subject);
  const route = concept(statement.at('routeCode'), subject);
  const dose = quantity(statement.at('doseQuantity')) ?? quantity(statement.at('doseQuantity', 'low'));
  const dosage = {
    ...(text && { text }),
    ...(everyValue !== undefined && everyUnit && /^(s|min|h|d|wk|mo|a)$/.test(everyUnit)
      ? { timing: { repeat: { frequency: 1, period: everyValue, periodUnit: everyUnit } } }
      : {}),
    ...(statement.at('precondition') && { asNeededBoolean: true }),
    ...(route && { route }),
    ...(dose && { doseAndRate: [{ doseQuantity: dose }] }),
  };
  const reason = concept(relatedBy(statement, T.indication)?.at('value'), subject);
  const by = author(statement, subject);
  const { id, found } = statementId('MedicationStatement', statement, subject, keyOf(code), when.start ?? '');
  const { subject: patient, encounter } = about(subject);
  return {
    resourceType: 'MedicationStatement',
    id,
    ...listed('identifier', found),
    status:
      statement.get('negationInd') === 'true'
        ? 'not-taken'
        : statement.get('moodCode') === 'INT' &&
            statement.at('statusCode')?.get('code') === 'active' &&
            !during
          ? 'intended'
          : (MEDICATION_STATUSES[statement.at('statusCode')?.get('code') ?? ''] ?? 'unknown'),
    medicationCodeableConcept: code,
    subject: patient,
    ...(encounter && { context: encounter }),
    ...(during && { effectivePeriod: during }),
    ...(by.at && { dateAsserted: by.at }),
    ...(by.who && { informationSource: by.who }),
    ...listed('reasonCode', [reason]),
    ...(Object.keys(dosage).length > 0 && { dosage: [dosage] }),
  };
}

function immunization(statement: Element, subject: Subject): Resource | undefined {
  const code = product(statement, subject);
  if (!code || statement.get('moodCode') === 'INT') return undefined;
  const refused = statement.get('negationInd') === 'true';
  const occurred = interval(statement.at('effectiveTime'), subject).start;
  const made = statement.at('consumable', 'manufacturedProduct');
  const lot = made?.at('manufacturedMaterial', 'lotNumberText')?.text();
  const maker = made?.at('manufacturerOrganization', 'name')?.text();
  const dose = quantity(statement.at('doseQuantity'));
  const route = concept(statement.at('routeCode'), subject);
  const site = concept(statement.at('approachSiteCode'), subject);
  const reason = concept(relatedBy(statement, T.refusal)?.at('code'), subject);
  const { id, found } = statementId('Immunization', statement, subject, keyOf(code), occurred ?? '');
  const { subject: patient, ...encounter } = about(subject);
  const by = performers(statement, subject);
  return {
    resourceType: 'Immunization',
    id,
    ...listed('identifier', found),
    status: refused ? 'not-done' : 'completed',
    ...(refused && reason && { statusReason: reason }),
    vaccineCode: code,
    patient,
    ...encounter,
    ...(occurred ? { occurrenceDateTime: occurred } : { occurrenceString: 'unknown' }),
    ...(lot && { lotNumber: lot }),
    ...(maker && { manufacturer: { display: maker } }),
    ...(route && { route }),
    ...(site && { site }),
    ...(dose && { doseQuantity: dose }),
    ...listed(
      'performer',
      by.map((actor) => ({ actor })),
    ),
  };
}

const PROCEDURE_STATUSES: Readonly<Record<string, string>> = {
  completed: 'completed',
  active: 'in-progress',
  aborted: 'stopped',
  cancelled: 'not-done',
};

function procedure(statement: Element, subject: Subject): Resource | undefined {
  const code =
    concept(statement.at('code'), subject) ?? textOnly(originalText(statement.at('text'), subject));
  const mood = statement.get('moodCode') ?? 'EVN';
  if (!code || mood !== 'EVN') return undefined;
  const when = interval(statement.at('effectiveTime'), subject);
  const during = period(when);
  const sites = statement.all('targetSiteCode').map((site) => concept(site, subject));
  const by = performers(statement, subject);
  const { id, found } = statementId('Procedure', statement, subject, keyOf(code), when.start ?? '');
  return {
    resourceType: 'Procedure',
    id,
    ...listed('identifier', found),
    status:
      statement.get('negationInd') === 'true'
        ? 'not-done'
        : (PROCEDURE_STATUSES[statement.at('statusCode')?.get('code') ?? ''] ?? 'unknown'),
    code,
    ...about(subject),
    ...(during?.end ? { performedPeriod: during } : when.start ? { performedDateTime: when.start } : {}),
    ...listed(
      'performer',
      by.map((actor) => ({ actor })),
    ),
    ...listed('bodySite', sites),
  };
}

function observation(
  statement: Element,
  category: string,
  subject: Subject,
  organizerTime?: string,
): Resource | undefined {
  const code =
    concept(statement.at('code'), subject) ?? textOnly(originalText(statement.at('text'), subject));
  if (!code || statement.get('moodCode') === 'GOL') return undefined;
  const when = interval(statement.at('effectiveTime'), subject);
  const during = period(when);
  const value = observedValue(statement.at('value'), subject);
  const interpretations = statement
    .all('interpretationCode')
    .map((one) => concept(one, subject))
    .filter((one) => one !== undefined);
  const ranges = statement.all('referenceRange').flatMap((one) => {
    const range = one.at('observationRange');
    const [low, high] = [quantity(range?.at('value', 'low')), quantity(range?.at('value', 'high'))];
    const text = originalText(range?.at('text'), subject);
    return low || high || text ? [{ ...(low && { low }), ...(high && { high }), ...(text && { text }) }] : [];
  });
  const status = {
    completed: 'final',
    active: 'preliminary',
    aborted: 'cancelled',
    cancelled: 'cancelled',
    held: 'registered',
  }[statement.at('statusCode')?.get('code') ?? ''];
  const by = performers(statement, subject);
  const start = when.start ?? organizerTime;
  const { id, found } = statementId(
    'Observation',
    statement,
    subject,
    keyOf(code),
    start ?? '',
    JSON.stringify(value ?? ''),
  );
  const method = concept(statement.at('methodCode'), subject);
  const site = concept(statement.at('targetSiteCode'), subject);
  return {
    resourceType: 'Observation',
    id,
    ...listed('identifier', found),
    status: status ?? 'unknown',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: category }] },
    ],
    code,
    ...about(subject),
    ...(during?.end && during.start
      ? { effectivePeriod: during }
      : start
        ? { effectiveDateTime: start }
        : {}),
    ...listed('performer', by),
    ...(value ?? {
      dataAbsentReason: {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason',
            code: absentReason(statement.at('value')?.absent),
          },
        ],
      },
    }),
    ...listed('interpretation', interpretations),
    ...(site && { bodySite: site }),
    ...(method && { method }),
    ...listed('referenceRange', ranges),
  };
}

/** v3 NullFlavor → data-absent-reason. */
function absentReason(nullFlavor: string | undefined): string {
  const known: Readonly<Record<string, string>> = {
    ASKU: 'asked-unknown',
    NAV: 'temp-unknown',
    NASK: 'not-asked',
    NA: 'not-applicable',
    MSK: 'masked',
    NINF: 'negative-infinity',
    PINF: 'positive-infinity',
  };
  return known[nullFlavor ?? ''] ?? 'unknown';
}

function report(organizer: Element, subject: Subject): Resource[] {
  const when = interval(organizer.at('effectiveTime'), subject);
  const members = organizer
    .all('component')
    .flatMap((component) => component.all('observation'))
    .flatMap((one) => observation(one, 'laboratory', subject, when.start) ?? []);
  const code = concept(organizer.at('code'), subject);
  if (!code) return members;
  const { id, found } = statementId('DiagnosticReport', organizer, subject, keyOf(code), when.start ?? '');
  const during = period(when);
  const status = { completed: 'final', active: 'partial', aborted: 'cancelled', held: 'registered' }[
    organizer.at('statusCode')?.get('code') ?? ''
  ];
  return [
    {
      resourceType: 'DiagnosticReport',
      id,
      ...listed('identifier', found),
      status: status ?? 'unknown',
      category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: 'LAB' }] }],
      code,
      ...about(subject),
      ...(during?.end && during.start
        ? { effectivePeriod: during }
        : when.start
          ? { effectiveDateTime: when.start }
          : {}),
      ...listed(
        'result',
        members.map((member) => ({ reference: `Observation/${member.id}` })),
      ),
    },
    ...members,
  ];
}

function encounter(statement: Element, subject: Subject): Resource[] {
  const when = interval(statement.at('effectiveTime'), subject);
  const type = concept(statement.at('code'), subject);
  const found = identifiers(statement);
  const [first] = found;
  const diagnoses = related(statement)
    .flatMap((act) => (act.follows(T.problem) ? [act] : related(act).filter((one) => one.follows(T.problem))))
    .flatMap((one) => condition(one, undefined, 'encounter-diagnosis', subject) ?? []);
  const during = period(when);
  const by = performers(statement, subject).filter(
    ({ reference }) => !reference?.startsWith('Organization/'),
  );
  const place = statement
    .all('participant')
    .find((p) => p.get('typeCode') === 'LOC')
    ?.at('participantRole', 'playingEntity', 'name')
    ?.text();
  const planned = statement.get('moodCode') !== undefined && statement.get('moodCode') !== 'EVN';
  // Named as the header names a stay, so that both are one where they share an identifier.
  const id = first
    ? idOf('Encounter', first.system, first.value)
    : idOf('Encounter', subject.patientId, when.start ?? '', keyOf(type));
  return [
    {
      resourceType: 'Encounter',
      id,
      ...listed('identifier', found),
      status: planned
        ? 'planned'
        : when.end || statement.at('statusCode')?.get('code') === 'completed' || when.start
          ? 'finished'
          : 'unknown',
      class: encounterClass(statement.all('code')),
      ...listed('type', [type]),
      subject: { reference: `Patient/${subject.patientId}` },
      ...listed(
        'participant',
        by.map((individual) => ({ individual })),
      ),
      ...(during && { period: during }),
      ...listed(
        'diagnosis',
        diagnoses.map((one) => ({ condition: { reference: `Condition/${one.id}` } })),
      ),
      ...(place && { location: [{ location: { display: place } }] }),
    },
    ...diagnoses,
  ];
}

function family(organizer: Element, subject: Subject): Resource | undefined {
  const relative = organizer.at('subject', 'relatedSubject');
  const relationship = concept(relative?.at('code'), subject);
  if (!relationship) return undefined;
  const conditions = organizer
    .all('component')
    .flatMap((component) => component.all('observation'))
    .filter((one) => one.follows(T.familyCondition) && one.get('negationInd') !== 'true')
    .flatMap((one) => {
      const code = concept(one.at('value'), subject);
      return code ? [{ code }] : [];
    });
  const { id, found } = statementId('FamilyMemberHistory', organizer, subject, keyOf(relationship));
  const gender = { M: 'male', F: 'female' }[
    relative?.at('subject', 'administrativeGenderCode')?.get('code') ?? ''
  ];
  return {
    resourceType: 'FamilyMemberHistory',
    id,
    ...listed('identifier', found),
    status: 'completed',
    patient: { reference: `Patient/${subject.patientId}` },
    relationship,
    ...(gender && {
      sex: { coding: [{ system: 'http://hl7.org/fhir/administrative-gender', code: gender }] },
    }),
    ...listed('condition', conditions),
  };
}

/** Statements within statements. */
const MAX_DEPTH = 20;
/** Sections (LOINC) whose problems are what a stay was for, not the list of the patient's problems. */
const DIAGNOSIS_SECTIONS = new Set([
  '11535-2',
  '46241-6',
  '10219-4',
  '10218-6',
  '59769-0',
  '42347-5',
  '51848-0',
  '46240-8',
]);

/** What the entries of a section say. Statements that are plans, goals or of a template that is not read say nothing. */
export function statementsOf(section: Element, subject: Subject): Resource[] {
  const category = DIAGNOSIS_SECTIONS.has(section.at('code')?.get('code') ?? '')
    ? 'encounter-diagnosis'
    : 'problem-list-item';
  const read = (one: Element, container: Element | undefined, depth: number): Resource[] => {
    if (depth > MAX_DEPTH || one.absent !== undefined) return [];
    const inner = (): Resource[] => [
      ...related(one).flatMap((child) => read(child, one, depth + 1)),
      ...one.all('component').flatMap((c) =>
        c
          .elements()
          .filter(({ name }) => STATEMENTS.has(name))
          .flatMap((child) => read(child, one, depth + 1)),
      ),
    ];
    const only = (resource: Resource | undefined) => (resource ? [resource] : []);
    if (one.follows(T.encounter)) return encounter(one, subject);
    if (one.follows(T.problem)) return only(condition(one, container, category, subject));
    if (one.follows(T.allergy)) return only(allergy(one, container, subject));
    if (one.follows(T.immunization)) return only(immunization(one, subject));
    if (one.follows(T.medication)) return only(medication(one, subject));
    if (one.follows(T.results)) return report(one, subject);
    if (one.follows(T.family)) return only(family(one, subject));
    if (T.procedures.some((template) => one.follows(template))) return only(procedure(one, subject));
    const row = OBSERVATIONS.find(([template]) => one.follows(template));
    if (row) {
      const organizerTime =
        container?.name === 'organizer' ? interval(container.at('effectiveTime'), subject).start : undefined;
      return only(observation(one, row[1], subject, organizerTime));
    }
    return inner();
  };
  return section.all('entry').flatMap((entry) =>
    entry
      .elements()
      .filter(({ name }) => STATEMENTS.has(name))
      .flatMap((one) => read(one, undefined, 0)),
  );
}
