import { numberOf } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { parsePartialDate } from '../fhir/dates.js';

/** How long something that began goes on. */
export interface Course {
  /** ms; absent where nothing says. */
  readonly end?: number;
  /** As far as is known it has not ended. */
  readonly open: boolean;
}

const DAY = 86_400_000;
/** UCUM's units of a duration of days or longer. */
const UNITS: Readonly<Record<string, number>> = { d: DAY, wk: 7 * DAY, mo: 30.44 * DAY, a: 365.25 * DAY };
const ACTIVE = new Set(['active', 'recurrence', 'relapse']);

type Status = { readonly coding?: readonly { readonly code?: string }[] } | undefined;

/**
 * The course of a condition, an allergy or a medicine whose time is its beginning alone: to the end that other elements
 * state (abatement, the period of the dose, supply and refills), or open while its status says that it goes on.
 */
export function courseOf(resource: Resource): Course | undefined {
  switch (resource.resourceType) {
    case 'Condition': {
      const end = instant(resource.abatementDateTime) ?? endOf(resource.abatementPeriod);
      return courseTo(end, ACTIVE.has(codeOf(resource.clinicalStatus) ?? ''));
    }
    case 'MedicationRequest':
      return courseTo(prescribedUntil(resource), resource.status === 'active');
    case 'MedicationStatement':
      return { open: resource.status === 'active' };
    case 'AllergyIntolerance':
      return { open: codeOf(resource.clinicalStatus) === 'active' };
    default:
      return undefined;
  }
}

const courseTo = (end: number | undefined, active: boolean): Course =>
  end === undefined ? { open: active } : { end, open: false };

const codeOf = (status: unknown): string | undefined => (status as Status)?.coding?.[0]?.code;

const endOf = (period: unknown): number | undefined => instant((period as { end?: string } | undefined)?.end);

interface Dispense {
  readonly validityPeriod?: unknown;
  readonly expectedSupplyDuration?: {
    readonly value?: unknown;
    readonly code?: string;
    readonly unit?: string;
  };
  readonly numberOfRepeatsAllowed?: unknown;
}

function prescribedUntil(resource: Resource): number | undefined {
  const [first] = Array.isArray(resource.dosageInstruction) ? resource.dosageInstruction : [];
  const repeat = (first as { timing?: { repeat?: { boundsPeriod?: unknown } } } | undefined)?.timing?.repeat;
  const dispense = resource.dispenseRequest as Dispense | undefined;
  const stated = endOf(repeat?.boundsPeriod) ?? endOf(dispense?.validityPeriod);
  if (stated !== undefined) return stated;
  const supply = dispense?.expectedSupplyDuration;
  const unit = UNITS[supply?.code ?? supply?.unit ?? ''];
  const from = instant(resource.authoredOn);
  const length = numberOf(supply?.value);
  if (unit === undefined || from === undefined || length === undefined) return undefined;
  return from + length * unit * (1 + (numberOf(dispense?.numberOfRepeatsAllowed) ?? 0));
}

function instant(text: unknown): number | undefined {
  return typeof text === 'string' ? parsePartialDate(text)?.lo : undefined;
}
