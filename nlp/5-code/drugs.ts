import type { Lexicon, LexiconHit } from '../2-mention/lexicon.js';
import { FLAG, type LexiconConcept } from '../2-mention/lexicon-file.js';
import type { AnnotatedText, Attribute, Concept, Mention } from '../model.js';
import type { ProductIndex } from './products.js';
import { DOUBTFUL, EXACT, ranked, type Scored } from './ranking.js';

const PRODUCT_REACH_TOKENS = 40;
const PRODUCT_LEAD_TOKENS = 8;
const LINE_MAX = 200;
const TAIL = 14;
/** Marks between the drugs of one product. */
const JOINS = new Set(['-', '/', '+', '–']);

/** Concepts, what decided them, and the attributes where the drug's products say more of them. */
export interface CodedDrug {
  readonly concepts: Concept[];
  readonly because?: string;
  readonly attributes?: readonly Attribute[];
}

/** RxNorm at the level of the words: product where strength and form are given, else brand or ingredient. */
export function codeDrug(
  lexicon: Lexicon,
  products: ProductIndex,
  input: AnnotatedText,
  mention: Mention,
  first: number,
  last: number,
): CodedDrug {
  const scored: Scored[] = [];
  let attributes: readonly Attribute[] | undefined;
  let because: string | undefined;
  // The official name of a product around the mention: "24 HR metformin hydrochloride 500 MG ... Tablet".
  const from = Math.max(0, first - PRODUCT_LEAD_TOKENS);
  const line = lineStart(input.text, mention.start);
  for (let start = first; start >= from; start--) {
    if (input.tokens[start]!.end <= line) break;
    const hit = lexicon.longestAt(
      input.tokens,
      start,
      Math.min(input.tokens.length, start + PRODUCT_REACH_TOKENS),
    );
    if (!hit || hit.lastToken < last) continue;
    const row = hit.rows.find((each) => (each.flags & FLAG.product) !== 0);
    if (!row) continue;
    scored.length = 0;
    row.concepts.forEach((concept, rank) => {
      scored.push({ concept, score: EXACT + 0.01 - rank * 0.001 });
    });
    because = `lexicon:${row.entry}`;
  }
  const hits = lexicon
    .match(input.tokens, first, last)
    .filter((hit) => hit.rows.some((row) => row.type === 'medication'));
  const main = hits[0];
  if (main && (hits.length === 1 || sameDrug(hits))) {
    const row = main.rows.find((each) => each.type === 'medication')!;
    const concept = row.concepts[0];
    if (concept) {
      const whole = main.firstToken === first && main.lastToken === last;
      const brand = concept.kind === 'BN' ? concept.display : undefined;
      const ingredients = ingredientsOf(lexicon, concept);
      attributes = withUnit(products, ingredients, mention.attributes);
      const product =
        because === undefined
          ? products.find(
              ingredients,
              brand,
              attributes ?? mention.attributes,
              input.text.slice(mention.end, mention.end + TAIL),
              concept.kind === 'PIN' ? concept.display : undefined,
            )
          : undefined;
      if (product) {
        scored.push({ concept: product, score: EXACT });
        because = `product:${product.code}`;
      }
      const base = (row.flags & FLAG.ambiguous) !== 0 ? DOUBTFUL : whole ? EXACT - 0.03 : 0.9;
      row.concepts.forEach((each, rank) => {
        scored.push({ concept: each, score: base - rank * 0.01 - (main.corrected ? 0.05 : 0) });
      });
      because ??= `lexicon:${row.entry}${main.corrected ? ` for ${main.corrected}` : ''}`;
    }
  }
  if (scored.length === 0) return codeCombination(lexicon, products, input, mention, first, last);
  return {
    concepts: ranked(scored),
    ...(because ? { because } : {}),
    ...(attributes ? { attributes } : {}),
  };
}

const BARE_NUMBER = /^\d+(?:\.\d+)?$/;

/** "Eliquis 5 BID" is in the unit that products of the drug come in; undefined where nothing is to be said. */
function withUnit(
  products: ProductIndex,
  ingredients: readonly number[],
  attributes: readonly Attribute[],
): readonly Attribute[] | undefined {
  const at = attributes.findIndex(
    ({ type, normalized, text }) => type === 'strength' && normalized === undefined && BARE_NUMBER.test(text),
  );
  if (at < 0) return undefined;
  const normalized = products.strengthOf(ingredients, Number(attributes[at]!.text));
  return normalized === undefined
    ? undefined
    : attributes.map((each, i) => (i === at ? { ...each, normalized } : each));
}

/** Where the line of an offset begins, as far as a product's name can reach back. */
function lineStart(text: string, offset: number): number {
  const stop = Math.max(0, offset - LINE_MAX);
  let at = offset;
  while (at > stop && text.charCodeAt(at - 1) !== 10) at--;
  return at;
}

/** Several drugs in one: "hydrocodone-acetaminophen 5-325 mg tablet" is that product, else the two ingredients together. */
function codeCombination(
  lexicon: Lexicon,
  products: ProductIndex,
  input: AnnotatedText,
  mention: Mention,
  first: number,
  last: number,
): { concepts: Concept[]; because?: string } {
  const drugs: LexiconConcept[] = [];
  for (let from = first, at = first; at <= last; at++) {
    if (at < last && !JOINS.has(input.tokens[at]!.norm)) continue;
    const hits = lexicon.match(input.tokens, from, at);
    const whole = hits.length === 1 && hits[0]!.firstToken === from && hits[0]!.lastToken === at;
    const row = whole ? hits[0]!.rows.find((each) => each.type === 'medication') : undefined;
    const drug = row?.concepts[0];
    if (!drug || (drug.kind !== 'IN' && drug.kind !== 'PIN')) return { concepts: [] };
    drugs.push(drug);
    from = at + 1;
  }
  if (drugs.length < 2) return { concepts: [] };
  const ingredients = drugs.flatMap((each) => ingredientsOf(lexicon, each));
  const tail = input.text.slice(mention.end, mention.end + TAIL);
  const product = products.find(ingredients, undefined, mention.attributes, tail);
  const both = products.combination(ingredients);
  const scored: Scored[] = [];
  if (product) scored.push({ concept: product, score: EXACT });
  if (both) scored.push({ concept: both, score: EXACT - 0.03 });
  const best = product ?? both;
  return { concepts: ranked(scored), ...(best ? { because: `product:${best.code}` } : {}) };
}

/** Two names of one drug in one mention: "bevacizumab (Avastin)". */
function sameDrug(hits: readonly LexiconHit[]): boolean {
  const names = hits.map((hit) => hit.rows[0]!.concepts[0]);
  return (
    names.every(
      (concept) =>
        concept !== undefined &&
        (concept === names[0] || concept.parts.length > 0 || names[0]!.parts.length > 0),
    ) && hits.length === 2
  );
}

/** Ingredients by concept, of every lexicon: finding the number of one asks a score of concepts. */
const ingredients = new WeakMap<LexiconConcept, readonly number[]>();

/** Numbers of the ingredients of a drug's concept; itself where it is one. */
function ingredientsOf(lexicon: Lexicon, concept: LexiconConcept): readonly number[] {
  let numbers = ingredients.get(concept);
  if (!numbers) {
    numbers =
      concept.kind === 'IN'
        ? [numberOf(lexicon, concept)]
        : concept.parts.filter((part) => lexicon.tables.concept(part).kind === 'IN');
    ingredients.set(concept, numbers);
  }
  return numbers;
}

/** Number of a concept: by bisection, since concepts stand by system and code. */
function numberOf(lexicon: Lexicon, wanted: LexiconConcept): number {
  const { tables } = lexicon;
  let low = 0;
  let high = tables.conceptCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const concept = tables.glance(middle);
    if (concept.system < wanted.system || (concept.system === wanted.system && concept.code < wanted.code))
      low = middle + 1;
    else high = middle;
  }
  return low;
}
