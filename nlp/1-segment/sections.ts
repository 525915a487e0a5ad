import type { Section, SectionKind } from '../model.js';
import { classOf, DIGIT, isLetter, isSpace } from './characters.js';
import { hasPages, isPageLine, type Opening, partedTitle, readOpening, stripEnd } from './header-marks.js';
import { endsSentence, isCapitals, isNounPhrase, isTitleCase, startsUpper, wordCount } from './lettering.js';
import { isRule, type Line } from './lines.js';
import { misreadTitle } from './misread.js';
import { spokenTitles } from './spoken.js';
import { beginsTitle, endsTitle, exactTitle, joinedTitle, type Title, titleByKeyword } from './titles.js';

const TITLE_MAX_LENGTH = 80;
const TITLE_MAX_WORDS = 9;

/** How a header is set, strongest first: what is set weaker than the header above it may be below it. */
enum Form {
  Markdown = 1,
  Capitals = 2,
  Bold = 3,
  Plain = 4,
  Bullet = 5,
}

interface Header {
  readonly start: number;
  readonly bodyStart: number;
  readonly title: string;
  readonly kind: SectionKind;
  readonly sub: boolean;
  /** Set like a header, in words no rule knows. */
  readonly unknown?: boolean;
  /** Jotted straight before its words, as in `PMH asthma`. */
  readonly bare?: boolean;
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

/** What an item of a list in a plan does not take out of it. */
const PLANS = new Set<SectionKind>([
  'plan',
  'assessment-and-plan',
  'assessment',
  'hospital-course',
  'instructions',
  'follow-up',
]);
const NEVER_PLANNED = new Set<SectionKind>(['allergies', 'family-history', 'past-medical-history']);

/**
 * Finds the sections of a note. They are contiguous and cover the text from its first character to its last;
 * words before the first header are a section of kind `none`. Linear in the length of the text.
 */
export function findSections(text: string, lines: readonly Line[]): Section[] {
  const headers = findHeaders(text, lines);
  const sections: Section[] = [];
  const first = headers[0]?.start ?? text.length;
  const begins = headers.length > 0 && isBlank(text, 0, first);
  if ((first > 0 && !begins) || headers.length === 0) {
    sections.push({ start: 0, end: first, kind: 'none', title: '', bodyStart: 0 });
  }
  headers.forEach((header, i) => {
    const end = headers[i + 1]?.start ?? text.length;
    sections.push({
      start: i === 0 && begins ? 0 : header.start,
      end,
      kind: header.kind,
      title: header.title,
      bodyStart: header.bodyStart,
    });
  });
  return sections;
}

function findHeaders(text: string, lines: readonly Line[]): Header[] {
  let headers: Header[] = [];
  let open: Header | undefined;
  const add = (header: Header) => {
    if (open && belongsTo(text, header, open)) return;
    headers.push(header);
    open = header;
  };
  const paged = hasPages(text);
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.start === line.end || (open && line.start < open.bodyStart)) continue;
    if (paged && isPageLine(text, line)) continue;
    const header = headerOfLine(text, line, lines[i - 1], lines[i + 1], open);
    if (header) add(header);
    for (const inner of headersInside(text, header ? header.bodyStart : line.start, line.end)) add(inner);
  }
  if (headers.length < 2 || headers.some(({ bare }) => bare)) {
    const spoken = spokenTitles(text, lines).map(({ row, titleStart, titleEnd, start, bodyStart }) => ({
      start,
      bodyStart,
      title: text.slice(titleStart, titleEnd),
      kind: row.kind,
      sub: false,
      form: Form.Plain,
      depth: 0,
    }));
    if (spoken.length > 0) {
      const starts = new Set(headers.map((header) => header.start));
      headers = [...headers, ...spoken.filter((header) => !starts.has(header.start))].sort(
        (a, b) => a.start - b.start,
      );
    }
  }
  return headers;
}

function isBlank(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!isSpace(text.charCodeAt(at))) return false;
  return true;
}

function belongsTo(text: string, header: Header, open: Header): boolean {
  if (header.sub) {
    if (HOLDS_EXAM_PARTS.has(open.kind)) return true;
    // `Resp: 16` among vital signs is a rate.
    if (open.kind === 'vital-signs') return /^\s*\d/.test(text.slice(header.bodyStart, header.bodyStart + 8));
  }
  // `Allergies` above `Allergen Reactions`: the head of the columns.
  if (
    header.kind === open.kind &&
    open.bodyStart <= header.start &&
    !text.slice(header.start, header.bodyStart).includes(':') &&
    isBlank(text, open.bodyStart, header.start)
  )
    return true;
  // `Drugs: none` among habits are no medicines.
  if (open.kind === 'social-history' && /^drugs?$/i.test(header.title)) return true;
  const smaller = header.form > open.form || (header.form === open.form && header.depth > open.depth);
  if (header.form === Form.Bullet && smaller) {
    if (header.kind === open.kind) return true;
    if (PLANS.has(open.kind) && !NEVER_PLANNED.has(header.kind)) return true;
  }
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
  const form = depth > 0 ? Form.Markdown : opening.bold ? Form.Bold : undefined;
  if (colon > 0) {
    const title = stripEnd(text, at, colon);
    let body = colon + 1;
    while (body < line.end && '*_'.includes(text[body]!)) body++;
    // `<b>Plan:</b>`
    if (text[body] === '<' && text[body + 1] === '/') body = Math.max(body, text.indexOf('>', body) + 1);
    const header = judged(text, line, at, title, body, form, depth, body >= line.end, before, after, open);
    return header ?? markedHeader(text, line, at);
  }
  const whole = stripEnd(text, at, line.end);
  const set =
    form !== undefined ||
    startsTitle(text, at, line.end) ||
    isCapitals(text.slice(at, whole)) ||
    (after !== undefined && isRule(text, after));
  if (!set) return undefined;
  if (line.end - at <= TITLE_MAX_LENGTH) {
    const header =
      brokenHeader(text, line, at, after) ??
      judged(text, line, at, whole, line.end, form, depth, true, before, after, open);
    if (header) return header;
  }
  return markedHeader(text, line, at) ?? dashedOrBare(text, line, at);
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
  return {
    start: line.start,
    bodyStart: parted.bodyStart,
    title,
    kind: row.kind,
    sub: false,
    form: numbered ? Form.Plain : Form.Bullet,
    depth: 0,
  };
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
function markedHeader(text: string, line: Line, at: number): Header | undefined {
  if (!startsTitle(text, at, line.end)) return undefined;
  const parted = partedTitle(text, at, line);
  if (!parted) return undefined;
  // `1. Tobacco use - counselled` is a problem.
  if (at > line.start && classOf(text.charCodeAt(line.start)) === DIGIT) return undefined;
  // A full stop parts only what stands for nothing else.
  const stopped = text[parted.titleEnd] === '.' && text[parted.titleEnd + 1] !== '.';
  const title = text.slice(at, parted.titleEnd);
  const row = title.length > 1 ? exactTitle(title) : undefined;
  if (!row || row.sub || row.kind === 'other') return undefined;
  if (stopped && (!MAIN.has(row.kind) || title.length < STOPPED_MIN)) return undefined;
  return {
    start: line.start,
    bodyStart: parted.bodyStart,
    title,
    kind: row.kind,
    sub: false,
    form: isCapitals(title) ? Form.Capitals : Form.Plain,
    depth: 0,
  };
}

function startsTitle(text: string, at: number, to: number): boolean {
  if (!startsUpper(text[at]!)) return false;
  let end = at;
  while (end < to && !isSpace(text.charCodeAt(end)) && !'|;—–=.:”"'.includes(text[end]!)) end++;
  return beginsTitle(text.slice(at, end).toLowerCase()) || text.slice(at, end).includes('/');
}

const BROKEN_MAX = 30;

/** `PAST MEDICAL` above `HISTORY:`: a title that had no room in its column. */
function brokenHeader(text: string, line: Line, at: number, after: Line | undefined): Header | undefined {
  if (!after || line.end - at > BROKEN_MAX || !startsTitle(text, at, line.end)) return undefined;
  const colon = colonOf(text, after.start, Math.min(after.end, after.start + BROKEN_MAX));
  if (colon < 0) return undefined;
  const title = `${text.slice(at, line.end)} ${text.slice(after.start, colon)}`;
  const row = exactTitle(title);
  if (!row || row.sub) return undefined;
  return {
    start: line.start,
    bodyStart: colon + 1,
    title: text.slice(at, colon),
    kind: row.kind,
    sub: false,
    form: isCapitals(title) ? Form.Capitals : Form.Plain,
    depth: 0,
  };
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
  if (
    title.length === 0 ||
    title.length > TITLE_MAX_LENGTH ||
    (wordCount(title) > TITLE_MAX_WORDS && !isSpacedOut(title))
  )
    return undefined;
  const capitals = isCapitals(title);
  const colon = /[:：]/.test(text.slice(titleEnd, bodyStart));
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
  const exact =
    exactTitle(title) ??
    joinedTitle(title) ??
    (colon || (capitals && alone) ? misreadTitle(title) : undefined);
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
  return {
    start: line.start,
    bodyStart: body,
    title,
    kind: last.row.kind,
    sub: false,
    bare: !dash,
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
    // The colon of a time parts nothing.
    const time =
      classOf(text.charCodeAt(colon - 1)) === DIGIT && classOf(text.charCodeAt(colon + 1)) === DIGIT;
    const header = time ? undefined : headerBeforeColon(text, floor, colon);
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
    const stop = at < limit || isSpace(code) || code === 46 || code === 59 || code === 44 || code === 124;
    if (!stop) continue;
    const word = text.slice(at + 1, wordEnd);
    if (code === 124 || (word.length === 1 && '/-–—•'.includes(word))) {
      start = code === 124 ? at + 1 : wordEnd;
      break;
    }
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
  if (start < 0 || (start === limit && limit > floor)) return runInHeader(text, limit, colon);
  if (start === floor && floor > 0 && text[floor - 1] !== ':') return runInHeader(text, floor, colon);
  return innerHeader(text, start, colon, false) ?? runInHeader(text, start, colon);
}

const RUN_IN_WORDS = 5;

/** `Here for review Past Medical History: gout`: words with capitals that are a known title of two words or more. */
function runInHeader(text: string, from: number, colon: number): Header | undefined {
  let end = colon;
  let header: Header | undefined;
  for (let words = 1; words <= RUN_IN_WORDS; words++) {
    let at = end;
    while (at > from && !isSpace(text.charCodeAt(at - 1))) at--;
    const upper = startsUpper(text[at] ?? ' ');
    const word = text.slice(at, end);
    if (words === 1 ? !upper || !endsTitle(word.toLowerCase()) : !upper && !LINKS.has(word)) break;
    if (upper && at > from) {
      const found = innerHeader(text, at, colon, false);
      if (found && !found.sub && (words > 1 || RUN_IN_ALONE.has(found.kind))) header = found;
    }
    end = at;
    while (end > from && isSpace(text.charCodeAt(end - 1))) end--;
    if (end <= from || end === at) break;
  }
  if (!header) return undefined;
  // `Airway Examination:` is no `Examination:`.
  let before = header.start;
  while (before > from && isSpace(text.charCodeAt(before - 1))) before--;
  while (before > from && !isSpace(text.charCodeAt(before - 1))) before--;
  return startsUpper(text[before]!) && before < header.start ? undefined : header;
}

const LINKS = new Set(['of', 'and', '&', 'on', 'at']);
/** What a single word with a capital may open; `Urinalysis:` or `Plan:` may stand in any sentence. */
const RUN_IN_ALONE = new Set<SectionKind>(['medications', 'allergies', 'immunizations', 'assessment']);

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
