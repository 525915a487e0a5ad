import type { MentionType } from '../model.js';
import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';
import { EMPTY_HEADS, NEVER_HEADS, SENTENCE_WORDS, TEST_HEADS, UNITS } from './mention-words.js';

interface Trust {
  /** Words that stand in names of this kind of thing. */
  readonly known: number;
  /** Words that do not. */
  readonly unknown: number;
  /** One word alone. */
  readonly single: number;
}

const NO_TRUST: Trust = { known: 2, unknown: 2, single: 2 };

/**
 * How likely a tagged span without a lexicon row must be, by type; chosen on held-out folds and notes. The more a
 * wrong one costs the more is asked: a procedure becomes a fact, a test without a value never does.
 */
const TRUST: Readonly<Partial<Record<MentionType, Trust>>> = {
  medication: { known: 0.5, unknown: 0.75, single: 0.5 },
  allergen: { known: 0.6, unknown: 0.75, single: 0.6 },
  diagnosis: { known: 0.5, unknown: 0.75, single: 0.5 },
  symptom: { known: 0.5, unknown: 0.8, single: 0.65 },
  procedure: { known: 0.6, unknown: 0.9, single: 0.75 },
  test: { known: 0.5, unknown: 0.65, single: 0.6 },
  'vital-sign': { known: 0.6, unknown: 0.9, single: 0.7 },
};
/** Added in lists and tables, where the tagger misses the grammar it learned from. */
const LIST_CAUTION = 0.1;
/** Case reports do not describe operations step by step: there the tagger must be all but certain. */
const OPERATIVE_SCORE = 0.95;
/** Endings that only names of operations and looks inside have. */
const OPERATION =
  /[a-z]{3}(?:ectom(?:y|ies)|otom(?:y|ies)|ostom(?:y|ies)|plast(?:y|ies)|scop(?:y|ies)|centesis|desis|pexy|rrhaphy)$/;
/** What is asked of the tagger for them. */
const OPERATION_TRUST: Trust = { known: 0.4, unknown: 0.4, single: 0.4 };
/** "L4-L5" is a place. */
const VERTEBRA = /^(?:[clts]\d{1,2}|-|–|\/)$/;

/** A span that is only seen may not become a fact: what the gate asks of every fact is more than this score. */
export const SEEN_SCORE = 0.45;
const SEEN = ', seen only';

/** What is said of how such a mention was found. */
export function asSeen(because: string): string {
  return because + SEEN;
}

export function isSeenOnly(because: string | undefined): boolean {
  return because?.endsWith(SEEN) === true;
}

/** Fewer tokens are shorthand rather than prose. */
const PROSE_MIN_TOKENS = 8;

/**
 * How a tagged span that the lexicon does not know is taken: `believed` like a name of the lexicon, `seen` as a
 * mention of which no fact is made, undefined as none. Spans are seen in prose, which the tagger learned from.
 */
export function trustOf(span: Candidate, context: ContextJudge): 'believed' | 'seen' | undefined {
  if (context.isPerson(span.first, span.last)) return undefined;
  if (everyWordIn(UNITS, context, span) || everyWordLike(VERTEBRA, context, span)) return undefined;
  if (isBelievable(span, context)) return 'believed';
  const head = context.tokens[span.last - 1]!.norm;
  if (span.type === 'medication' && /[a-z]ed$/.test(head)) return undefined;
  return isProse(context) && TRUST[span.type] && !NEVER_HEADS.has(head) ? 'seen' : undefined;
}

function isBelievable(span: Candidate, context: ContextJudge): boolean {
  const words = span.last - span.first;
  const head = context.tokens[span.last - 1]!.norm;
  const trust =
    span.type === 'procedure' && OPERATION.test(head) ? OPERATION_TRUST : (TRUST[span.type] ?? NO_TRUST);
  const caution = context.listItem ? LIST_CAUTION : 0;
  const least = context.knowsWords(span.first, span.last, span.type) ? trust.known : trust.unknown;
  if (span.score < Math.max(least, words === 1 ? trust.single : 0) + caution) return false;
  if (context.section === 'operative-details' && span.score < OPERATIVE_SCORE) return false;
  if (someWordIn(SENTENCE_WORDS, context, span)) return false;
  if ((span.type === 'procedure' || span.type === 'medication') && /[a-z](?:ed|ly)$/.test(head)) return false;
  if (words === 1 && span.type === 'test' && /[a-z](?:ed|ly)$/.test(head)) return false;
  if (span.type === 'test' && words > 1 && TEST_HEADS.has(head)) return true;
  return !EMPTY_HEADS.has(head) && !EMPTY_HEADS.has(context.words(span.first, span.last));
}

/** A whole sentence, as case reports are written, and no operation described step by step. */
export function isProse({ tokens, listItem, section }: ContextJudge): boolean {
  return (
    !listItem &&
    section !== 'operative-details' &&
    tokens.length >= PROSE_MIN_TOKENS &&
    tokens[tokens.length - 1]!.text === '.'
  );
}

function everyWordIn(words: ReadonlySet<string>, context: ContextJudge, span: Candidate): boolean {
  for (let t = span.first; t < span.last; t++) {
    const { norm } = context.tokens[t]!;
    if (!words.has(norm) && /\p{L}/u.test(norm)) return false;
  }
  return true;
}

function someWordIn(words: ReadonlySet<string>, context: ContextJudge, span: Candidate): boolean {
  for (let t = span.first; t < span.last; t++) if (words.has(context.tokens[t]!.norm)) return true;
  return false;
}

function everyWordLike(pattern: RegExp, context: ContextJudge, span: Candidate): boolean {
  for (let t = span.first; t < span.last; t++) if (!pattern.test(context.tokens[t]!.norm)) return false;
  return true;
}
