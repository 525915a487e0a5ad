import { isTransparent, stem } from '../2-mention/lexicon-words.js';
import type { AnnotatedText, Mention, Sentence, Token } from '../model.js';
import { isMeaningless } from './term-words.js';

const TAG = /^(?:disorder|finding|procedure|situation|regime|event|observable|physical|person|morphologic)$/;
/** Tags of what is done; a finding within such a name is what is looked for or treated. */
const DEED_TAG = /^(?:procedure|regime)$/;
const BREAK = new Set([',', ';', ':', '(', ')', '[', ']', '.', '–', '—', '--', '|', '•', '*', '?']);
const MAX_ROW_TOKENS = 16;

/**
 * Whether the mention is only a part of a longer name: of an official name ("radiation therapy" in "combined
 * chemotherapy and radiation therapy (procedure)"), or, for a procedure, of its row in a list. The code of the
 * part would be another procedure's than the one that was done, so there is none.
 */
export function isPartOfLongerName(
  input: AnnotatedText,
  mention: Mention,
  first: number,
  last: number,
): boolean {
  const sentence = sentenceOf(input.sentences, first);
  if (!sentence) return false;
  const { tokens } = input;
  let from = first;
  while (from > sentence.firstToken && !BREAK.has(tokens[from - 1]!.norm) && !isDash(tokens, from - 1))
    from--;
  let to = last;
  while (to < sentence.lastToken && !BREAK.has(tokens[to]!.norm) && !isDash(tokens, to)) to++;
  const tagged = to + 1 < tokens.length && tokens[to]!.norm === '(' && TAG.test(tokens[to + 1]!.norm);
  const row =
    sentence.listItem &&
    (mention.type === 'procedure' || mention.type === 'test') &&
    to - from <= MAX_ROW_TOKENS;
  if (!tagged && !row) return false;
  // Words before an official name introduce it ("presenting with"), unless it is a row of its own.
  const start = row ? from : Math.max(from, leadOfName(tokens, from, first));
  for (let at = start; at < to; at++) {
    if (at >= first && at < last) continue;
    const token = tokens[at]!;
    if (
      !/[a-z]/.test(token.norm) ||
      isTransparent(token.norm) ||
      isMeaningless(stem(token.norm)) ||
      DATE_WORD.test(token.norm)
    )
      continue;
    if (isAttribute(mention, token)) continue;
    if (!tagged && standsInOther(input, mention, token, first, last, at)) continue;
    return true;
  }
  return false;
}

const DATE_WORD =
  /^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*$|^(?:today|yesterday|ago|year|years|month|months|week|weeks|day|days|last|age|done|performed|negative|positive|normal|shows?|showed|revealed|with|scheduled|pending|completed|s\/p)$/;
const LEAD_IN =
  /^(?:with|of|for|has|have|had|is|was|were|and|diagnosed|presenting|presents|conducted|given|by|underwent|received|noted)$/;

/** The semantic tag of the official name that the mention stands in: "chronic neck pain (finding)"; undefined where none. */
export function tagOfName(input: AnnotatedText, last: number): string | undefined {
  const { tokens } = input;
  const end = Math.min(tokens.length - 1, last + MAX_ROW_TOKENS);
  for (let at = last; at < end; at++) {
    const { norm, start } = tokens[at]!;
    if (norm === '(' && TAG.test(tokens[at + 1]!.norm)) return tokens[at + 1]!.norm;
    if ((norm !== ',' && BREAK.has(norm)) || input.text.slice(tokens[last - 1]!.end, start).includes('\n'))
      return undefined;
  }
  return undefined;
}

/** Whether a tag names something done. */
export function isDeed(tag: string | undefined): boolean {
  return tag !== undefined && DEED_TAG.test(tag);
}

/** Where a name that ends at the mention may begin: after the last word that only introduces it. */
function leadOfName(tokens: readonly Token[], from: number, first: number): number {
  for (let at = first - 1; at >= from; at--) if (LEAD_IN.test(tokens[at]!.norm)) return at + 1;
  return from;
}

function isDash(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at]!;
  return (
    token.norm === '-' &&
    (at === 0 || tokens[at - 1]!.end < token.start) &&
    (at + 1 >= tokens.length || tokens[at + 1]!.start > token.end)
  );
}

function isAttribute(mention: Mention, token: Token): boolean {
  return mention.attributes.some((each) => each.start <= token.start && each.end >= token.end);
}

const COORDINATORS = new Set([
  'and',
  'or',
  '&',
  '+',
  'with',
  'plus',
  'then',
  'but',
  's/p',
  'showed',
  'shows',
  'revealed',
  'under',
  'by',
  'via',
  'after',
  'before',
]);

/** Mentions that may begin before one of them ends. */
const MAX_OVERLAPPING = 4;

/** The mention that a token belongs to, leaving one out: by bisection, since mentions stand in their order. */
export function mentionAt(mentions: readonly Mention[], token: Token, except?: Mention): Mention | undefined {
  let low = 0;
  let high = mentions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (mentions[middle]!.start <= token.start) low = middle + 1;
    else high = middle;
  }
  let found: Mention | undefined;
  for (let at = low - 1; at >= 0 && at >= low - MAX_OVERLAPPING; at--) {
    const mention = mentions[at]!;
    if (mention.end >= token.end && mention !== except) found = mention;
  }
  return found;
}

/** Whether a word belongs to another mention that is listed beside this one, and not a part of one name with it. */
function standsInOther(
  input: AnnotatedText,
  mention: Mention,
  token: Token,
  first: number,
  last: number,
  at: number,
): boolean {
  if (!mentionAt(input.mentions, token, mention)) return false;
  const [from, to] = at >= last ? [last, at] : [at + 1, first];
  for (let between = from; between < to; between++)
    if (COORDINATORS.has(input.tokens[between]!.norm)) return true;
  return false;
}

/** The sentence of a token, by bisection. */
function sentenceOf(sentences: readonly Sentence[], token: number): Sentence | undefined {
  let low = 0;
  let high = sentences.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sentences[middle]!.lastToken <= token) low = middle + 1;
    else high = middle;
  }
  const sentence = sentences[low];
  return sentence && sentence.firstToken <= token ? sentence : undefined;
}
