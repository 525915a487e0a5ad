import type { SectionKind } from '../model.js';
import { classOf, DIGIT, isLetter, isSpace } from './characters.js';
import { Form, type Header, headerOf } from './header.js';
import { boxedTitle, type Opening, partedTitle, readOpening, stripEnd } from './header-marks.js';
import { type HeaderStyle, isHeading } from './header-style.js';
import {
  endsSentence,
  indexWithin,
  isCapitals,
  isNounPhrase,
  isTitleCase,
  startsUpper,
  wordCount,
} from './lettering.js';
import { isRule, type Line } from './lines.js';
import { misreadTitle } from './misread.js';
import { HOLDS_PARTS, isBlank } from './nesting.js';
import { headedTitle } from './title-grammar.js';
import {
  beginsTitle,
  composedTitle,
  exactTitle,
  joinedTitle,
  partOfMedications,
  qualifiedTitle,
  spokenTitle,
  type Title,
  titleByKeyword,
} from './titles.js';

const TITLE_MAX_LENGTH = 80;
const TITLE_MAX_WORDS = 9;

/** What stands about a line: its neighbours, the header above it, how the note sets its headers. */
export interface Around {
  readonly before: Line | undefined;
  readonly after: Line | undefined;
  readonly open: Header | undefined;
  readonly style: HeaderStyle;
}

/** The header that a line is or begins with, or undefined. */
export function headerOfLine(text: string, line: Line, around: Around): Header | undefined {
  const { after, open, style } = around;
  const opening = readOpening(text, line);
  if (!opening) return undefined;
  const { at, depth } = opening;
  if (opening.listed && !startsTitle(text, at, line.end)) return undefined;
  const colon = colonOf(text, at, line.end);
  if (opening.listed) {
    const lettered =
      isLetter(text.charCodeAt(line.start)) && isCapitals(text.slice(at, colon > 0 ? colon : line.end));
    if (!lettered) return listedHeader(text, line, opening, colon);
  }
  if (text[line.start] === '|') {
    // A row of a table: two cells, or a title in a box of its own.
    const cell = stripEnd(text, at, line.end);
    const boxed = colon < 0 && exactTitle(text.slice(at, cell)) !== undefined;
    if (!boxed) return markedHeader(text, line, at);
  }
  const part = open && PRESCRIBED.has(open.kind) ? partHeader(text, line, at, colon) : undefined;
  if (part) return part;
  const boxed = boxedHeader(text, line, opening);
  if (boxed) return boxed;
  if (opening.pictured && !startsTitle(text, at, line.end)) return undefined;
  const form = depth > 0 ? Form.Markdown : opening.bold || opening.pictured ? Form.Bold : undefined;
  if (colon > 0) {
    const title = stripEnd(text, at, colon);
    let body = colon + 1;
    while (body < line.end && '*_'.includes(text[body]!)) body++;
    // `<b>Plan:</b>`
    if (text[body] === '<' && text[body + 1] === '/') body = Math.max(body, text.indexOf('>', body) + 1);
    const header = judged(text, line, at, title, body, form, depth, body >= line.end, around);
    if (opening.pictured && header?.unknown) return undefined;
    return header ?? markedHeader(text, line, at, style.gaps);
  }
  const whole = stripEnd(text, at, line.end);
  const heading = style.spoken && isHeading(text, line);
  const set =
    form !== undefined ||
    heading ||
    startsTitle(text, at, line.end) ||
    isCapitals(text.slice(at, whole)) ||
    (after !== undefined && isRule(text, after));
  if (!set) return undefined;
  if (line.end - at <= TITLE_MAX_LENGTH) {
    const header =
      brokenHeader(text, line, at, after) ??
      judged(text, line, at, whole, line.end, form, depth, true, around);
    if (header && !(opening.pictured && header.unknown)) return header;
  }
  return markedHeader(text, line, at, style.gaps) ?? dashedOrBare(text, line, at);
}

const PRESCRIBED = new Set<SectionKind>(['medications', 'discharge-medications']);
const PART_MAX = 48;

/** `STOP`, `Continue:`, `CHANGED (2)` within a list of medicines. */
function partHeader(text: string, line: Line, at: number, colon: number): Header | undefined {
  const end = stripEnd(text, at, colon > 0 ? colon : line.end);
  if (end - at > PART_MAX || !startsUpper(text[at]!)) return undefined;
  const bodyStart = colon > 0 ? colon + 1 : line.end;
  // `Stop: aspirin` says all in its line.
  const row = bodyStart === line.end ? partOfMedications(text.slice(at, end)) : undefined;
  if (!row) return undefined;
  return headerOf(text, { start: line.start, from: at, to: end, bodyStart }, row);
}

/** `[MEDS] aspirin`, `** PLAN ** rest` */
function boxedHeader(text: string, line: Line, { at, bold, depth }: Opening): Header | undefined {
  if (!bold || depth > 0) return undefined;
  const parted = boxedTitle(text, at, line);
  if (!parted || parted.bodyStart >= line.end) return undefined;
  const title = text.slice(at, parted.titleEnd);
  const row = title.length > 1 ? knownTitle(title) : undefined;
  if (!row || row.sub) return undefined;
  return headerOf(
    text,
    { start: line.start, from: at, to: parted.titleEnd, bodyStart: parted.bodyStart },
    row,
    Form.Bold,
  );
}

function knownTitle(title: string): Title | undefined {
  return exactTitle(title) ?? joinedTitle(title) ?? qualifiedTitle(title);
}

/** `- Meds: aspirin`, `B. Allergies: none`: behind a bullet only a known title with a colon. */
function listedHeader(text: string, line: Line, { at }: Opening, colon: number): Header | undefined {
  const parted =
    colon > 0
      ? { titleEnd: stripEnd(text, at, colon), bodyStart: colon + 1 }
      : isCapitals(text.slice(at, line.end))
        ? { titleEnd: line.end, bodyStart: line.end }
        : partedTitle(text, at, line);
  if (!parted) return undefined;
  const title = text.slice(at, parted.titleEnd);
  if (!startsUpper(title) || title.length < 2) return undefined;
  const row = exactTitle(title);
  if (!row || row.sub || row.kind === 'other') return undefined;
  // `- CT HEAD` in a list is what is listed.
  if (colon < 0 && parted.bodyStart === line.end && !MAIN.has(row.kind)) return undefined;
  const numbered = classOf(text.charCodeAt(line.start)) === DIGIT || isLetter(text.charCodeAt(line.start));
  const place = { start: line.start, from: at, to: parted.titleEnd, bodyStart: parted.bodyStart };
  return headerOf(text, place, row, numbered ? Form.Plain : Form.Bullet);
}

/** What stands as a title alone behind a bullet. */
const MAIN = new Set<SectionKind>([
  'chief-complaint',
  'history-of-present-illness',
  'past-medical-history',
  'past-surgical-history',
  'family-history',
  'social-history',
  'medications',
  'discharge-medications',
  'allergies',
  'review-of-systems',
  'physical-exam',
  'assessment',
  'plan',
  'assessment-and-plan',
]);

/** Shorter words before a full stop (`Meds.`, `Plan.`) may be an abbreviation or a reply. */
const STOPPED_MIN = 9;

/** A known title parted from its words by another mark than a colon. */
function markedHeader(text: string, line: Line, at: number, gaps = false): Header | undefined {
  if (!startsTitle(text, at, line.end)) return undefined;
  const parted = partedTitle(text, at, line, gaps);
  if (!parted || parted.titleEnd <= at) return undefined;
  // `1. Tobacco use - counselled` is a problem.
  if (at > line.start && classOf(text.charCodeAt(line.start)) === DIGIT) return undefined;
  // A full stop parts only what stands for nothing else.
  const stopped = text[parted.titleEnd] === '.' && text[parted.titleEnd + 1] !== '.';
  const title = text.slice(at, parted.titleEnd);
  const row =
    title.length > 1
      ? (exactTitle(title) ??
        (isCapitals(title) ? misreadTitle(title) : undefined) ??
        (stopped ? undefined : headedTitle(title)))
      : undefined;
  if (!row || row.sub || row.kind === 'other') return undefined;
  if (stopped && (!MAIN.has(row.kind) || title.length < STOPPED_MIN)) return undefined;
  return headerOf(
    text,
    { start: line.start, from: at, to: parted.titleEnd, bodyStart: parted.bodyStart },
    row,
  );
}

function startsTitle(text: string, at: number, to: number): boolean {
  if (!startsUpper(text[at]!)) return false;
  let end = at;
  while (end < to && !isSpace(text.charCodeAt(end)) && !'|;—–=.:”"→'.includes(text[end]!)) end++;
  return beginsTitle(text.slice(at, end).toLowerCase()) || text.slice(at, end).includes('/');
}

const BROKEN_MAX = 30;

/** `PAST MEDICAL` above `HISTORY:`: a title that had no room in its column. */
function brokenHeader(text: string, line: Line, at: number, after: Line | undefined): Header | undefined {
  if (!after || line.end - at > BROKEN_MAX || !startsTitle(text, at, line.end)) return undefined;
  const colon = colonOf(text, after.start, Math.min(after.end, after.start + BROKEN_MAX));
  if (colon < 0) return undefined;
  // `Follow Up` above `With: the clinic` is whole.
  if (exactTitle(text.slice(at, line.end)) && !isCapitals(text.slice(at, colon))) return undefined;
  const title = `${text.slice(at, line.end)} ${text.slice(after.start, colon)}`;
  const row = exactTitle(title);
  if (!row || row.sub) return undefined;
  return headerOf(text, { start: line.start, from: at, to: colon, bodyStart: colon + 1 }, row);
}

/** Capitals with what a scanner makes of them: `PHYS1CAL EXAMlNATION`. */
const MISREAD_CAPITALS = /^(?=.*[A-Z]{3})[A-Z0-9l ]{8,}$/;

/** Decides whether words set like a header are one, and of which kind. */
function judged(
  text: string,
  line: Line,
  at: number,
  titleEnd: number,
  bodyStart: number,
  form: Form | undefined,
  depth: number,
  alone: boolean,
  { before, after, open, style }: Around,
): Header | undefined {
  const title = text.slice(at, titleEnd);
  if (
    title.length === 0 ||
    title.includes('→') ||
    title.length > TITLE_MAX_LENGTH ||
    (wordCount(title) > TITLE_MAX_WORDS && !isSpacedOut(title))
  )
    return undefined;
  const capitals = isCapitals(title);
  const colon = /[:：]/.test(text.slice(titleEnd, bodyStart));
  const underlined = alone && after !== undefined && isRule(text, after) && after.end - after.start >= 3;
  const header = (row: Title): Header =>
    headerOf(
      text,
      { start: line.start, from: at, to: titleEnd, bodyStart },
      row,
      form ?? (underlined ? Form.Capitals : undefined),
      depth,
    );
  const exact = knownTitle(title) ?? (colon || (capitals && alone) ? misreadTitle(title) : undefined);
  if (exact) {
    if (title.length === 1)
      return (colon || form) && title !== title.toLowerCase() ? header(exact) : undefined;
    // Without colon or setting, only a title standing alone on a line of its own counts, and a common word must be alone
    // with room around it: `Plan` between blank lines, not `pain` in a list.
    if (colon || form || capitals || underlined || MISREAD_CAPITALS.test(title)) return header(exact);
    if (!alone || !startsUpper(title)) return undefined;
    if (exact.sub || exact.kind === 'other') return undefined;
    const roomBefore = !before || before.start === before.end;
    return wordCount(title) > 1 || roomBefore || style.alone ? header(exact) : undefined;
  }
  const strong = form !== undefined || capitals || underlined;
  if (alone && after && after.start < after.end && startsUpper(title)) {
    // Right below a header it is the head of a column: `Diagnosis Date`.
    const below = open && open.bodyStart <= line.start && isBlank(text, open.bodyStart, line.start);
    const phrase = !colon && style.spoken && !below && isHeading(text, line);
    const spoken = phrase
      ? (headedTitle(title) ?? titleByKeyword(title))
      : colon
        ? spokenTitle(title)
        : undefined;
    if (spoken && spoken.kind !== 'other') return header(spoken);
  }
  if (colon && !alone && ADDRESSED.test(title)) {
    const spoken = spokenTitle(title);
    if (spoken) return header(spoken);
  }
  if (colon && !strong && isNounPhrase(title)) {
    const composed = composedTitle(title) ?? headedTitle(title);
    if (composed) return { ...header(composed), composed: true };
  }
  // `All: NKDA` above `Refraction: …`: nothing more is said of allergies.
  if (colon && !alone && !strong && open && before && saidNone(text, open, before) && isTitleCase(title))
    return { ...header({ kind: 'other', sub: false, exact: false }), unknown: true };
  if (!strong && !(colon && alone && isNounPhrase(title))) return undefined;
  if (!strong && open && HOLDS_PARTS.has(open.kind)) return undefined;
  if (endsSentence(title)) return undefined;
  const keyword = colon || alone ? (headedTitle(title) ?? titleByKeyword(title)) : undefined;
  if (keyword && (colon || form || underlined || wordCount(title) <= 6)) return header(keyword);
  if (!strong && !isTitleCase(title)) return undefined;
  if ((form === Form.Bold || form === Form.Markdown) && !alone) return undefined;
  if (!colon && !form && !underlined) {
    // Capitals alone on a line: a title only where it is set apart; a list in capitals is not.
    const apart = (!before || before.start === before.end) && after !== undefined && after.end > after.start;
    if (!apart || isCapitals(text.slice(after.start, after.end)) || wordCount(title) > 6) return undefined;
  }
  if (capitals && title.length < 4 && !form) return undefined;
  return { ...header({ kind: 'other', sub: false, exact: false }), unknown: true };
}

/** How a leaflet begins its titles; what follows their colon may stand in the same line. */
const ADDRESSED =
  /^(?:your?|what|when|why|how|medicines|medications|stop|come|call|keep|start|continue|things|tests) /i;

const CLOSED_BY_NONE = new Set<SectionKind>([
  'allergies',
  'family-history',
  'social-history',
  'immunizations',
]);
const NONE_MAX = 40;
const NONE =
  /^[\s-]*(?:nkda|nkfa|nka|none|nil|no known(?: drug| medication| food)?(?: allergies)?|no allergies|denies|negative|non-?contributory|unremarkable|unknown)\b[^:\n]{0,16}$/i;

/** Whether all that a section has said is that there is nothing. */
function saidNone(text: string, open: Header, before: Line): boolean {
  if (!CLOSED_BY_NONE.has(open.kind) || before.end - open.bodyStart > NONE_MAX) return false;
  return NONE.test(text.slice(open.bodyStart, before.end));
}

/** `M E D I C A T I O N S` */
function isSpacedOut(title: string): boolean {
  return isSpace(title.charCodeAt(1)) && isSpace(title.charCodeAt(3));
}

/** `PMH - asthma` and `PMH asthma`: a known title in capitals, then a dash or straight the words. */
function dashedOrBare(text: string, line: Line, at: number): Header | undefined {
  let end = at;
  let last: { end: number; row: Title } | undefined;
  for (let words = 0; words < 6 && end < line.end; words++) {
    let stop = end;
    while (stop < line.end && !isSpace(text.charCodeAt(stop))) stop++;
    const word = text.slice(end, stop).replace(/[-–—]$/, '');
    if (!isCapitals(word) && !/^[A-Z]+x$/.test(word) && word !== '&') break;
    const row = exactTitle(text.slice(at, end + word.length));
    if (row && end + word.length - at >= 2) last = { end: end + word.length, row };
    end = stop;
    while (end < line.end && isSpace(text.charCodeAt(end))) end++;
  }
  if (!last || last.end >= line.end) return undefined;
  let body = last.end;
  while (body < line.end && isSpace(text.charCodeAt(body))) body++;
  const dash = '-–—'.includes(text[body]!);
  if (dash) body++;
  const title = text.slice(at, last.end);
  // `CT CHEST` or `CC 20` are words of a sentence as often as titles, so a bare one needs two words or a history's name.
  const bare = title.includes(' ') || BARE.has(title.toLowerCase());
  if (!dash && (!bare || last.row.sub || isCapitals(text.slice(body, line.end)))) return undefined;
  if (last.row.sub || last.row.kind === 'other') return undefined;
  const place = { start: line.start, from: at, to: last.end, bodyStart: body };
  return { ...headerOf(text, place, last.row, Form.Capitals), bare: !dash };
}

const BARE = new Set([
  'pmh',
  'pmhx',
  'psh',
  'pshx',
  'fhx',
  'fmh',
  'shx',
  'hpi',
  'hpc',
  'ros',
  'o/e',
  'oe',
  'dhx',
  'a/p',
  'imp',
  'nkda',
]);

/** The colon that ends a title, not the one of a time or a ratio; -1 where there is none near. */
function colonOf(text: string, from: number, to: number): number {
  const limit = Math.min(to, from + TITLE_MAX_LENGTH + 4);
  for (let at = from; at < limit; at++) {
    const code = text.charCodeAt(at);
    // `HPI (3/2, Dr. Lund 08:15):`
    if (code === 40) {
      const close = indexWithin(text, ')', at, limit);
      if (close > 0) at = close;
      continue;
    }
    if (code === 0xff1a) return at;
    if (code === 58) {
      const digits = classOf(text.charCodeAt(at + 1)) === DIGIT && classOf(text.charCodeAt(at - 1)) === DIGIT;
      // `Vitals 08:15: BP 110/70`
      if (!digits) return at;
    }
    if (code === 46 && isSpace(text.charCodeAt(at + 1)) && at - from > 4) return -1;
  }
  return -1;
}
