import { isLetter, isSpace } from './characters.js';
import { isCapitals, wordCount } from './lettering.js';
import type { Line } from './lines.js';
import { beginsTitle, exactTitle, type Title } from './titles.js';

/** A title without any mark of a header: where it begins and ends, and where its words do. */
export interface SpokenTitle {
  readonly start: number;
  readonly titleStart: number;
  readonly titleEnd: number;
  readonly bodyStart: number;
  readonly row: Title;
}

const TITLE_WORDS = 5;
const KINDS_MIN = 3;
const BRACKET = 41;
/** Words that make a sentence of the title before them: `medications were stopped`. */
const GOES_ON = new Set(
  'is was were are of for has have had to and or with in on at by from given shows showed revealed reviewed today that this'.split(
    ' ',
  ),
);

/**
 * Titles of a note whose headers bear no mark, as dictated or jotted: `chief complaint cough`, `DH salbutamol`,
 * `S. cough`, `P - rest`, lower-case titles on lines of their own, `... HISTORY OF PRESENT ILLNESS patient is ...`.
 * None unless the note has three kinds of them, so that a line that happens to begin with such a word opens nothing.
 */
export function spokenTitles(text: string, lines: readonly Line[]): SpokenTitle[] {
  const letters = letterTitles(text, lines);
  // The letters of a nurse's note are two kinds; two of SOAP, alone on their lines, stand beside an `A/P`.
  if (letters.length > 0 && (text[letters[0]!.titleStart] !== 'S' || letters.length < KINDS_MIN))
    return letters;
  let found = letters.concat(lineTitles(text, lines));
  if (found.length === 0) found = runsOfCapitals(text);
  if (found.length === 0) found = saidColons(text);
  if (found.length === 0) found = jottedTitles(text);
  if (found.length === 0) found = sentenceTitles(text);
  found.sort((a, b) => a.start - b.start);
  return new Set(found.map(({ row }) => row.kind)).size >= KINDS_MIN ? found : [];
}

const COURSE: Title = { kind: 'hospital-course', sub: false, exact: true };
const TOLD: Title = { kind: 'history-of-present-illness', sub: false, exact: true };
/** Notes of nurses: data, action, response; problem, intervention, evaluation. */
const NURSING: Readonly<Record<string, readonly Title[]>> = {
  SBAR: [
    TOLD,
    { kind: 'past-medical-history', sub: false, exact: true },
    { kind: 'assessment', sub: false, exact: true },
    { kind: 'plan', sub: false, exact: true },
  ],
  DAR: [TOLD, COURSE, COURSE],
  PIE: [TOLD, COURSE, COURSE],
};

/** `S`, `S. `, `S - `, `(S) `: lines of their letters in the order of SOAP; `D: `, `A: `, `R: ` of a nurse's note. */
function letterTitles(text: string, lines: readonly Line[]): SpokenTitle[] {
  for (const letters of Object.keys(NURSING)) {
    const nursing = lettersOf(text, lines, letters);
    if (nursing.length === letters.length) return nursing;
  }
  const found = lettersOf(text, lines, 'SOAP');
  if (found.length >= KINDS_MIN) return found;
  const alone = lettersOf(text, lines, 'SO').filter(
    ({ titleEnd }) => text[titleEnd] === '\n' || text[titleEnd] === '\r',
  );
  return alone.length === 2 ? alone : [];
}

function lettersOf(text: string, lines: readonly Line[], letters: string): SpokenTitle[] {
  const found: SpokenTitle[] = [];
  const rows = NURSING[letters];
  const marks = rows ? /^(?:\)|\.|:|\s?[-–—/])(?=\s)/ : /^(?:\)|\.|\s?[-–—/])(?=\s)/;
  let next = 0;
  for (const line of lines) {
    let at = line.start;
    if (text[at] === '(') at++;
    const letter = letters.indexOf(text[at] ?? ' ');
    if (letter < next || at >= line.end) continue;
    let end = at + 1;
    if (end < line.end) {
      const rest = marks.exec(text.slice(end, end + 4));
      if (!rest) continue;
      end += rest[0].length;
      while (end < line.end && isSpace(text.charCodeAt(end))) end++;
    }
    const row = rows ? rows[letter] : exactTitle(text[at]!);
    if (!row) continue;
    found.push({ start: line.start, titleStart: at, titleEnd: at + 1, bodyStart: end, row });
    next = letter + 1;
  }
  return found;
}

function lineTitles(text: string, lines: readonly Line[]): SpokenTitle[] {
  const found: SpokenTitle[] = [];
  let firm = 0;
  let aloneEnd = -1;
  for (const line of lines) {
    if (!isLetter(text.charCodeAt(line.start))) continue;
    let stop = wordEnd(text, line.start, line.end);
    if (!beginsTitle(text.slice(line.start, stop).toLowerCase())) continue;
    let title: { end: number; row: Title } | undefined;
    for (let words = 1; words <= TITLE_WORDS; words++) {
      const last = text.charCodeAt(stop - 1);
      const row = isLetter(last) || last === BRACKET ? exactTitle(text.slice(line.start, stop)) : undefined;
      if (row && !row.sub && row.kind !== 'other') title = { end: stop, row };
      if (stop >= line.end) break;
      stop = wordEnd(text, skipSpace(text, stop, line.end), line.end);
    }
    if (!title || title.end - line.start < 2) continue;
    const bodyStart = skipSpace(text, title.end, line.end);
    const next = text.slice(bodyStart, wordEnd(text, bodyStart, line.end)).toLowerCase();
    if (GOES_ON.has(next)) continue;
    // `mri brain` right below `plan` is what is planned.
    const alone = bodyStart >= line.end;
    if (alone && aloneEnd >= 0 && text.slice(aloneEnd, line.start).split('\n').length === 2) continue;
    if (alone) aloneEnd = line.end;
    const words = text.slice(line.start, title.end);
    if (wordCount(words) > 1 || isCapitals(words) || alone) firm++;
    found.push({
      start: line.start,
      titleStart: line.start,
      titleEnd: title.end,
      bodyStart,
      row: title.row,
    });
  }
  return firm >= 2 ? found : [];
}

/** Runs of capitals that are titles of two words or more, in a text that is not all in capitals. */
function runsOfCapitals(text: string): SpokenTitle[] {
  const found: SpokenTitle[] = [];
  const runs = /\b[A-Z]{2,}(?:[ /](?:[A-Z]{2,}|&))*/g;
  for (let run = runs.exec(text); run; run = runs.exec(text)) {
    const row = run[0].length > 3 ? exactTitle(run[0]) : undefined;
    if (!row || row.sub || row.kind === 'other') continue;
    let bodyStart = run.index + run[0].length;
    if (text[bodyStart] === ':' || text[bodyStart] === '.') bodyStart++;
    found.push({
      start: run.index,
      titleStart: run.index,
      titleEnd: run.index + run[0].length,
      bodyStart,
      row,
    });
  }
  return found.filter(({ titleStart, titleEnd }) => wordCount(text.slice(titleStart, titleEnd)) > 1).length >
    1
    ? found
    : [];
}

/** `Chief complaint colon cough`: the mark as the dictation has it. */
function saidColons(text: string): SpokenTitle[] {
  const found: SpokenTitle[] = [];
  const said = ' colon ';
  for (let at = text.indexOf(said); at >= 0; at = text.indexOf(said, at + said.length)) {
    let start = at;
    let title: { start: number; row: Title } | undefined;
    for (let words = 0; words < TITLE_WORDS && start > 0; words++) {
      start--;
      while (start > 0 && !isSpace(text.charCodeAt(start - 1))) start--;
      const row = exactTitle(text.slice(start, at));
      if (row && !row.sub && row.kind !== 'other') title = { start, row };
      while (start > 0 && isSpace(text.charCodeAt(start - 1))) start--;
    }
    if (!title) continue;
    found.push({
      start: title.start,
      titleStart: title.start,
      titleEnd: at,
      bodyStart: at + said.length,
      row: title.row,
    });
  }
  return found;
}

const JOTTED_MAX = 40;

/** `cc: headache; hpi: 3 days; meds: none`, `CC// cough // HPI// 5 days`, `cc=headache`: small titles with a mark, run on. */
function jottedTitles(text: string): SpokenTitle[] {
  const found: SpokenTitle[] = [];
  const marks = /:|\/\/(?= )|(?<!=)=(?!=)/g;
  for (let mark = marks.exec(text); mark; mark = marks.exec(text)) {
    let start = mark.index;
    while (start > 0 && mark.index - start < JOTTED_MAX && !';,.|\n:'.includes(text[start - 1]!)) {
      if (text[start - 1] === '/' && text[start - 2] === '/') break;
      start--;
    }
    start = skipSpace(text, start, mark.index);
    const row = start < mark.index ? exactTitle(text.slice(start, mark.index)) : undefined;
    if (!row || row.sub || row.kind === 'other') continue;
    const bodyStart = mark.index + mark[0].length;
    found.push({ start, titleStart: start, titleEnd: mark.index, bodyStart, row });
  }
  return found;
}

/** `cc cough; pmh neg; meds ocp; dx acute bronchitis`: titles that begin what semicolons part, of four kinds and more. */
export function semicolonTitles(text: string): SpokenTitle[] {
  const found: SpokenTitle[] = [];
  for (let mark = -1; ; ) {
    const start = skipSpace(text, mark + 1, text.length);
    const next = text.indexOf(';', start);
    const limit = next < 0 ? text.length : next;
    let stop = wordEnd(text, start, limit);
    if (beginsTitle(text.slice(start, stop).toLowerCase())) {
      let title: { end: number; row: Title } | undefined;
      for (let words = 1; words <= 3 && stop < limit; words++) {
        const row = isLetter(text.charCodeAt(stop - 1)) ? exactTitle(text.slice(start, stop)) : undefined;
        if (row && !row.sub && row.kind !== 'other' && stop - start > 1) title = { end: stop, row };
        stop = wordEnd(text, skipSpace(text, stop, limit), limit);
      }
      const bodyStart = title ? skipSpace(text, title.end, limit) : start;
      const word = text.slice(bodyStart, wordEnd(text, bodyStart, limit)).toLowerCase();
      if (title && !GOES_ON.has(word))
        found.push({ start, titleStart: start, titleEnd: title.end, bodyStart, row: title.row });
    }
    if (next < 0) break;
    mark = next;
  }
  return new Set(found.map(({ row }) => row.kind)).size >= SENTENCE_KINDS_MIN ? found : [];
}

const SENTENCE_KINDS_MIN = 4;
const SENTENCE_REACH = 80;

/** `CHIEF COMPLAINT COUGH. PAST MEDICAL HISTORY ASTHMA.`: dictated titles that begin sentences, of which some are long. */
function sentenceTitles(text: string): SpokenTitle[] {
  const found: SpokenTitle[] = [];
  let long = 0;
  const starts = /(?:^|[.!?] {1,3}|\n {0,8})(?=[A-Z])/g;
  for (let begin = starts.exec(text); begin; begin = starts.exec(text)) {
    if (begin[0] === '') starts.lastIndex++;
    const start = begin.index + begin[0].length;
    const limit = Math.min(text.length, start + SENTENCE_REACH);
    let stop = wordEnd(text, start, limit);
    if (!beginsTitle(text.slice(start, stop).toLowerCase())) continue;
    let title: { end: number; row: Title } | undefined;
    for (let words = 1; words <= TITLE_WORDS && stop < limit; words++) {
      const row = isLetter(text.charCodeAt(stop - 1)) ? exactTitle(text.slice(start, stop)) : undefined;
      if (row && !row.sub && row.kind !== 'other') title = { end: stop, row };
      if (!isLetter(text.charCodeAt(stop - 1))) break;
      stop = wordEnd(text, skipSpace(text, stop, limit), limit);
    }
    if (!title || title.end - start < 4) continue;
    const bodyStart = skipSpace(text, title.end, limit);
    const next = text.slice(bodyStart, wordEnd(text, bodyStart, limit)).toLowerCase();
    if (GOES_ON.has(next)) continue;
    if (wordCount(text.slice(start, title.end)) > 1) long++;
    found.push({ start, titleStart: start, titleEnd: title.end, bodyStart, row: title.row });
  }
  return long >= 2 && new Set(found.map(({ row }) => row.kind)).size >= SENTENCE_KINDS_MIN ? found : [];
}

function wordEnd(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && !isSpace(text.charCodeAt(at))) at++;
  return at;
}

function skipSpace(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && isSpace(text.charCodeAt(at))) at++;
  return at;
}
