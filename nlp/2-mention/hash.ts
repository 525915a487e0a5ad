/**
 * 32-bit hashes of words and of features. Features of the tagger have no names at run time, only hashes:
 * a model of hashes is a fifth of the size of one with strings, and needs no string built per token.
 * Collisions cost a little accuracy and are the same in training and in use. Hashes are signed: numbers from 2^31 on
 * would each be an object of its own on the heap.
 */

/** Murmur3's finaliser: every input bit reaches every output bit. */
export function finish(value: number): number {
  let h = value | 0;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h | 0;
}

/** FNV-1a over UTF-16 units of `text[from, to)`, finished. */
export function hashString(text: string, from = 0, to = text.length): number {
  let h = 0x811c9dc5;
  for (let i = from; i < to; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return finish(h);
}

/** What the first hash brings to `mix`, and what the second one does. */
export function mixFirst(a: number): number {
  return Math.imul(a, 0x9e3779b1);
}
export function mixSecond(b: number): number {
  return Math.imul((b + 0x7f4a7c15) | 0, 0x85ebca77);
}

/** Order-sensitive combination of two hashes: `finish(mixFirst(a) ^ mixSecond(b))`. */
export function mix(a: number, b: number): number {
  return finish(mixFirst(a) ^ mixSecond(b));
}
