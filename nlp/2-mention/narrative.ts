import type { AnnotatedText, MentionType } from '../model.js';
import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';
import { partsOf } from './edges.js';
import { FUNCTION_WORDS, LETTER_WORDS } from './mention-words.js';
import { compatible, joined, seen, withoutOverlaps } from './merge.js';
import { trustOf } from './trust.js';

/** A shorter text does not show how it is written. */
const MIN_TOKENS = 100;
/** Tokens of a sentence, on average: 16 to 37 in case reports, 6 to 13 in most notes. */
const MIN_SENTENCE_TOKENS = 15;
/** Share of the tokens that stand in whole sentences: all but a few in case reports. */
const MIN_PROSE_SHARE = 0.85;
/** Fewer tokens are a fragment. */
const MIN_WHOLE_SENTENCE_TOKENS = 8;
/** Share of function words: .15 to .34 in case reports, below .1 in most notes. */
const MIN_FUNCTION_WORD_SHARE = 0.12;
/** Share of words between a writer and a reader: letters have whole names, as notes do. */
const MAX_LETTER_WORD_SHARE = 0.01;
/** A title is no outline. */
const MAX_TITLES = 1;

/**
 * Whether a text is told from beginning to end in long sentences of a patient, as case reports are. The tagger
 * learned from such texts, so that there its own word is the better one; in notes the lexicon's is.
 */
export function isNarrative(text: Pick<AnnotatedText, 'sections' | 'sentences' | 'tokens'>): boolean {
  const { sections, sentences, tokens } = text;
  if (sections.filter(({ title }) => title).length > MAX_TITLES) return false;
  let all = 0;
  let prose = 0;
  let held = 0;
  let addressed = 0;
  for (const { firstToken, lastToken, listItem } of sentences) {
    const length = lastToken - firstToken;
    all += length;
    if (listItem || length < MIN_WHOLE_SENTENCE_TOKENS || tokens[lastToken - 1]!.text !== '.') continue;
    prose += length;
    for (let t = firstToken; t < lastToken; t++) {
      const { norm } = tokens[t]!;
      if (FUNCTION_WORDS.has(norm)) held++;
      if (LETTER_WORDS.has(norm)) addressed++;
    }
  }
  return (
    all >= MIN_TOKENS &&
    all >= MIN_SENTENCE_TOKENS * sentences.length &&
    prose >= MIN_PROSE_SHARE * all &&
    held >= MIN_FUNCTION_WORD_SHARE * all &&
    addressed <= MAX_LETTER_WORD_SHARE * all
  );
}

/** A tagged span displaces phrases of the lexicon of another type from this likelihood on. */
const DISPLACING_SCORE = 0.4;
/**
 * A phrase of the lexicon where nothing was tagged stands if the tagger gave its words this much. By held-out folds
 * three of four single words below that are nothing; names of drugs are right where it is silent.
 */
const MIN_SUPPORT: Readonly<Partial<Record<MentionType, number>>> = {
  diagnosis: 0.02,
  symptom: 0.02,
  procedure: 0.05,
  test: 0.05,
  'vital-sign': 0.05,
};

/**
 * Like `mergeCandidates`, for a narrative: what is marked is what the tagger marked. The phrase of the lexicon that
 * the words belong to stays the name of it, by which it is read and coded.
 */
export function mergeNarrative(
  lexicon: readonly Candidate[],
  tagged: readonly Candidate[],
  context: ContextJudge,
): Candidate[] {
  const kept: Candidate[] = [];
  const gone = new Set<Candidate>();
  const spans = tagged.flatMap((candidate) => partsOf(candidate, context));
  for (const [i, span] of spans.entries()) {
    const inside = lexicon.filter((hit) => hit.first < span.last && span.first < hit.last && !gone.has(hit));
    const trust = trustOf(span, context);
    if (inside.length === 0) {
      if (trust) kept.push(trust === 'believed' ? span : seen(span));
      continue;
    }
    const agreeing = inside.filter((hit) => compatible(hit.type, span.type));
    // Several drugs in one span are several facts.
    if (agreeing.length > 1 && (span.type === 'medication' || trust !== 'believed')) continue;
    if (agreeing.length === 0 && span.score < DISPLACING_SCORE) continue;
    for (const hit of inside) gone.add(hit);
    if (agreeing.length !== 1) {
      kept.push(span);
      continue;
    }
    const name = joined(agreeing[0]!, span, context);
    const core = { first: span.first, last: span.last };
    kept.push({
      ...name,
      first: Math.max(name.first, spans[i - 1]?.last ?? 0),
      last: Math.min(name.last, spans[i + 1]?.first ?? name.last),
      ...(name.first === core.first && name.last === core.last ? {} : { core }),
    });
  }
  for (const hit of lexicon) {
    if (gone.has(hit)) continue;
    const least = isLongProcedure(hit) ? undefined : MIN_SUPPORT[hit.type];
    if (least === undefined || context.support(hit.first, hit.last, hit.type) >= least) kept.push(hit);
  }
  return withoutOverlaps(kept).filter(
    (one) => !context.inBrackets(one.first, one.last) || one.type !== 'medication',
  );
}

/** Several words for what is done are right more often than not, whatever the tagger thinks. */
function isLongProcedure({ type, first, last }: Candidate): boolean {
  return last - first > 1 && (type === 'procedure' || type === 'test');
}
