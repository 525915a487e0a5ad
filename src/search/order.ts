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
  | { readonly kind: 'keys'; readonly keys: readonly SqlKey[] }
  /** By values only the bodies have: every match is opened, `_count` of them are kept at a time. */
  | { readonly kind: 'bodies'; readonly keys: readonly BodyKey[] };

export type SqlKey =
  | { readonly from: 'date'; readonly param: bigint; readonly descending: boolean }
  | { readonly from: 'quantity'; readonly term: bigint; readonly descending: boolean }
  | { readonly from: 'updated'; readonly descending: boolean };

export interface BodyKey {
  readonly code: string;
  readonly descending: boolean;
}

/** Phases an order is walked in; a position names the phase it stands in. */
export function phasesOf(order: Order): readonly ('all' | 'dated' | 'undated')[] {
  return order.kind === 'clinical' ? ['dated', 'undated'] : ['all'];
}

export const START: Position = { phase: 0, keys: [] };
