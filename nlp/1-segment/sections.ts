import type { Section, SectionKind } from '../model.js';
import { classOf, DIGIT, isLetter, isSpace, LOWER, UPPER } from './characters.js';
import { isRule, type Line } from './lines.js';
import { exactTitle, type Title, titleByKeyword } from './titles.js';

const TITLE_MAX_LENGTH = 80;
const TITLE_MAX_WORDS = 9;

/** How a header is set, strongest first: what is set weaker than the header above it may be below it. */
enum Form {
  Markdown = 1,
  Capitals = 2,
  Bold = 3,
  Plain = 4,
}

interface Header {
  readonly start: number;
  readonly bodyStart: number;
  readonly title: string;
  readonly kind: SectionKind;
  readonly sub: boolean;
  /** Set like a header, in words no rule knows. */
  readonly unknown?: boolean;
  readonly form: Form;
  /** Depth of a markdown heading; 0 otherwise. */
  readonly depth: number;
}

/** Sections in which a part may have a heading of its own without ending them (`HEENT:`, `HYPERTENSION:`). */
const HOLDS_PARTS = new Set<SectionKind>([
  'physical-exam',
  'review-of-systems',
  'assessment',
  'plan',
  'assessment-and-plan',
  'medications',
  'discharge-medications',
  'hospital-course',
  'results',
  'diagnoses',
  'problem-list',
  'past-medical-history',
  'instructions',
  'findings',
  'imaging',
]);

const HOLDS_EXAM_PARTS = new Set<SectionKind>([
  'physical-exam',
  'review-of-systems',
  'findings',
  'imaging',
  'plan',
  'assessment',
  'assessment-and-plan',
  'hospital-course',
  'past-medical-history',
  'operative-details',
  'results',
]);

/** What a plan may list under a smaller heading and still only plan. */
const PARTS_OF_PLAN = new Set<SectionKind>(['results', 'imaging', 'procedures', 'medications', 'diagnoses']);

/**
 * Finds the sections of a note. They are contiguous and cover the text from its first character to its last;
 * words before the first header are a section of kind `none`. Linear in the length of the text.
 */
export function findSections(text: string, lines: readonly Line[]): Section[] {
  const headers: Header[] = [];
  let open: Header | undefined;
  const add = (header: Header) => {
    if (open && belongsTo(header, open)) return;
    headers.push(header);
    open = header;
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.start === line.end) continue;
    const header = headerOfLine(text, line, lines[i - 1], lines[i + 1], open);
    if (header) add(header);
    for (const inner of headersInside(text, header ? header.bodyStart : line.start, line.end)) add(inner);
  }
  const sections: Section[] = [];
  const first = headers[0]?.start ?? text.length;
  if (first > 0 || headers.length === 0) {
    sections.push({ start: 0, end: first, kind: 'none', title: '', bodyStart: 0 });
  }
  headers.forEach((header, i) => {
    const end = headers[i + 1]?.start ?? text.length;
    sections.push({
      start: header.start,
      end,
      kind: header.kind,
      title: header.title,
      bodyStart: header.bodyStart,
    });
  });
  return sections;
}

function belongsTo(header: Header, open: Header): boolean {
  if (header.sub && HOLDS_EXAM_PARTS.has(open.kind)) return true;
  const smaller = header.form > open.form || (header.form === open.form && header.depth > open.depth);
  if ((open.kind === 'plan' || open.kind === 'assessment-and-plan') && PARTS_OF_PLAN.has(header.kind))
    return smaller;
  if (header.kind !== 'other' || !HOLDS_PARTS.has(open.kind)) return false;
  // `# NSTEMI` in a note whose headers are no markdown is a problem, not a section.
  return (
    smaller || (header.unknown === true && (header.form !== Form.Markdown || open.form !== Form.Markdown))
  );
}

function headerOfLine(
  text: string,
  line: Line,
  before: Line | undefined,
  after: Line | undefined,
  open: Header | undefined,
): Header | undefined {
  let at = line.start;
  let depth = 0;
  while (text[at] === '#' && depth < 6) {
    depth++;
    at++;
  }
  if (depth > 0 && !isSpace(text.charCodeAt(at)) && !isLetter(text.charCodeAt(at))) return undefined;
  while (at < line.end && isSpace(text.charCodeAt(at))) at++;
  at = skipNumber(text, at, line.end);
  const bold = decorationLength(text, at, line.end);
  at += bold;
  if (!isLetter(text.charCodeAt(at))) return undefined;
  const form = depth > 0 ? Form.Markdown : bold > 0 ? Form.Bold : undefined;

  const colon = colonOf(text, at, line.end);
  if (colon > 0) {
    const title = stripEnd(text, at, colon);
    let body = colon + 1;
    while (body < line.end && '*_'.includes(text[body]!)) body++;
    return judged(text, line, at, title, body, form, depth, body >= line.end, before, after, open);
  }
  const whole = stripEnd(text, at, line.end);
  if (line.end - at <= TITLE_MAX_LENGTH) {
    const header = judged(text, line, at, whole, line.end, form, depth, true, before, after, open);
    if (header) return header;
  }
  return dashedOrBare(text, line, at);
}

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
  before: Line | undefined,
  after: Line | undefined,
  open: Header | undefined,
): Header | undefined {
  const title = text.slice(at, titleEnd);
  if (title.length === 0 || title.length > TITLE_MAX_LENGTH || wordCount(title) > TITLE_MAX_WORDS)
    return undefined;
  const capitals = isCapitals(title);
  const colon = text.slice(titleEnd, bodyStart).includes(':');
  const underlined = alone && after !== undefined && isRule(text, after) && after.end - after.start >= 3;
  const header = (row: Title): Header => ({
    start: line.start,
    bodyStart,
    title,
    kind: row.kind,
    sub: row.sub,
    form: form ?? (capitals || underlined ? Form.Capitals : Form.Plain),
    depth,
  });
  const exact = exactTitle(title);
  if (exact) {
    if (title.length === 1)
      return (colon || form) && title !== title.toLowerCase() ? header(exact) : undefined;
    // Without colon or setting, only a title standing alone on a line of its own counts, and a common word must be alone
    // with room around it: `Plan` between blank lines, not `pain` in a list.
    if (colon || form || capitals || underlined) return header(exact);
    if (!alone || !startsUpper(title)) return undefined;
    if (exact.sub || exact.kind === 'other') return undefined;
    const roomBefore = !before || before.start === before.end;
    return wordCount(title) > 1 || roomBefore ? header(exact) : undefined;
  }
  const strong = form !== undefined || capitals || underlined;
  if (!strong && !(colon && alone && isNounPhrase(title))) return undefined;
  if (!strong && open && HOLDS_PARTS.has(open.kind)) return undefined;
  if (endsSentence(title)) return undefined;
  const keyword = colon || alone ? titleByKeyword(title) : undefined;
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
  return {
    start: line.start,
    bodyStart: body,
    title,
    kind: last.row.kind,
    sub: false,
    form: Form.Capitals,
    depth: 0,
  };
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

/** Headers within a line: `None. MEDICATIONS: aspirin`, after a sentence or a gap. */
function headersInside(text: string, from: number, to: number): Header[] {
  const found: Header[] = [];
  let colon = text.indexOf(':', from);
  let floor = from;
  while (colon >= 0 && colon < to) {
    const header = headerBeforeColon(text, floor, colon);
    if (header) found.push(header);
    floor = colon + 1;
    colon = text.indexOf(':', colon + 1);
  }
  return found;
}

function headerBeforeColon(text: string, floor: number, colon: number): Header | undefined {
  const limit = Math.max(floor, colon - TITLE_MAX_LENGTH);
  // Back over the words to the end of a sentence or a gap; remember where the run of capitals began.
  let capitalsFrom = -1;
  let start = -1;
  let wordEnd = colon;
  for (let at = colon - 1; at >= limit - 1; at--) {
    const code = at < limit ? 32 : text.charCodeAt(at);
    const stop = at < limit || isSpace(code) || code === 46 || code === 59 || code === 44;
    if (!stop) continue;
    const word = text.slice(at + 1, wordEnd);
    if (word.length > 0 && capitalsFrom !== -2)
      capitalsFrom =
        isCapitals(word) || /^(?:[&/]|of|and|on|at)$/.test(word)
          ? at + 1
          : capitalsFrom === -1
            ? -2
            : capitalsFrom;
    if (word.length > 0 && !isCapitals(word) && capitalsFrom >= 0) {
      // The run of capitals ended before this word; a capital run after lower-case text needs no mark before it.
      const header = innerHeader(text, capitalsFrom, colon, true);
      if (header) return header;
    }
    const gap = at >= limit + 1 && isSpace(code) && isSpace(text.charCodeAt(at - 1));
    if (at < limit || code === 46 || code === 59 || gap || (code === 44 && capitalsFrom >= 0)) {
      start = at + 1;
      break;
    }
    wordEnd = at;
  }
  if (start < 0 || (start === limit && limit > floor)) return undefined;
  if (start === floor && floor > 0 && text[floor - 1] !== ':') return undefined;
  return innerHeader(text, start, colon, false);
}

function innerHeader(text: string, from: number, colon: number, capitalsOnly: boolean): Header | undefined {
  let start = from;
  while (start < colon && !isLetter(text.charCodeAt(start))) start++;
  const title = text.slice(start, colon).trimEnd();
  if (title.length < 2 || title.includes(':')) return undefined;
  const capitals = isCapitals(title);
  if (capitalsOnly && (!capitals || title.length < 3)) return undefined;
  if (!capitals && !startsUpper(title)) return undefined;
  const row = exactTitle(title);
  if (!row) return undefined;
  if (!capitals && row.kind === 'other') return undefined;
  return {
    start,
    bodyStart: colon + 1,
    title,
    kind: row.kind,
    sub: row.sub,
    form: capitals ? Form.Capitals : Form.Plain,
    depth: 0,
  };
}

/** The colon that ends a title, not the one of a time or a ratio; -1 where there is none near. */
function colonOf(text: string, from: number, to: number): number {
  const limit = Math.min(to, from + TITLE_MAX_LENGTH + 4);
  for (let at = from; at < limit; at++) {
    const code = text.charCodeAt(at);
    if (code === 58) {
      const digits = classOf(text.charCodeAt(at + 1)) === DIGIT && classOf(text.charCodeAt(at - 1)) === DIGIT;
      return digits ? -1 : at;
    }
    if (code === 46 && isSpace(text.charCodeAt(at + 1)) && at - from > 4) return -1;
  }
  return -1;
}

/** `1. `, `II. `, `3) ` before a title. */
function skipNumber(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && at < from + 4 && (classOf(text.charCodeAt(at)) === DIGIT || 'IVX'.includes(text[at]!)))
    at++;
  if (at === from || at >= to || !'.)'.includes(text[at]!) || !isSpace(text.charCodeAt(at + 1))) return from;
  at++;
  while (at < to && isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** `**`, `__`, `== `, `[`, `<`: what a title is wrapped in. */
function decorationLength(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && '*_=~<['.includes(text[at]!)) at++;
  if (at === from) return 0;
  if (at - from === 1 && text[from] === '*' && isSpace(text.charCodeAt(at))) return 0;
  while (at < to && text[at] === ' ') at++;
  return at - from;
}

function stripEnd(text: string, from: number, to: number): number {
  let end = to;
  while (end > from && ('*_=~>]#-'.includes(text[end - 1]!) || isSpace(text.charCodeAt(end - 1)))) end--;
  return end;
}

function wordCount(text: string): number {
  let count = 0;
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    const space = isSpace(text.charCodeAt(i));
    if (!space && !inside) count++;
    inside = !space;
  }
  return count;
}

function isCapitals(text: string): boolean {
  let letters = 0;
  for (let i = 0; i < text.length; i++) {
    const found = classOf(text.charCodeAt(i));
    if (found === LOWER) return false;
    if (found === UPPER) letters++;
  }
  return letters > 0;
}

function startsUpper(text: string): boolean {
  return classOf(text.charCodeAt(0)) === UPPER;
}

const SMALL_WORDS = new Set([
  'of',
  'and',
  'the',
  'on',
  'at',
  'to',
  'for',
  'in',
  'with',
  'or',
  'by',
  'from',
  'a',
  'an',
  'this',
  'upon',
  'prior',
]);

function isTitleCase(text: string): boolean {
  for (const word of text.split(/\s+/)) {
    if (isLetter(word.charCodeAt(0)) && !startsUpper(word) && !SMALL_WORDS.has(word)) return false;
  }
  return startsUpper(text);
}

const SENTENCE_WORDS = new Set(
  'he she they it i we you is was are were be been has have had do does did will would should the following include includes including took takes taking given denies reports not no patient has'.split(
    ' ',
  ),
);

/** Begins with a capital, is short, and has no word that makes a sentence of it. */
function isNounPhrase(text: string): boolean {
  if (!startsUpper(text)) return false;
  if (isTitleCase(text)) return true;
  const words = text.toLowerCase().split(/[^a-z']+/);
  return words.length <= 6 && !words.some((word) => SENTENCE_WORDS.has(word) && word !== 'the');
}

function endsSentence(text: string): boolean {
  return /[.!?;,]$/.test(text) || /\d{2,}/.test(text);
}
