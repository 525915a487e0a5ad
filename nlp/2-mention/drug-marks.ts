import type { Token } from '../model.js';
import { mix } from './hash.js';
import { FLAG, type LexiconHit } from './lexicon.js';

/** By token, hashes of what drug names of the lexicon say of it; nothing where it stands in none. */
export type DrugMarks = readonly (readonly number[] | undefined)[];

const BEGIN = 1;
const INSIDE = 2;
const END = 3;
const WHOLE = 4;
const CORRECTED = 5;
const KIND_OF_DRUG = FLAG.brand | FLAG.ingredient | FLAG.drugClass | FLAG.product;

/**
 * Marks for the tagger from the lexicon's drug names: whether the name has other meanings, whether it is a brand,
 * ingredient, class or product, and where in it the token stands. The tagger weighs them like any other feature.
 * @param hits all phrases of the lexicon in these tokens.
 */
export function drugMarks(tokens: readonly Token[], hits: readonly LexiconHit[]): DrugMarks {
  const marks: (readonly number[] | undefined)[] = new Array<undefined>(tokens.length).fill(undefined);
  for (const { firstToken, lastToken, rows, corrected } of hits) {
    let common = -1;
    let kind = 0;
    let drug = false;
    let other = 0;
    for (const row of rows) {
      common &= row.flags;
      if (row.type === 'medication') {
        drug = true;
        kind |= row.flags & KIND_OF_DRUG;
      } else other = 1;
    }
    if (!drug) continue;
    const weak = (common & (FLAG.needsContext | FLAG.ambiguous)) !== 0 ? 4 : 0;
    const short = (common & FLAG.abbreviation) !== 0 ? 2 : 0;
    for (let t = firstToken; t < lastToken; t++) {
      const place =
        lastToken - firstToken === 1 ? WHOLE : t === firstToken ? BEGIN : t === lastToken - 1 ? END : INSIDE;
      marks[t] = [
        mix(mix(170, weak | short | other), place),
        mix(mix(171, kind), corrected === undefined ? place : CORRECTED),
      ];
    }
  }
  return marks;
}
