import type { Coding } from '../api.js';

/** A code that stands in the data, and in how many records. */
export interface Offer {
  readonly coding: Coding;
  readonly count: number;
}

export const keyOf = (c: Coding): string => `${c.system ?? ''}|${c.code}`;

/** Those whose name or code says every word that was typed; names that begin with them first, then the most frequent. */
export function offersFor(all: readonly Offer[], typed: string): Offer[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...all];
  const says = ({ coding }: Offer) => `${coding.display ?? ''} ${coding.code}`.toLowerCase();
  const begins = (offer: Offer) => Number(says(offer).startsWith(words[0]!));
  return all
    .filter((offer) => words.every((word) => says(offer).includes(word)))
    .sort((a, b) => begins(b) - begins(a) || b.count - a.count);
}
