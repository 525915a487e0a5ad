import type { Sentence, Token } from '../model.js';

/** What the marks of a form say of the words beside them; `open`: nothing was ticked. */
export type Answer = 'yes' | 'no' | 'open';

const BOX = '(?:\\[[ xX✓✔]?\\]|\\([ xX✓✔]?\\)|[□☐☑☒✓✔■])';
const WORD = '(yes|no|y|n)(?![a-z])';
/** `Chest pain: [ ] yes [x] no` */
const BOX_FIRST = new RegExp(
  `[ \\t]{0,40}[:?.–-]{0,2}[ \\t]{0,9}(${BOX})[ \\t]{0,9}${WORD}[ \\t/,|]{0,20}(${BOX})[ \\t]{0,9}${WORD}`,
  'iy',
);
/** `Chest pain: yes [ ] no [x]` */
const BOX_LAST = new RegExp(
  `[ \\t]{0,40}[:?.–-]{0,2}[ \\t]{0,9}${WORD}[ \\t]{0,9}(${BOX})[ \\t/,|]{0,20}${WORD}[ \\t]{0,9}(${BOX})`,
  'iy',
);
/** `Asthma        No`, `Gout | no`, `Stroke .... denies`: the answer is the last column of its row. */
const COLUMN =
  /(?:[ ]{0,9}\t[ \t]{0,40}|[ ]{2,80}|[ \t]{0,40}\|[ \t]{0,40}|[ \t]{0,9}\.{3,80}[ \t]{0,40})(yes|no|y|n|none|never|denie[sd]|negative|neg|absent|nil)[ \t]{0,40}(?=\||$)/imy;

/** `chest pain N, palpitations Y`: a letter in capitals that ends an item. */
const LETTER = /[ ]{1,3}([YN])(?=[ ]{0,2}(?:[,;.\n]|$)|[ ]{2,}|[ ]\p{Lu}[\p{L} ]{2,20}:)/uy;

/** `Asthma (N)`, `Stroke (no)`. */
const BRACKETED = /[ \t]{0,2}\((y|yes|n|no)\)/iy;

/** `Nausea 0`, `pain is 0/10`: a score of nothing. */
const NONE_OF_TEN =
  /[ \t]{1,9}(?:(?:is|was|score|level|rated|:|=)[ \t]{1,9}){0,2}0(?:[ ]?\/[ ]?(?:10|5|4)\b|[ ]out[ ]of[ ](?:10|ten)\b|(?=[,;.]?(?:\s|$)(?![ ]?(?:x|mg|weeks?|days?|hours?)\b)))/iy;

/** `Fever: ___`, `Diabetes: {Type 1/Type 2}`, `Cough: @COUGH@`: a blank of a template that nobody has filled. */
const BLANK =
  /[ \t]{0,9}[:?][ \t]{0,9}(?:_{2,80}|\*{3,80}(?!\w)|\.{5,80}[ \t]{0,9}$|\{[^{}\n]{1,80}\}|@[A-Z][A-Z0-9]{1,40}@|<[^<>\n]{0,40}>|\[[^\]\n/]{1,40}\/[^\]\n]{1,40}\])/my;

/** The answer that a form gives behind a word that ends at `end`; undefined where there is none. */
export function answerAfter(text: string, end: number): Answer | undefined {
  const next = text.charCodeAt(end);
  // Space, tab, and the marks that may part a question from its answer.
  if (!ANSWER_STARTS.has(next)) return undefined;
  NONE_OF_TEN.lastIndex = end;
  if (NONE_OF_TEN.test(text)) return 'no';
  BLANK.lastIndex = end;
  if (BLANK.test(text)) return 'open';
  BOX_FIRST.lastIndex = end;
  const first = BOX_FIRST.exec(text);
  if (first) return chosen(first[2]!, first[1]!, first[4]!, first[3]!);
  BOX_LAST.lastIndex = end;
  const last = BOX_LAST.exec(text);
  if (last) return chosen(last[1]!, last[2]!, last[3]!, last[4]!);
  BRACKETED.lastIndex = end;
  const bracketed = BRACKETED.exec(text);
  if (bracketed) return /^y/i.test(bracketed[1]!) ? 'yes' : 'no';
  LETTER.lastIndex = end;
  const letter = LETTER.exec(text);
  if (letter) return letter[1] === 'Y' ? 'yes' : 'no';
  COLUMN.lastIndex = end;
  const column = COLUMN.exec(text);
  if (column) return /^y/i.test(column[1]!) ? 'yes' : 'no';
  return undefined;
}

const REPLY =
  /[ \t]{0,9}[-–:]?[ \t]{0,9}(yes|no|y|n|never|none|nope|denie[sd]|negative|neg|nil)(?=[ \t]{0,9}(?:[.,;)\n–-]|$)|[ ]{2}|[ \t]{1,9}\d{1,2}[.)])/iy;

/** `Do you have diabetes? Y`: the answer behind the question that ends at `end`, on its line. */
export function replyAfter(text: string, end: number): Answer | undefined {
  REPLY.lastIndex = end;
  const reply = REPLY.exec(text);
  return reply ? (/^y/i.test(reply[1]!) ? 'yes' : 'no') : undefined;
}

const ANSWER_STARTS = new Set([32, 9, 58, 63, 46, 45, 124, 91, 40, 0x25a1, 0x2610, 0x2611, 0x2612]);

function chosen(word: string, box: string, otherWord: string, otherBox: string): Answer {
  const [one, other] = [isTicked(box), isTicked(otherBox)];
  if (one === other) return 'open';
  return /^y/i.test(one ? word : otherWord) ? 'yes' : 'no';
}

function isTicked(box: string): boolean {
  return /[xX✓✔☑☒■]/.test(box);
}

const PLACEHOLDER_REACH = 120;
const SPACES_MAX = 20;

/** `{Blank single:19197::"no","yes"} chest pain`: a choice of a template that nobody has made. */
export function afterPlaceholder(text: string, start: number): boolean {
  let at = start - 1;
  while (at >= 0 && start - at < SPACES_MAX && text[at] === ' ') at--;
  if (text[at] !== '}') return false;
  const before = text.slice(Math.max(0, at - PLACEHOLDER_REACH), at);
  const open = before.lastIndexOf('{');
  return open >= 0 && before.slice(open).includes('::');
}

/** `{symptoms: nausea, vomiting}`: within the braces of a template. */
export function insidePlaceholder(text: string, start: number): boolean {
  const from = Math.max(0, start - PLACEHOLDER_REACH);
  const open = text.lastIndexOf('{', start - 1);
  return open >= from && !text.slice(open, start).includes('}') && !text.slice(open, start).includes('\n');
}

/** `__ chest pain X dyspnea`, `fever [ ] cough [x]`: a blank or a box right before the words of a mention. */
export function blankBefore(tokens: readonly Token[], first: number): boolean {
  return /^_{2,}$/.test(tokens[first - 1]?.norm ?? '');
}

/** The box before the words of a sentence or behind them: `[x] asthma`, `nausea [ ]`, `☐ gout`. */
export function boxOf(tokens: readonly Token[], sentence: Sentence): 'checked' | 'unchecked' | undefined {
  const [first, second, third] = [0, 1, 2].map((k) => tokens[sentence.firstToken + k]?.norm);
  if (first === '☐' || first === '□' || /^_{2,}$/.test(first ?? '')) return 'unchecked';
  if (first === '☑' || first === '☒' || first === '✓' || first === '✔') return 'checked';
  if ((first === '[' && second === ']') || (first === '(' && second === ')')) return 'unchecked';
  const ticked = second === 'x' || second === '✓';
  if (ticked && ((first === '[' && third === ']') || (first === '(' && third === ')'))) return 'checked';
  // `nausea [x] vomiting [ ]`: each box stands behind its words.
  const at = sentence.lastToken - 1;
  if (tokens[at]?.norm === ']') {
    if (at - 1 > sentence.firstToken && tokens[at - 1]!.norm === '[') return 'unchecked';
    if (
      at - 2 > sentence.firstToken &&
      tokens[at - 2]!.norm === '[' &&
      /^(?:x|✓)$/.test(tokens[at - 1]!.norm)
    )
      return 'checked';
  }
  return undefined;
}

/** Where the signs of a sentence stand, and which word has which; see `readSigns`. */
export interface Signs {
  /** The sign of a mention, by its first token and the one after its last. */
  of(first: number, last: number): '+' | '-' | undefined;
  /** True where signs in brackets stand behind their words, so that none speaks of what comes after it. */
  readonly behind: boolean;
}

function hasSign(tokens: readonly Token[], first: number, last: number): boolean {
  for (let i = first; i < last; i++) {
    const { norm } = tokens[i]!;
    if (norm.length === 1 && (norm === '+' || MINUS.has(norm))) return true;
  }
  return false;
}

const MINUS = new Set(['-', '–', '−']);

/**
 * Signs for answers: `HTN +, DM -`, `Asthma (-), HTN (+)`, `-DM -HTN +asthma`. A lone dash is no answer: signs count
 * where both are used, where two dashes stand behind their words, or in brackets behind the first mention.
 * @param firstMention index of the first token of the sentence's first mention
 */
export function readSigns(
  tokens: readonly Token[],
  { firstToken, lastToken }: Sentence,
  firstMention: number,
): Signs | undefined {
  if (!hasSign(tokens, firstToken, lastToken)) return undefined;
  const before = new Map<number, '+' | '-'>();
  const after = new Map<number, '+' | '-'>();
  const bracketed = new Map<number, '+' | '-'>();
  for (let i = firstToken; i < lastToken; i++) {
    const { norm } = tokens[i]!;
    const sign = norm === '+' ? '+' : MINUS.has(norm) ? '-' : undefined;
    if (!sign) continue;
    const previous = tokens[i - 1];
    const next = tokens[i + 1];
    if (i > firstToken && (previous!.norm === '(' || previous!.norm === '[')) {
      if (next && (next.norm === ')' || next.norm === ']')) bracketed.set(i - 1, sign);
      continue;
    }
    const spaceBefore = i === firstToken || previous!.end < tokens[i]!.start;
    // `Resp: - cough, + wheeze`: a sign apart from its word, where an item begins.
    const opensItem = i === firstToken || /^[:,;]$/.test(previous!.norm);
    if (spaceBefore && opensItem && i + 1 < lastToken && /^\p{L}/u.test(next!.norm)) before.set(i + 1, sign);
    else if (spaceBefore && i + 1 < lastToken && next!.start === tokens[i]!.end && /^\p{L}/u.test(next!.norm))
      before.set(i + 1, sign);
    else if (i > firstToken && (i + 1 >= lastToken || /^[,;.]$/.test(next!.norm))) after.set(i, sign);
  }
  const behind = bracketed.size > 0 && Math.min(...bracketed.keys()) > firstMention;
  const mixed = (signs: Map<number, string>) => new Set(signs.values()).size > 1;
  const useBefore = mixed(before);
  const useAfter = mixed(after) || [...after.values()].filter((sign) => sign === '-').length > 1;
  if (!behind && !useBefore && !useAfter) return undefined;
  return {
    behind,
    of: (first, last) =>
      (behind ? bracketed.get(last) : undefined) ??
      (useBefore ? before.get(first) : undefined) ??
      (useAfter ? after.get(last) : undefined),
  };
}
