import type { Resource } from '../api.js';

/** How long something that began goes on. */
export interface Course {
  /** ms */
  readonly end: number | undefined;
  readonly open: boolean;
}

const DAY = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { d: DAY, wk: 7 * DAY, mo: 30.44 * DAY, a: 365.25 * DAY };

/** The course of a condition or a prescription whose timeline event has a beginning alone. */
export function courseOf(resource: Resource): Course | undefined {
  if (resource.resourceType === 'Condition') {
    const end = instant(resource.abatementDateTime ?? resource.abatementPeriod?.end);
    const status = resource.clinicalStatus?.coding?.[0]?.code as string | undefined;
    return {
      end,
      open: end === undefined && ['active', 'recurrence', 'relapse'].includes(status ?? ''),
    };
  }
  if (resource.resourceType === 'MedicationRequest') {
    const end = prescribedUntil(resource);
    return { end, open: end === undefined && resource.status === 'active' };
  }
  if (resource.resourceType === 'MedicationStatement')
    return { end: undefined, open: resource.status === 'active' };
  if (resource.resourceType === 'AllergyIntolerance')
    return { end: undefined, open: resource.clinicalStatus?.coding?.[0]?.code === 'active' };
  return undefined;
}

function prescribedUntil(resource: Resource): number | undefined {
  const dispense = resource.dispenseRequest;
  const stated =
    instant(resource.dosageInstruction?.[0]?.timing?.repeat?.boundsPeriod?.end) ??
    instant(dispense?.validityPeriod?.end);
  if (stated !== undefined) return stated;
  const supply = dispense?.expectedSupplyDuration;
  const unit = UNITS[supply?.code ?? supply?.unit ?? ''];
  const from = instant(resource.authoredOn);
  if (unit === undefined || from === undefined || supply?.value === undefined) return undefined;
  return from + Number(supply.value) * unit * (1 + Number(dispense.numberOfRepeatsAllowed ?? 0));
}

function instant(text: unknown): number | undefined {
  const ms = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
