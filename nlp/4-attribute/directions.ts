import { FUNCTION_WORDS } from '../2-mention/mention-words.js';
import type { AttributeType, Span, Token } from '../model.js';
import {
  directionFeatures,
  FeatureRows,
  LEARNED_TYPES,
  type LearnedType,
  type RuleFind,
} from './directions-features.js';
import { type DirectionsTagger, loadDirections } from './directions-model.js';
import { countedText, measuredText } from './quantity.js';
import type { DrugPlace, SignatureRegion, Ties } from './signature.js';
import { durationOf, type Found, routeOf } from './signature-scan.js';
import { timingOf } from './timing.js';

/** Puts right what the rules found in a region. */
export type Reviser = (text: string, region: SignatureRegion, tokens: readonly Token[], ties: Ties) => Ties;

const LEARNED_AS: Readonly<Partial<Record<AttributeType, LearnedType>>> = {
  strength: 'dose',
  dose: 'dose',
  route: 'route',
  frequency: 'frequency',
  duration: 'duration',
};

// Chosen on held-out folds. Annotators leave out much that the rules find rightly, so only doses that the model all but
// excludes are dropped: results and amounts of something else, as their words tell it.
const DROP_DOSE = 0.02;
/** A span that the rules do not know, and one that they could tie to no drug, stand from this chance on. */
const ADD = 0.4;
/** What a full stop, semicolon or colon between an attribute and a drug weighs, in characters. */
const STOP_DISTANCE = 40;
const STOP = /[;:]|\.\s/;

/** Regions with more tokens are broken input or endless lists. */
const MAX_TOKENS = 200;
/** Fewer tokens are a fragment, and fewer function words the shorthand of lists: there the rules know more. */
const MIN_TOKENS = 8;
const MIN_FUNCTION_WORDS = 0.12;

/** The region's tokens that stand in it whole. */
export function tokensOf(region: SignatureRegion, tokens: readonly Token[]): Token[] {
  return tokens
    .slice(region.firstToken, region.lastToken)
    .filter((token) => token.start >= region.start && token.end <= region.end);
}

/** What the rules found, as features of the model. */
export function ruleFinds({ found, owners }: Ties): RuleFind[] {
  return found.map((each) => ({
    type: each.type,
    start: each.start,
    end: each.end,
    owned: owners.has(each),
  }));
}

/** A whole sentence such as the model learned from. */
function isProse(region: SignatureRegion, words: readonly Token[]): boolean {
  if (region.listItem || words.length < MIN_TOKENS || words[words.length - 1]!.text !== '.') return false;
  const held = words.filter(({ norm }) => FUNCTION_WORDS.has(norm)).length;
  return held >= MIN_FUNCTION_WORDS * words.length;
}

/** What the rules make of the words; undefined where they make nothing of them, and the words stand alone. */
function normalizedOf(type: LearnedType, words: string): string | undefined {
  const text = words.toLowerCase();
  if (type === 'dose') return measuredText(text) ?? countedText(text);
  if (type === 'route') return routeOf(text);
  if (type === 'frequency') return timingOf(text);
  return durationOf(text);
}

/** The drug that is nearest in the text: its position in `drugs`. */
function nearest(text: string, span: Span, drugs: readonly DrugPlace[]): number | undefined {
  let best: number | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const [place, drug] of drugs.entries()) {
    const [from, to] = drug.start >= span.end ? [span.end, drug.start] : [drug.end, span.start];
    const gap = to - from + (STOP.test(text.slice(from, to)) ? STOP_DISTANCE : 0);
    if (gap >= least) continue;
    least = gap;
    best = place;
  }
  return best;
}

/** A reviser by a model, in prose alone. */
export function reviserOf(tagger: DirectionsTagger): Reviser {
  const rows = new FeatureRows();
  return (text, region, tokens, ties) => {
    if (region.lastToken - region.firstToken > MAX_TOKENS) return ties;
    const words = tokensOf(region, tokens);
    if (!isProse(region, words)) return ties;
    const { spans, chances } = tagger.tag(directionFeatures(words, ties.drugs, ruleFinds(ties), rows));
    const chanceOf = (span: Span, type: LearnedType): number => {
      const column = LEARNED_TYPES.indexOf(type);
      let most = 0;
      for (const [t, word] of words.entries())
        if (word.start < span.end && span.start < word.end)
          most = Math.max(most, chances[t * LEARNED_TYPES.length + column]!);
      return most;
    };
    const owners = new Map<Found, number>();
    const found: Found[] = [];
    for (const each of ties.found) {
      const type = LEARNED_AS[each.type];
      const owner = ties.owners.get(each);
      if (type === 'dose' && owner !== undefined && chanceOf(each, type) < DROP_DOSE) continue;
      found.push(each);
      const tied =
        owner ?? (type && chanceOf(each, type) >= ADD ? nearest(text, each, ties.drugs) : undefined);
      if (tied !== undefined) owners.set(each, tied);
    }
    for (const { first, last, type: index, score } of spans) {
      if (score < ADD) continue;
      const type = LEARNED_TYPES[index]!;
      const span = { start: words[first]!.start, end: words[last - 1]!.end };
      // A form is what the sets call a route ("tablets"), and is known already.
      const known = found.some(
        (each) =>
          each.start < span.end &&
          span.start < each.end &&
          (each.type === 'form' ? type === 'route' : LEARNED_AS[each.type] !== undefined && owners.has(each)),
      );
      const owner = known ? undefined : nearest(text, span, ties.drugs);
      if (owner === undefined) continue;
      const said = text.slice(span.start, span.end);
      const normalized = normalizedOf(type, said);
      const one: Found = { type, ...span, text: said, ...(normalized === undefined ? {} : { normalized }) };
      found.push(one);
      owners.set(one, owner);
    }
    found.sort((a, b) => a.start - b.start || b.end - a.end);
    return { drugs: ties.drugs, found, owners };
  };
}

let shipped: Reviser | undefined;

/** By the model that the package ships. */
export function shippedReviser(): Reviser {
  shipped ??= reviserOf(loadDirections());
  return shipped;
}
