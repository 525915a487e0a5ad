import type { CodeableConcept, Resource } from '../../core/resource.js';
import { dateTime, decimal, idOf, instant } from '../hl7-values.js';
import { concept, entityIdentifier, quantity } from './datatypes.js';
import { conceptKey, encounterOf, type Subject, subjectOf } from './history.js';
import type { Segment } from './message.js';
import { listed, practitioner } from './people.js';

/** HL7 table 0085 → ObservationStatus. */
const STATUSES: Readonly<Record<string, string>> = {
  F: 'final',
  P: 'preliminary',
  R: 'preliminary',
  S: 'preliminary',
  I: 'registered',
  O: 'registered',
  C: 'corrected',
  X: 'cancelled',
  D: 'entered-in-error',
  W: 'entered-in-error',
  U: 'final',
};
/** HL7 table 0123 → DiagnosticReportStatus. */
const REPORT_STATUSES: Readonly<Record<string, string>> = {
  F: 'final',
  C: 'corrected',
  P: 'preliminary',
  A: 'partial',
  R: 'partial',
  I: 'registered',
  O: 'registered',
  S: 'registered',
  X: 'cancelled',
};
/** Flags of table 0078 that v3 ObservationInterpretation has too. */
const INTERPRETATIONS = new Set(
  'A AA B D DET E EX H HH HU I IE IND L LL LU N ND NEG NR POS R RR S SDD SYN-R SYN-S U W WR < >'.split(' '),
);
const OBSERVATION_CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';
/** LOINC codes of the vital signs profile of R4. */
const VITAL_SIGNS = new Set(
  '85353-1 9279-1 8867-4 2708-6 59408-5 8310-5 8302-2 9843-4 29463-7 39156-5 85354-9 8480-6 8462-4 3141-9 8287-5'.split(
    ' ',
  ),
);
/** Diagnostic services (table 0074) that are imaging. */
const IMAGING = new Set([
  'RAD',
  'RX',
  'CT',
  'MR',
  'NMR',
  'US',
  'VUS',
  'NMS',
  'CUS',
  'OUS',
  'RUS',
  'XRC',
  'CTH',
  'NRS',
  'IMG',
  'CUS',
]);

export interface OrderGroup {
  readonly obr: Segment;
  readonly orc: Segment | undefined;
  readonly obx: readonly { readonly segment: Segment; readonly notes: readonly Segment[] }[];
  readonly notes: readonly Segment[];
}

/** OBX as an Observation. `key`: what it belongs to; `ordinal`: its place among equals there. */
export function observation(
  obx: Segment,
  notes: readonly Segment[],
  order: { key: string; effective: string | undefined; category: string },
  ordinal: number,
  subject: Subject,
): Resource | undefined {
  const code = concept(obx.at(3));
  if (!code) return undefined;
  const { sender } = subject;
  const effective = dateTime(obx.get(14), sender) ?? order.effective;
  const value = observedValue(obx, subject);
  const flags = obx
    .repetitions(8)
    .map((r) => r.get(1))
    .filter((flag) => flag !== undefined && INTERPRETATIONS.has(flag));
  const performer = practitioner(obx.at(16), sender);
  const status = STATUSES[obx.get(11) ?? ''] ?? 'unknown';
  const note = notes.map((nte) => nte.text(3)).filter((text) => text !== undefined);
  const isVital = code.coding?.some((c) => c.system === 'http://loinc.org' && VITAL_SIGNS.has(c.code ?? ''));
  const range = referenceRange(obx);
  return {
    resourceType: 'Observation',
    id: idOf(
      'Observation',
      subject.patientId,
      order.key,
      conceptKey(code),
      obx.get(4) ?? '',
      String(ordinal),
    ),
    status,
    category: [
      { coding: [{ system: OBSERVATION_CATEGORY, code: isVital ? 'vital-signs' : order.category }] },
    ],
    code,
    subject: subjectOf(subject),
    ...encounterOf(subject),
    ...(effective && { effectiveDateTime: effective }),
    ...listed('performer', [performer?.reference]),
    ...(value ?? {
      // Without a value FHIR wants the reason; a value that is not there yet is one.
      dataAbsentReason: {
        coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'unknown' }],
      },
    }),
    ...(flags.length > 0 && {
      interpretation: [
        {
          coding: flags.map((flag) => ({
            system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation',
            code: flag,
          })),
        },
      ],
    }),
    ...(note.length > 0 && { note: [{ text: note.join('\n') }] }),
    ...(obx.get(17) && { method: concept(obx.at(17)) }),
    ...(range && { referenceRange: [range] }),
  };
}

function observedValue(obx: Segment, subject: Subject): Record<string, unknown> | undefined {
  const values = obx.repetitions(5);
  const [first] = values;
  if (!first) return undefined;
  const type = obx.get(2);
  const asText = () => ({
    valueString: values
      .map((v) => v.text())
      .join('\n')
      .slice(0, 1_000_000),
  });
  if (values.length > 1 && type !== 'TX' && type !== 'FT' && type !== 'ST') {
    const words = values.map((v) => v.get(2) ?? v.get(1) ?? v.text()).join('; ');
    return { valueString: words };
  }
  switch (type) {
    case 'NM': {
      const number = decimal(first.get(1));
      if (number !== undefined) return { valueQuantity: quantity(number, obx.at(6)) };
      // Senders write "<5" or "12 high" as numbers; the words are kept.
      const compared = /^(<=|>=|<|>)\s*(\S+)$/.exec(first.get(1) ?? '');
      const bound = decimal(compared?.[2]);
      return bound === undefined
        ? asText()
        : { valueQuantity: { ...quantity(bound, obx.at(6)), comparator: compared![1] } };
    }
    case 'SN':
      return structuredNumber(obx) ?? asText();
    case 'CE':
    case 'CWE':
    case 'CNE':
    case 'CF':
    case 'IS':
    case 'ID': {
      const value = concept(first);
      return value && { valueCodeableConcept: value };
    }
    case 'DT':
    case 'TS':
    case 'DTM': {
      const when = dateTime(first.get(1), subject.sender);
      return when ? { valueDateTime: when } : asText();
    }
    case 'ED':
    case 'RP':
      return { valueString: [first.get(2), first.get(3)].filter(Boolean).join(' ') || 'attached document' };
    default:
      return asText();
  }
}

/** SN: `>^100`, `^100^-^200` (a range), `^1^:^128` (a ratio). */
function structuredNumber(obx: Segment): Record<string, unknown> | undefined {
  const sn = obx.at(5);
  const [comparator, separator] = [sn.get(1), sn.get(3)];
  const [one, two] = [decimal(sn.get(2)), decimal(sn.get(4))];
  if (one === undefined) return undefined;
  const unit = obx.at(6);
  if (separator === '-' && two !== undefined)
    return { valueRange: { low: quantity(one, unit), high: quantity(two, unit) } };
  if ((separator === ':' || separator === '/') && two !== undefined) {
    return { valueRatio: { numerator: { value: one }, denominator: { value: two } } };
  }
  if (separator) return undefined;
  const known = ['<', '<=', '>', '>='].includes(comparator ?? '') ? { comparator } : {};
  return { valueQuantity: { ...quantity(one, unit), ...known } };
}

function referenceRange(obx: Segment): Record<string, unknown> | undefined {
  const text = obx.text(7);
  if (!text) return undefined;
  const between = /^\s*(-?[\d.]+)\s*-\s*(-?[\d.]+)\s*$/.exec(text);
  const [low, high] = [decimal(between?.[1]), decimal(between?.[2])];
  return {
    ...(low !== undefined &&
      high !== undefined && { low: quantity(low, obx.at(6)), high: quantity(high, obx.at(6)) }),
    text,
  };
}

const DOCUMENT_LENGTH = 200;

/** Whether an OBX is a piece of a written report rather than a value. */
export function isReportText(obx: Segment): boolean {
  return obx.get(2) === 'TX' || obx.get(2) === 'FT';
}

/**
 * An order with its results: DiagnosticReport and Observations. Words of several lines (a radiology report) are one
 * document instead of an Observation a line, so that they are read like every other note.
 */
export function report(
  group: OrderGroup,
  ordinal: number,
  subject: Subject,
):
  | {
      resources: Resource[];
      people: Resource[];
      text: string | undefined;
      id: string;
      code: CodeableConcept | undefined;
      effective: string | undefined;
      issued: string | undefined;
    }
  | undefined {
  const { obr, orc } = group;
  const { sender } = subject;
  const code = concept(obr.at(4));
  if (!code) return undefined;
  const filler = entityIdentifier(obr.at(3), sender) ?? (orc && entityIdentifier(orc.at(3), sender));
  const placer = entityIdentifier(obr.at(2), sender) ?? (orc && entityIdentifier(orc.at(2), sender));
  const number = filler ?? placer;
  const effective = dateTime(obr.get(7), sender);
  const key = [
    number ? `${number.system}|${number.value}` : `${subject.message}#${ordinal}`,
    conceptKey(code),
    effective ?? '',
  ].join(' ');
  const service = obr.get(24);
  const imaging = service !== undefined && IMAGING.has(service);
  const order = { key, effective, category: imaging ? 'imaging' : 'laboratory' };
  const seen = new Map<string, number>();
  const written = group.obx.filter(({ segment }) => isReportText(segment));
  const words = written
    .map(({ segment }) => segment.text(5) ?? '')
    .join('\n')
    .trim();
  const isDocument = written.length > 1 || words.length > DOCUMENT_LENGTH;
  const people: Resource[] = [];
  const observations = group.obx.flatMap(({ segment, notes }) => {
    if (isDocument && isReportText(segment)) return [];
    if (segment.get(2) === 'ED') return [];
    const same = `${conceptKey(concept(segment.at(3)))} ${segment.get(4) ?? ''}`;
    const place = seen.get(same) ?? 0;
    seen.set(same, place + 1);
    const performer = practitioner(segment.at(16), sender)?.resource;
    if (performer) people.push(performer);
    return observation(segment, notes, order, place, subject) ?? [];
  });
  const interpreters = [...obr.repetitions(32)].flatMap((xcn) => practitioner(xcn, sender) ?? []);
  people.push(...interpreters.flatMap(({ resource }) => resource ?? []));
  const note = group.notes.map((nte) => nte.text(3)).filter((text) => text !== undefined);
  const issued = instant(obr.get(22), sender);
  const id = idOf('DiagnosticReport', subject.patientId, key);
  const diagnostic: Resource = {
    resourceType: 'DiagnosticReport',
    id,
    ...listed('identifier', [filler, placer]),
    status: REPORT_STATUSES[obr.get(25) ?? ''] ?? 'unknown',
    ...(service &&
      /^[A-Z]{2,3}$/.test(service) && {
        category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: service }] }],
      }),
    code,
    subject: subjectOf(subject),
    ...encounterOf(subject),
    ...(effective && { effectiveDateTime: effective }),
    ...(issued && { issued }),
    ...listed(
      'resultsInterpreter',
      interpreters.map(({ reference }) => reference),
    ),
    ...listed(
      'result',
      observations.map((o) => ({ reference: `Observation/${o.id}` })),
    ),
    ...(note.length > 0 && { conclusion: note.join('\n') }),
  };
  return {
    resources: [diagnostic, ...observations],
    people,
    text: isDocument ? words : undefined,
    id,
    code,
    effective,
    issued,
  };
}
