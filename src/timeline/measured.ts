import { numberOf } from '../core/json.js';
import type { Coding, Resource } from '../core/resource.js';

/** One measured value of an Observation, or of one of its components. */
export interface Measured {
  /** `system|code`, of LOINC where it has one, else the first; absent where it has words alone. */
  readonly code?: string;
  /** The shortest of its names. */
  readonly name: string;
  readonly value: number;
  readonly unit?: string;
  /** What is normal, where the resource says so. */
  readonly low?: number;
  readonly high?: number;
  /** See `flagOf`. */
  readonly flag?: string;
}

interface Concept {
  readonly text?: string;
  readonly coding?: readonly Coding[];
}
interface Holder {
  readonly code?: Concept;
  readonly valueQuantity?: { readonly value?: unknown; readonly unit?: string; readonly code?: string };
  readonly interpretation?: readonly Concept[];
  readonly referenceRange?: readonly {
    readonly low?: { readonly value?: unknown };
    readonly high?: { readonly value?: unknown };
    readonly type?: Concept;
  }[];
}

const LOINC = 'http://loinc.org';

/** Values of a panel that are shown; more of them are left to the resource. */
const MAX_PARTS = 20;

/** Codes of interpretation that say a result is as it should be, or say nothing of it (v3-ObservationInterpretation). */
const NORMAL = new Set(['N', 'NEG', 'IND', 'ND', 'NR', 'S']);

/**
 * What says that a result is out of the ordinary: its code of interpretation (`H`, `LL`, `A`, `POS` …), else `H` or `L`
 * by its reference range. Undefined for what is normal, or not said to be anything.
 */
export function flagOf(resource: Resource): string | undefined {
  if (resource.resourceType !== 'Observation') return undefined;
  return holdersOf(resource)
    .map(judged)
    .find((found) => found !== undefined);
}

/** The measured values of an Observation, its own and its components'. */
export function measuredIn(resource: Resource): Measured[] {
  if (resource.resourceType !== 'Observation') return [];
  return holdersOf(resource).flatMap((holder) => {
    const value = numberOf(holder.valueQuantity?.value);
    const name = nameOf(holder.code);
    if (value === undefined || !Number.isFinite(value) || name === undefined) return [];
    const codings = (holder.code?.coding ?? []).filter((c) => c.code);
    // What laboratories and notes both say is what joins their values.
    const coding = codings.find((c) => c.system === LOINC) ?? codings[0];
    const unit = holder.valueQuantity?.unit ?? holder.valueQuantity?.code;
    const { low, high } = rangeOf(holder);
    const flag = judged(holder);
    return [
      {
        ...(coding ? { code: `${coding.system ?? ''}|${coding.code}` } : {}),
        name,
        value,
        ...(unit === undefined ? {} : { unit }),
        ...(low === undefined ? {} : { low }),
        ...(high === undefined ? {} : { high }),
        ...(flag === undefined ? {} : { flag }),
      },
    ];
  });
}

function holdersOf(resource: Resource): Holder[] {
  const components = Array.isArray(resource.component) ? (resource.component as Holder[]) : [];
  return [resource as Holder, ...components.slice(0, MAX_PARTS)];
}

function judged(holder: Holder): string | undefined {
  const codes = (holder.interpretation ?? []).flatMap((i) => i.coding ?? []).map((c) => c.code);
  const given = codes.find((code) => code !== undefined);
  if (given !== undefined) return NORMAL.has(given) ? undefined : given;
  const value = numberOf(holder.valueQuantity?.value);
  if (value === undefined) return undefined;
  const { low, high } = rangeOf(holder);
  if (high !== undefined && value > high) return 'H';
  return low !== undefined && value < low ? 'L' : undefined;
}

/** The range of the healthy; ranges of other kinds (therapeutic, of treatment) judge nothing. */
function rangeOf(holder: Holder): { low: number | undefined; high: number | undefined } {
  const range = holder.referenceRange?.find((r) => {
    const code = r.type?.coding?.[0]?.code;
    return code === undefined || code === 'normal';
  });
  return { low: numberOf(range?.low?.value), high: numberOf(range?.high?.value) };
}

/** The shortest of its names: where values are drawn there is little room. */
function nameOf(code: Concept | undefined): string | undefined {
  const names = [code?.text, ...(code?.coding ?? []).map((c) => c.display ?? c.code)];
  return names.reduce<string | undefined>(
    (a, b) => (b !== undefined && b !== '' && (a === undefined || b.length < a.length) ? b : a),
    undefined,
  );
}
