import type { Resource } from '../../core/resource.js';
import { idOf } from '../hl7-values.js';
import type { Element } from './element.js';
import { encounterClass, listed } from './header.js';
import { immunization, medication } from './medications.js';
import { allergy, condition } from './problems.js';
import {
  about,
  keyOf,
  performers,
  related,
  STATEMENTS,
  type Subject,
  statementId,
  T,
  textOnly,
} from './statement.js';
import { concept, identifiers, interval, observedValue, originalText, period, quantity } from './values.js';

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
