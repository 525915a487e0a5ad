import type { Token } from '../model.js';
import type { TaggedSpan } from './crf.js';
import type { Tagged, Tagger, TaggerSentence } from './tagger.js';

/** Shortest name, in characters, that other places of the document are searched for. */
const MIN_NAME_CHARACTERS = 5;
/** A name tagged elsewhere is taken up where the model gave it at least this chance here. */
const MIN_CHANCE = 0.1;
/** Sum of scores that the other places must bring. */
const MIN_VOTES = 0.6;

/**
 * Tags the sentences of one document, then lets the document agree with itself on abbreviations and on names that
 * were tagged in some places only. Without `model`, by the last model.
 */
export function tagDocument(tagger: Tagger, sentences: readonly TaggerSentence[], model?: string): Tagged[] {
  const tagged = sentences.map((sentence) =>
    model ? tagger.tagWith(model, sentence) : tagger.tag(sentence),
  );
  const tokens = sentences.map((sentence) => sentence.tokens);
  const short = agreeOnAbbreviations(
    tokens,
    tagged.map(({ spans }) => spans),
  );
  const spans = agreeOnNames(
    tokens,
    tagged.map((one, i) => ({ ...one, spans: short[i]! })),
  );
  return tagged.map((one, i) => ({ ...one, spans: spans[i]! }));
}

interface Votes {
  readonly norms: readonly string[];
  readonly byType: number[];
}

/**
 * Where the same words are tagged in one sentence and not in another of the document, the model's doubt is decided
 * by the other places; where they are of two types, by the one with more score.
 */
export function agreeOnNames(
  sentences: readonly (readonly Token[])[],
  tagged: readonly Tagged[],
): TaggedSpan[][] {
  const names = new Map<string, Votes>();
  tagged.forEach(({ spans }, i) => {
    for (const span of spans) {
      const norms = sentences[i]!.slice(span.first, span.last).map((token) => token.norm);
      const key = norms.join(' ');
      if (key.length < MIN_NAME_CHARACTERS) continue;
      let votes = names.get(key);
      if (!votes) {
        votes = { norms, byType: [] };
        names.set(key, votes);
      }
      votes.byType[span.type] = (votes.byType[span.type] ?? 0) + span.score;
    }
  });
  if (names.size === 0) return tagged.map(({ spans }) => [...spans]);
  const byFirst = new Map<string, Votes[]>();
  for (const votes of names.values()) {
    const list = byFirst.get(votes.norms[0]!);
    if (list) list.push(votes);
    else byFirst.set(votes.norms[0]!, [votes]);
  }
  for (const list of byFirst.values()) list.sort((a, b) => b.norms.length - a.norms.length);
  return tagged.map(({ spans, probabilities }, i) => {
    const tokens = sentences[i]!;
    const types = probabilities.length / Math.max(1, tokens.length);
    let owner: Int32Array | undefined;
    const out: TaggedSpan[] = [...spans];
    for (let t = 0; t < tokens.length; t++) {
      const begun = byFirst.get(tokens[t]!.norm);
      const votes = begun && standing(begun, tokens, t);
      if (!votes) continue;
      const last = t + votes.norms.length;
      let type = -1;
      votes.byType.forEach((sum, k) => {
        if (type < 0 || sum > votes.byType[type]!) type = k;
      });
      let chance = 0;
      for (let u = t; u < last; u++) chance += probabilities[u * types + type]!;
      chance /= last - t;
      if (chance < MIN_CHANCE) continue;
      owner ??= ownersOf(out, tokens.length);
      const held = out[owner[t]!];
      if (held) {
        if (held.first === t && held.last === last && held.type !== type) out[owner[t]!] = { ...held, type };
      } else if (votes.byType[type]! >= MIN_VOTES && owner.subarray(t, last).every((index) => index < 0)) {
        owner.fill(out.length, t, last);
        out.push({ first: t, last, type, score: chance });
      }
    }
    return out.sort((a, b) => a.first - b.first);
  });
}

/** For each token the number of the span that it belongs to, -1 where none. */
function ownersOf(spans: readonly TaggedSpan[], tokens: number): Int32Array {
  const owner = new Int32Array(tokens).fill(-1);
  for (const [index, span] of spans.entries()) owner.fill(index, span.first, span.last);
  return owner;
}

function standing(names: readonly Votes[], tokens: readonly Token[], at: number): Votes | undefined {
  return names.find(({ norms }) => stands(norms, tokens, at));
}

function stands(norms: readonly string[], tokens: readonly Token[], at: number): boolean {
  if (at + norms.length > tokens.length) return false;
  for (let i = 0; i < norms.length; i++) if (tokens[at + i]!.norm !== norms[i]) return false;
  return true;
}

/** Longest abbreviation that is looked for, in characters, and its fewest letters. */
const MAX_CHARACTERS = 10;
const MIN_LETTERS = 2;
/** Tokens before the parenthesis that may belong to the long form beyond the span itself. */
const EXTRA_WORDS = 2;
/** How sure a mention found only by its abbreviation is. */
const SHORT_FORM_SCORE = 0.95;

/**
 * Makes a document agree with its own abbreviations: where a tagged name is followed by its short form in
 * parentheses, "growth hormone (GH)", every GH of the document is of the same type. A name that ran into the
 * parenthesis is cut before it.
 * @param sentences tokens per sentence; @param spans what was tagged, per sentence.
 */
export function agreeOnAbbreviations(
  sentences: readonly (readonly Token[])[],
  spans: readonly (readonly TaggedSpan[])[],
): TaggedSpan[][] {
  const cut = spans.map((list, i) => list.map((span) => withoutOpenParenthesis(span, sentences[i]!)));
  const types = new Map<string, number>();
  cut.forEach((list, i) => {
    const tokens = sentences[i]!;
    for (const span of list) {
      const short = shortFormAfter(span.last, tokens);
      if (short === undefined || types.has(short)) continue;
      const words = tokens.slice(Math.max(0, span.first - EXTRA_WORDS), span.last).map((token) => token.norm);
      if (abbreviates(short, words, span.last - span.first)) types.set(short, span.type);
    }
  });
  if (types.size === 0) return cut;
  return cut.map((list, i) => {
    const tokens = sentences[i]!;
    const out: TaggedSpan[] = [...list];
    const owner = ownersOf(out, tokens.length);
    for (let t = 0; t < tokens.length; t++) {
      const text = joinedText(tokens, t);
      const type = text === undefined ? undefined : types.get(text.text);
      if (text === undefined || type === undefined) continue;
      const last = text.last;
      const found: TaggedSpan = { first: t, last, type, score: SHORT_FORM_SCORE };
      const over = owner.subarray(t, last).find((index) => index >= 0);
      if (over === undefined) {
        owner.fill(out.length, t, last);
        out.push(found);
      } else if (out[over]!.first === t && out[over]!.last === last && out[over]!.type !== type)
        out[over] = found;
    }
    return out.sort((a, b) => a.first - b.first);
  });
}

function withoutOpenParenthesis(span: TaggedSpan, tokens: readonly Token[]): TaggedSpan {
  for (let t = span.first + 1; t < span.last; t++) {
    if (tokens[t]!.text !== '(') continue;
    for (let u = t + 1; u < span.last; u++) if (tokens[u]!.text === ')') return span;
    return { ...span, last: t };
  }
  return span;
}

/** The words in parentheses that begin at `at`, as one text without spaces, where they can be a short form. */
function shortFormAfter(at: number, tokens: readonly Token[]): string | undefined {
  if (tokens[at]?.text !== '(') return undefined;
  const found = joinedText(tokens, at + 1);
  if (!found) return undefined;
  const after = tokens[found.last]?.text;
  return after === ')' || after === ',' || after === ';' ? found.text : undefined;
}

/** Tokens that touch each other from `at` on, at most `MAX_CHARACTERS`, that look like a short form. */
function joinedText(tokens: readonly Token[], at: number): { text: string; last: number } | undefined {
  const first = tokens[at];
  if (!first || !/[\p{L}\p{N}]/u.test(first.text)) return undefined;
  if (at > 0 && tokens[at - 1]!.end === first.start && /[\p{L}\p{N}-]$/u.test(tokens[at - 1]!.text))
    return undefined;
  let text = first.text;
  let last = at + 1;
  while (
    last < tokens.length &&
    tokens[last]!.start === tokens[last - 1]!.end &&
    /^(?:-|[\p{L}\p{N}]+)$/u.test(tokens[last]!.text)
  ) {
    text += tokens[last]!.text;
    last++;
    if (text.length > MAX_CHARACTERS) return undefined;
  }
  const letters = text.replace(/[^\p{L}]/gu, '');
  if (letters.length < MIN_LETTERS || text.length > MAX_CHARACTERS) return undefined;
  if (letters.toLowerCase() === letters || !/\p{Lu}.*\p{Lu}|\p{Lu}.*\d|\d.*\p{Lu}/u.test(text))
    return undefined;
  return { text, last };
}

/**
 * Whether the letters of `short` occur in this order in the words, the first at the beginning of one of them; the
 * words before the last `inside` ones are only a reserve.
 */
function abbreviates(short: string, words: readonly string[], inside: number): boolean {
  const letters = short
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '')
    .replace(/s$/, '');
  for (let from = words.length - inside; from >= 0; from--) {
    const text = words.slice(from).join(' ');
    if (text[0] !== letters[0]) continue;
    let at = 0;
    for (let i = 0; i < text.length && at < letters.length; i++) if (text[i] === letters[at]) at++;
    if (at === letters.length) return true;
  }
  return false;
}
