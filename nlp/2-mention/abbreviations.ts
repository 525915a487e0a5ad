import type { Token } from '../model.js';
import type { TaggedSpan } from './crf.js';

/** Longest abbreviation that is looked for, in characters, and its fewest letters. */
const MAX_CHARACTERS = 10;
const MIN_LETTERS = 2;
/** Tokens before the parenthesis that may belong to the long form beyond the span itself. */
const EXTRA_WORDS = 2;
/** How sure a mention found only by its abbreviation is. */
const SHORT_FORM_SCORE = 0.9;

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
    for (let t = 0; t < tokens.length; t++) {
      const text = joinedText(tokens, t);
      const type = text === undefined ? undefined : types.get(text.text);
      if (text === undefined || type === undefined) continue;
      const last = text.last;
      const over = out.findIndex((span) => span.first < last && t < span.last);
      const found: TaggedSpan = { first: t, last, type, score: SHORT_FORM_SCORE };
      if (over < 0) out.push(found);
      else if (out[over]!.first === t && out[over]!.last === last && out[over]!.type !== type)
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
