/**
 * How much a tenant's index tells whoever has a dump of it, chosen when the tenant is made. `exact`: each value has a term
 * of its own, dates and numbers stand in clear. `bucketed`: values share terms, dates are months or years, numbers are not kept.
 * `none`: nothing of any value. Searches find the same at each level; the less the index tells, the more they open.
 */
export type IndexPrivacy = 'exact' | 'bucketed' | 'none';
export const INDEX_PRIVACY_LEVELS: readonly IndexPrivacy[] = ['exact', 'bucketed', 'none'];

/**
 * Turns a search value into an opaque signed 64-bit number under the tenant's index key. The same text
 * gives the same number within a tenant, and nothing else can be learned from it without the key.
 * The text is built with `termText`, which length-prefixes its parts so that ("a|b","c") and ("a","b|c") differ.
 *
 * The level goes with the function, so that rows cannot be written at one level and searched at another.
 */
export interface Blind {
  (text: string): bigint;
  /** `exact` where absent. */
  readonly privacy?: IndexPrivacy | undefined;
  /** While the index key is changed: rows are written under this one as well; nothing is searched under it yet. */
  readonly also?: Blind | undefined;
}

/** The level where it is not `exact`. */
export function coarseLevel(blind: Blind): Exclude<IndexPrivacy, 'exact'> | undefined {
  const { privacy } = blind;
  return privacy === 'exact' ? undefined : privacy;
}

/** Joins the parts of a term unambiguously: each part is preceded by its length in UTF-16 units. */
export function termText(...parts: string[]): string {
  let out = '';
  for (const p of parts) out += `${p.length}:${p}`;
  return out;
}
