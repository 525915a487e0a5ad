import type { StoredResource } from '../core/resource.js';
import { clinicalTime, sortInstant } from '../fhir/clinical-time.js';
import type { IndexRows } from '../indexing/parameter-type.js';
import type { Position } from './cursor.js';

/**
 * The order results come in. Each ends in (rtype, rid), which never change, so that every order is total and a page
 * can go on after a row that has since gone.
 */
export type Order =
  /** By type and hashed id: immutable, so a walk sees everything that stays exactly once. */
  | { readonly kind: 'row' }
  /** By clinical time of the index; the undated come last in both directions. */
  | { readonly kind: 'clinical'; readonly descending: boolean }
  /** By last update. */
  | { readonly kind: 'updated'; readonly descending: boolean }
  /** By values of index rows, each turned so that ascending is right; rows without a value come last. */
  | {
      readonly kind: 'keys';
      readonly keys: readonly SqlKey[];
      /** The index rows that a version has, or had. */
      readonly rowsOf: (resource: StoredResource) => IndexRows;
    }
  /** By values only the bodies have, or the texts beside them: all matches are ranked, `_count` are kept at a time. */
  | { readonly kind: 'bodies'; readonly keys: readonly BodyKey[] };

export type SqlKey =
  | { readonly from: 'date'; readonly param: bigint; readonly descending: boolean }
  /** Values in their kind's canonical unit: `converted` has them, and `term` those that are not in `units`. */
  | {
      readonly from: 'quantity';
      readonly term: bigint;
      readonly converted: bigint;
      readonly units: readonly bigint[];
      readonly descending: boolean;
    }
  | { readonly from: 'updated'; readonly descending: boolean };

export interface BodyKey {
  readonly code: string;
  readonly descending: boolean;
  /** Where the index has the values in their order: dates and quantities among texts. */
  readonly sql?: SqlKey | undefined;
}

/** Phases an order is walked in; a position names the phase it stands in. */
export function phasesOf(order: Order): readonly ('all' | 'dated' | 'undated')[] {
  return order.kind === 'clinical' ? ['dated', 'undated'] : ['all'];
}

export const START: Position = { phase: 0, keys: [] };

/** Whether a write can move a resource to another place. */
export function canMove(order: Order): boolean {
  return order.kind !== 'row';
}

/** The largest bigint stands for "no value", so that such rows come last; of quantities infinity does. */
export const NO_BIGINT = '9223372036854775807';
const NO_DOUBLE = 'Infinity';
/** A value such as `<5` begins here; it is sorted by where it ends. */
export const OPEN_BELOW = -Number.MAX_VALUE;

/** A version whose place is to be known. */
export interface Placeable {
  readonly rtype: number;
  readonly rid: bigint;
  /** Its last update, ms. */
  readonly lu: string;
}

/** Whether the place of a version can be told without opening it. */
export const placedByRow = (order: Order): boolean => order.kind === 'updated';

/** Where a version stands: what the statement of the order gave, or would give, for its index rows. */
export function placeOf(order: Order, row: Placeable, resource?: StoredResource): Position {
  const tie = [row.rtype, String(row.rid)];
  switch (order.kind) {
    case 'updated':
      return { phase: 0, keys: [row.lu, ...tie] };
    case 'clinical': {
      const time = clinicalTime(resource!);
      return time ? { phase: 0, keys: [String(sortInstant(time)), ...tie] } : { phase: 1, keys: tie };
    }
    case 'keys': {
      const rows = order.rowsOf(resource!);
      return { phase: 0, keys: [...order.keys.map((key) => keyValue(key, row, rows)), ...tie] };
    }
    default:
      return { phase: 0, keys: tie };
  }
}

function keyValue(key: SqlKey, row: Placeable, { dates, quantities }: IndexRows): string | number {
  if (key.from === 'updated') return String(key.descending ? -Number(row.lu) : Number(row.lu));
  const values =
    key.from === 'date'
      ? dates.filter((d) => d.param === key.param).map((d) => d.lo)
      : quantities
          .filter((q) => q.term === key.converted || (q.term === key.term && !key.units.includes(q.unit)))
          .map((q) => (q.lo === OPEN_BELOW ? q.hi : q.lo));
  if (values.length === 0) return key.from === 'date' ? NO_BIGINT : NO_DOUBLE;
  const best = values.reduce((a, b) => (key.descending ? Math.max(a, b) : Math.min(a, b)));
  const turned = key.descending ? -best : best;
  // SQL knows no negative zero among integers.
  return key.from === 'date' ? String(turned === 0 ? 0 : turned) : turned;
}

/** Sign of the order of two places of one phase. */
export function comparePlaces(
  order: Order,
  phase: number,
  a: readonly (string | number)[],
  b: readonly (string | number)[],
): number {
  const dated = order.kind === 'clinical' && phase === 0;
  for (let i = 0; i < a.length && i < b.length; i++) {
    const sign = compareValues(a[i]!, b[i]!);
    if (sign === 0) continue;
    if (order.kind === 'updated') return order.descending ? -sign : sign;
    // Ties run the way the indexes in clinical order do.
    if (dated) return order.descending === (i === 0) ? -sign : sign;
    return sign;
  }
  return 0;
}

function compareValues(a: string | number, b: string | number): number {
  if (a === b) return 0;
  if (typeof a === 'number' || typeof b === 'number' || a === NO_DOUBLE || b === NO_DOUBLE)
    return Math.sign(Number(a) - Number(b));
  const [x, y] = [BigInt(a), BigInt(b)];
  return x === y ? 0 : x < y ? -1 : 1;
}
