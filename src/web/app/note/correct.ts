import type { Coding, Concept, Resource } from '../api.js';

/** What a person may put right in a fact that a note yielded. */
export interface Correction {
  readonly text: string;
  readonly system: string;
  readonly code: string;
  readonly display: string;
  readonly status: string;
  /** FHIR date: 2020, 2020-03 or 2020-03-01. */
  readonly date: string;
}

/** Where the parts of a fact stand in each type that the pipeline yields. */
interface Shape {
  readonly concept: string;
  readonly status: string;
  readonly statuses: readonly string[];
  readonly date: string;
}

const CLINICAL = 'clinicalStatus';
const SHAPES: Readonly<Record<string, Shape>> = {
  Condition: {
    concept: 'code',
    status: CLINICAL,
    statuses: ['active', 'recurrence', 'relapse', 'inactive', 'remission', 'resolved'],
    date: 'onsetDateTime',
  },
  AllergyIntolerance: {
    concept: 'code',
    status: CLINICAL,
    statuses: ['active', 'inactive', 'resolved'],
    date: 'onsetDateTime',
  },
  MedicationStatement: {
    concept: 'medicationCodeableConcept',
    status: 'status',
    statuses: ['active', 'completed', 'intended', 'stopped', 'on-hold', 'unknown', 'not-taken'],
    date: 'effectiveDateTime',
  },
  Procedure: {
    concept: 'code',
    status: 'status',
    statuses: ['preparation', 'in-progress', 'not-done', 'on-hold', 'stopped', 'completed', 'unknown'],
    date: 'performedDateTime',
  },
  Observation: {
    concept: 'code',
    status: 'status',
    statuses: ['registered', 'preliminary', 'final', 'amended', 'corrected', 'cancelled', 'unknown'],
    date: 'effectiveDateTime',
  },
  Immunization: {
    concept: 'vaccineCode',
    status: 'status',
    statuses: ['completed', 'not-done'],
    date: 'occurrenceDateTime',
  },
};
const CLINICAL_SYSTEMS: Readonly<Record<string, string>> = {
  Condition: 'http://terminology.hl7.org/CodeSystem/condition-clinical',
  AllergyIntolerance: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical',
};

export const statusesOf = (type: string): readonly string[] => SHAPES[type]?.statuses ?? [];
export const canCorrect = (type: string): boolean => SHAPES[type] !== undefined;

/** What the form begins with. */
export function correctionOf(resource: Resource): Correction {
  const shape = SHAPES[resource.resourceType]!;
  const concept = resource[shape.concept] as Concept | undefined;
  const coding = concept?.coding?.[0];
  const status = resource[shape.status] as string | Concept | undefined;
  return {
    text: concept?.text ?? coding?.display ?? '',
    system: coding?.system ?? '',
    code: coding?.code ?? '',
    display: coding?.display ?? '',
    status: typeof status === 'string' ? status : (status?.coding?.[0]?.code ?? ''),
    date: String(resource[shape.date] ?? '').slice(0, 10),
  };
}

/**
 * The resource as the person says it should be. A code that was changed stands alone: the others were of the same
 * mistake; a date that was not touched keeps its time.
 */
export function corrected(resource: Resource, given: Correction): Resource {
  const shape = SHAPES[resource.resourceType]!;
  const was = correctionOf(resource);
  const old = resource[shape.concept] as Concept | undefined;
  const sameCode = given.code === was.code && given.system === was.system;
  const coding: Coding = {
    ...(given.system && { system: given.system }),
    code: given.code,
    ...(given.display && { display: given.display }),
  };
  const codings = sameCode ? old?.coding : given.code ? [coding] : undefined;
  const next: Resource = {
    ...resource,
    [shape.concept]: { ...(codings && { coding: codings }), ...(given.text && { text: given.text }) },
  };
  if (given.status !== was.status)
    next[shape.status] =
      shape.status === CLINICAL
        ? { coding: [{ system: CLINICAL_SYSTEMS[resource.resourceType], code: given.status }] }
        : given.status;
  if (given.date !== was.date) {
    // A choice of types has one of them only.
    const stem = shape.date.replace('DateTime', '');
    for (const name of Object.keys(next))
      if (name.startsWith(stem) && /(Period|Age|Range|String|Timing|Instant)$/.test(name)) delete next[name];
    if (given.date) next[shape.date] = given.date;
    else delete next[shape.date];
  }
  return next;
}
