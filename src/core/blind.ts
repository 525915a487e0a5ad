/**
 * Turns a search value into an opaque signed 64-bit number under the tenant's index key. The same text
 * gives the same number within a tenant, and nothing else can be learned from it without the key.
 * The text is built with `termText`, which length-prefixes its parts so that ("a|b","c") and ("a","b|c") differ.
 */
export type Blind = (text: string) => bigint;

/** Joins the parts of a term unambiguously: each part is preceded by its length in UTF-16 units. */
export function termText(...parts: string[]): string {
  let out = '';
  for (const p of parts) out += `${p.length}:${p}`;
  return out;
}
