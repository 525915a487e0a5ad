import type { Span } from '../model.js';
import { classOf, DIGIT, isLetter, isSpace, UPPER } from './characters.js';

/** One line of the note. `start..end` is what is visible, without the white space around it; empty where blank. */
export interface Line extends Span {
  /** Column of `start`: how far the line is indented. */
  readonly indent: number;
}

const NEWLINE = 10;
const RETURN = 13;
const COMMA = 44;

function isBreak(code: number): boolean {
  return (
    code === NEWLINE ||
    code === RETURN ||
    code === 11 ||
    code === 12 ||
    code === 0x85 ||
    code === 0x2028 ||
    code === 0x2029
  );
}

/**
 * Splits into lines at every kind of line end, CRLF counting once. A transcription whose line ends were turned
 * into commas (`ALLERGIES:,None.,PLAN:,`) is split at those commas.
 */
export function splitLines(text: string): Line[] {
  const lines: Line[] = [];
  const commas = lineEndsAreCommas(text);
  let from = 0;
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? NEWLINE : text.charCodeAt(at);
    if (code > RETURN && code < 0x85 && !commas) continue;
    const lost = commas && code === COMMA && isLostLineEnd(text, at);
    if (!lost && !isBreak(code)) continue;
    lines.push(trimmed(text, from, at));
    if (code === RETURN && text.charCodeAt(at + 1) === NEWLINE) at++;
    from = at + 1;
  }
  return lines;
}

function trimmed(text: string, from: number, to: number): Line {
  let start = from;
  let end = to;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return { start, end, indent: start - from };
}

const LOST_LINE_ENDS_MIN = 2;

/** True for a note on one line with several commas right after a full stop or a colon. */
function lineEndsAreCommas(text: string): boolean {
  if (text.trimEnd().includes('\n')) return false;
  let found = 0;
  for (let at = text.indexOf(','); at >= 0 && found < LOST_LINE_ENDS_MIN; at = text.indexOf(',', at + 1)) {
    if (endsStatement(text, at)) found++;
  }
  return found >= LOST_LINE_ENDS_MIN;
}

function endsStatement(text: string, comma: number): boolean {
  let before = comma - 1;
  while (before >= 0 && comma - before <= 3 && text.charCodeAt(before) === 32) before--;
  const mark = text[before];
  // `p.o. q.d., Zocor`: the full stop of an initialism.
  if (mark === '.' && text[before - 2] === '.') return false;
  return mark === '.' || mark === ':' || mark === '?' || mark === '!';
}

function isLostLineEnd(text: string, comma: number): boolean {
  if (endsStatement(text, comma)) return true;
  if (comma === 0 || comma + 2 >= text.length) return false;
  const next = text.charCodeAt(comma + 1);
  const before = classOf(text.charCodeAt(comma - 1));
  // `on ventilator,Request line` but not `S1,S2` or `1,500`.
  if (classOf(next) === UPPER)
    return isLetter(text.charCodeAt(comma + 2)) && !isSpace(text.charCodeAt(comma - 1));
  return classOf(next) === DIGIT && before !== DIGIT && isListNumber(text, comma + 1);
}

function isListNumber(text: string, at: number): boolean {
  let end = at;
  while (end < at + 3 && classOf(text.charCodeAt(end)) === DIGIT) end++;
  return text[end] === '.' || text[end] === ')';
}

const BULLETS = '-–—*•·‣▪▫●○◦■□☐☑☒✓✔✗➢➤►→>+o';

/**
 * Length of the bullet or number a list item begins with (`- `, `• `, `1. `, `2) `, `#3 `, `a) `, `[ ] `), with the
 * space after it; 0 where the line is no list item.
 */
export function listMarkerLength(text: string, line: Span): number {
  const first = text[line.start];
  if (first === undefined || line.end - line.start < 2) return 0;
  const second = text.charCodeAt(line.start + 1);
  if (BULLETS.includes(first)) {
    if (isSpace(second)) return 2;
    // `-aspirin` and `•aspirin`, but not `-5` or `--`.
    if (first !== 'o' && first !== '+' && first !== '>' && first !== '→' && first !== '*' && isLetter(second))
      return 1;
    return 0;
  }
  if (first === '[') {
    const close = text[line.start + 1] === ']' ? 2 : text[line.start + 2] === ']' ? 3 : 0;
    return close;
  }
  let at = line.start;
  if (first === '#' || first === '(') at++;
  const digits = at;
  while (at < digits + 3 && classOf(text.charCodeAt(at)) === DIGIT) at++;
  if (at > digits) {
    if (first === '#')
      return isSpace(text.charCodeAt(at)) || '.:)'.includes(text[at] ?? ' ') ? at + 1 - line.start : 0;
    const mark = text[at];
    if (mark === ')' || mark === '.') {
      const after = text.charCodeAt(at + 1);
      if (isSpace(after) || isLetter(after)) return at + 1 - line.start + (isSpace(after) ? 1 : 0);
    }
    return 0;
  }
  // `a)`, `b.`: one letter only, so that `E. coli` at the start of a line is at worst a list item.
  if (
    isLetter(text.charCodeAt(at)) &&
    (text[at + 1] === ')' || (text[at + 1] === '.' && text[at] === text[at]!.toLowerCase()))
  ) {
    if (isSpace(text.charCodeAt(at + 2))) return at + 3 - line.start;
  }
  return 0;
}

/** True for a row of a table: cells divided by bars, tabs or wide gaps. */
export function isTableRow(text: string, line: Span): boolean {
  let bars = 0;
  let gaps = 0;
  for (let at = line.start; at < line.end; at++) {
    const code = text.charCodeAt(at);
    if (code === 124) bars++;
    else if (code === 9) gaps++;
    else if (code === 32 && text.charCodeAt(at + 1) === 32 && text.charCodeAt(at + 2) === 32) {
      gaps++;
      while (text.charCodeAt(at + 1) === 32) at++;
    }
  }
  return bars >= 2 || gaps >= 2;
}

/** True for a line that only draws: `-----`, `=====`, `* * *`. */
export function isRule(text: string, line: Span): boolean {
  if (line.end - line.start < 3) return false;
  for (let at = line.start; at < line.end; at++) {
    if (!'-=_*~#+ |'.includes(text[at]!)) return false;
  }
  return true;
}
