import type { Span } from '../model.js';
import { classOf, DIGIT, isLetter, isSpace } from './characters.js';

/** What stands before the words of a header. */
export interface Opening {
  /** Where its words begin. */
  readonly at: number;
  /** Depth of a markdown heading; 0 otherwise. */
  readonly depth: number;
  /** Wrapped in marks: `**`, `__`, `==`, `[`, `<`, `---`, a cell of a table. */
  readonly bold: boolean;
  /** Behind a bullet, or a letter or a number in a bracket: only a known title is a header there. */
  readonly listed: boolean;
  /** Behind a picture (`💊 Medications`), which lists as often as it heads: only a known title is a header there. */
  readonly pictured?: boolean;
}

const HOURS = /^\d\d ?-?h(?:ou)?rs? |^\d\dh /i;
const BULLETS = '-–—•·‣▪▫●○◦■➢➤►▶→>+*“"';

/** Reads over what a header may begin with; undefined where no letter follows. */
export function readOpening(text: string, line: Span): Opening | undefined {
  let at = behindTime(text, line);
  const timed = at > line.start;
  if (timed) return isLetter(text.charCodeAt(at)) ? { at, depth: 0, bold: false, listed: true } : undefined;
  at = behindTags(text, line);
  // `24h events:`
  if (classOf(text.charCodeAt(at)) === DIGIT && HOURS.test(text.slice(at, at + 8)))
    return { at, depth: 0, bold: false, listed: false };
  // Most lines begin with a letter and are through here.
  if (!isLetter(text.charCodeAt(at))) {
    let depth = 0;
    while (text[at] === '#' && depth < 6) {
      depth++;
      at++;
    }
    if (depth > 0 && !isSpace(text.charCodeAt(at)) && !isLetter(text.charCodeAt(at))) return undefined;
    at = skipSpace(text, at, line.end);
    const picture = at;
    at = skipPictures(text, at, line.end);
    const pictured = at > picture;
    const bullet = depth === 0 ? bulletLength(text, at, line.end) : 0;
    const unnumbered = at + bullet;
    at = skipNumber(text, unnumbered, line.end);
    const bracketed = at > unnumbered && text[unnumbered] === '(';
    const bold = decorationLength(text, at, line.end);
    at += bold;
    if (!isLetter(text.charCodeAt(at))) return undefined;
    return { at, depth, bold: bold > 0, listed: bullet > 0 || bracketed, pictured };
  }
  const numbered = skipNumber(text, at, line.end);
  if (numbered > at) {
    const bold = decorationLength(text, numbered, line.end);
    if (!isLetter(text.charCodeAt(numbered + bold))) return undefined;
    return { at: numbered + bold, depth: 0, bold: bold > 0, listed: !'IVX'.includes(text[at]!) };
  }
  return { at, depth: 0, bold: false, listed: false };
}

function skipSpace(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** Emoji and arrows with the marks that join and colour them. */
function skipPictures(text: string, from: number, to: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    // Boxes and ticks belong to what is ticked.
    if ((code >= 0x2610 && code <= 0x2612) || (code >= 0x2713 && code <= 0x2718)) break;
    const picture =
      (code >= 0xd83c && code <= 0xdfff) ||
      (code >= 0x2600 && code <= 0x27bf) ||
      (code >= 0x2b00 && code <= 0x2bff);
    const joiner = at > from && (code === 0xfe0f || code === 0x200d || code === 0x20e3);
    if (at >= to || !(picture || joiner)) break;
    at++;
  }
  return at === from ? from : skipSpace(text, at, to);
}

function bulletLength(text: string, from: number, to: number): number {
  if (!BULLETS.includes(text[from]!)) return 0;
  const after = skipSpace(text, from + 1, to);
  if (after > from + 1) return after - from;
  return isLetter(text.charCodeAt(after)) && !'*>'.includes(text[from]!) ? 1 : 0;
}

/** `1. `, `II. `, `3) `, `(2) `, `B. ` before a title. */
function skipNumber(text: string, from: number, to: number): number {
  let at = from;
  const open = text[at] === '(';
  if (open) at++;
  const first = at;
  while (at < to && at < first + 4 && (classOf(text.charCodeAt(at)) === DIGIT || 'IVX'.includes(text[at]!)))
    at++;
  if (
    at === first &&
    (/[A-HJ-Z]/.test(text[at] ?? '') || (/[a-h]/.test(text[at] ?? '') && text[at + 1] === ')'))
  )
    at++;
  if (at === first || at >= to) return from;
  const mark = text[at];
  if (mark !== ')' && (mark !== '.' || open)) return from;
  const digits = classOf(text.charCodeAt(first)) === DIGIT;
  if (!isSpace(text.charCodeAt(at + 1)) && !(digits && mark === ')')) return from;
  return skipSpace(text, at + 1, to);
}

/** `**`, `__`, `== `, `[`, `<`, `--- `, `| `: what a title is wrapped in. */
function decorationLength(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && '*_=~<[{-|'.includes(text[at]!)) at++;
  if (at === from) return 0;
  if (at - from === 1 && text[from] === '-') return 0;
  if (at - from === 1 && text[from] === '*' && isSpace(text.charCodeAt(at))) return 0;
  while (at < to && text[at] === ' ') at++;
  return at - from;
}

/** `[09:12] `, `14:05 - `, `03/02/24 09:00: `: when a line was written. */
const TIME =
  /^[[(]?(?:\d{1,2}[/.-]\d{1,2}(?:[/.-]\d{2,4})?,? ?)?(?:\d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm])?)[\])]?(?: ?[-–—:])? +(?=[A-Za-z])/;

function behindTime(text: string, line: Span): number {
  const first = text.charCodeAt(line.start);
  if (classOf(first) !== DIGIT && first !== 91 && first !== 40) return line.start;
  const time = TIME.exec(text.slice(line.start, Math.min(line.end, line.start + TIME_REACH)));
  return line.start + (time ? time[0].length : 0);
}

const TIME_REACH = 32;

/** `<li>`, `<p class="x">`: tags that head nothing. */
const TAGS = /^(?:<\/?(?:p|li|ul|ol|div|span|td|tr|table|tbody|br|body|html)\b[^<>]{0,60}>\s*)+/i;

function behindTags(text: string, line: Span): number {
  if (text.charCodeAt(line.start) !== 60) return line.start;
  const tags = TAGS.exec(text.slice(line.start, Math.min(line.end, line.start + 200)));
  return line.start + (tags ? tags[0].length : 0);
}

const PAIRS = new Map([
  ['[', ']'],
  ['<', '>'],
  ['{', '}'],
]);

/** `[MEDS] aspirin`, `** EXAM ** lungs clear`, `== Plan == rest`: a title wrapped in marks, and its words behind it. */
export function boxedTitle(text: string, at: number, line: Span): Parted | undefined {
  const mark = text[at - 1] === ' ' ? text[at - 2] : text[at - 1];
  if (mark === undefined || at <= line.start || !'[<{*=_~-'.includes(mark)) return undefined;
  const close = PAIRS.get(mark) ?? mark;
  let end = at;
  const limit = Math.min(line.end, at + TITLE_REACH);
  while (end < limit && text[end] !== close && text[end] !== ':') end++;
  if (end >= limit || text[end] === ':') return undefined;
  let body = end;
  while (body < line.end && text[body] === close) body++;
  // `**Plan**: rest` has its colon; `pre-op` is one word.
  if (text[body] === ':' || (close === '-' && body - end < 2)) return undefined;
  return { titleEnd: stripEnd(text, at, end), bodyStart: skipSpace(text, body, line.end) };
}

/** End of a title without the marks that close what it is wrapped in. */
export function stripEnd(text: string, from: number, to: number): number {
  let end = to;
  while (end > from && ('*_=~>]}#-|”"…'.includes(text[end - 1]!) || isSpace(text.charCodeAt(end - 1)))) end--;
  if (text[end - 1] !== '.' || text[end - 2] !== '.') return end;
  while (end > from && (text[end - 1] === '.' || isSpace(text.charCodeAt(end - 1)))) end--;
  return end;
}

/** Where the words after a title begin, and where its own end. */
export interface Parted {
  readonly titleEnd: number;
  readonly bodyStart: number;
}

const TITLE_REACH = 60;
/** Heads of columns: `Diagnosis | Date` names a table, not a section. */
const COLUMN =
  /^(?:dates?|dose|status|route|frequency|reactions?|severity|value|result|onset|comments?|code)\b/i;

/**
 * Parts a title from its words at a mark that does duty for the colon: `HPI— `, `Allergies - `, `Meds = `, `PMH -> `,
 * `PLAN; `, `Allergies ..... `, `Allergies. `, and the first of two cells, by tab or bar.
 */
export function partedTitle(text: string, at: number, line: Span, gaps = false): Parted | undefined {
  const limit = Math.min(line.end, at + TITLE_REACH);
  for (let i = at + 1; i < limit; i++) {
    const code = text.charCodeAt(i);
    if (gaps && (code === 9 || (code === 32 && text.charCodeAt(i + 1) === 32))) {
      const bodyStart = skipSpace(text, i, line.end);
      return { titleEnd: i, bodyStart };
    }
    if (code > 124 ? code !== 0x2013 && code !== 0x2014 && code !== 0x2192 : isLetter(code) || code === 32)
      continue;
    const spaced = isSpace(text.charCodeAt(i - 1));
    const parted = (length: number): Parted => ({
      titleEnd: stripEnd(text, at, i),
      bodyStart: skipSpace(text, i + length, line.end),
    });
    if (code === 0x2013 || code === 0x2014 || code === 0x2192) return parted(1);
    if (code === 45 || code === 61) {
      const arrow = text[i + 1] === '>';
      if (spaced && isSpace(text.charCodeAt(i + (arrow ? 2 : 1)))) return parted(arrow ? 2 : 1);
      // `ALLERGIES- none`, `PLAN= rest`
      const capitals = i - at >= 4 && text.slice(at, i) === text.slice(at, i).toUpperCase();
      if (capitals && isSpace(text.charCodeAt(i + 1))) return parted(1);
      if (code === 61) return undefined;
    } else if (code === 59) {
      return text.slice(at, i) === text.slice(at, i).toUpperCase() ? parted(1) : undefined;
    } else if (code === 46) {
      let end = i;
      while (text[end] === '.') end++;
      if (end - i === 1) return isSpace(text.charCodeAt(end)) ? parted(1) : undefined;
      return end - i >= 3 ? parted(end - i) : undefined;
    } else if (code === 9 || code === 124) {
      const cell = parted(1);
      let end = line.end;
      if (text[end - 1] === '|') end--;
      const rest = text.slice(cell.bodyStart, end);
      return rest && !/[\t|]/.test(rest) && !COLUMN.test(rest) ? cell : undefined;
    }
  }
  return undefined;
}
