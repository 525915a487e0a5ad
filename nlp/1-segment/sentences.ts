import type { Section, SectionKind, Sentence, Token } from '../model.js';
import { readRules } from '../rules/load.js';
import { boxesFollow, isBox, isRoundBox } from './boxes.js';
import { classOf, DIGIT, isLetter, isSpace, LOWER, UPPER } from './characters.js';
import { isRule, isTableRow, type Line, listMarkerLength } from './lines.js';
import { runOnBreaks } from './run-on.js';

type AbbreviationKind = 'title' | 'number' | 'inner' | 'letter';
const abbreviations = new Map<string, AbbreviationKind>();
for (const row of readRules<{ word: string; kind: AbbreviationKind }[]>('abbreviations.json')) {
  abbreviations.set(row.word, row.kind);
}

/** What never ends is cut: from here on at a comma, and at the latest at the maximum. Keeps later stages linear. */
const LONG_TOKENS = 300;
const MAX_TOKENS = 400;

const WRAP_MIN = 50;
const WRAP_MAX = 140;
const ITEM_MAX_LENGTH = 120;

/** Sections that are lists even where their lines bear no marks. */
const LISTS = new Set<SectionKind>([
  'medications',
  'discharge-medications',
  'allergies',
  'immunizations',
  'diagnoses',
  'problem-list',
  'past-medical-history',
  'past-surgical-history',
  'vital-signs',
  'results',
  'procedures',
]);

/** A run of lines that may hold sentences: a wrapped paragraph, a list item, a table row or a header. */
interface Block {
  readonly start: number;
  end: number;
  readonly section: number;
  readonly listItem: boolean;
}

/**
 * Finds sentences: every token belongs to exactly one. They end at final marks, not at abbreviations, decimals or
 * wrapped lines; every list item, table row and header is at least one of its own. Linear.
 */
export function findSentences(
  text: string,
  lines: readonly Line[],
  sections: readonly Section[],
  tokens: readonly Token[],
): Sentence[] {
  const sentences: Sentence[] = [];
  let token = 0;
  for (const block of findBlocks(text, lines, sections)) {
    // Marks between blocks (a rule, a comma that was a line end) go with the sentence before them.
    const loose = token;
    while (token < tokens.length && tokens[token]!.end <= block.start) token++;
    if (token > loose) extend(sentences, tokens, loose, token, block.section);
    const first = token;
    while (token < tokens.length && tokens[token]!.start < block.end) token++;
    if (token > first) splitBlock(text, tokens, first, token, block, sentences);
  }
  if (token < tokens.length) {
    const block = { start: 0, end: text.length, section: sections.length - 1, listItem: false };
    splitBlock(text, tokens, token, tokens.length, block, sentences);
  }
  return sentences;
}

function extend(
  sentences: Sentence[],
  tokens: readonly Token[],
  from: number,
  to: number,
  section: number,
): void {
  const last = sentences.pop();
  const firstToken = last ? last.firstToken : from;
  sentences.push({
    start: tokens[firstToken]!.start,
    end: tokens[to - 1]!.end,
    section: last ? last.section : section,
    firstToken,
    lastToken: to,
    listItem: last ? last.listItem : true,
  });
}

function findBlocks(text: string, lines: readonly Line[], sections: readonly Section[]): Block[] {
  const width = wrapWidth(lines);
  const blocks: Block[] = [];
  let open: Block | undefined;
  let last: Line | undefined;
  let section = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.start === line.end || isRule(text, line)) {
      open = undefined;
      continue;
    }
    let from = line.start;
    while (from < line.end) {
      while (section + 1 < sections.length && sections[section + 1]!.start <= from) section++;
      const here = sections[section]!;
      let end = Math.min(line.end, sections[section + 1]?.start ?? line.end);
      if (end <= from) end = line.end;
      if (from < here.bodyStart && here.bodyStart > here.start) {
        const stop = Math.min(Math.max(here.bodyStart, from + 1), end);
        blocks.push({ start: from, end: stop, section, listItem: true });
        open = undefined;
        from = stop;
        while (from < end && isSpace(text.charCodeAt(from))) from++;
        if (from >= end) continue;
      }
      const atLineStart = from === line.start;
      const marker = atLineStart ? listMarkerLength(text, line) > 0 : false;
      const row = atLineStart && !marker && isTableRow(text, line);
      const joins: boolean =
        open !== undefined &&
        open.section === section &&
        atLineStart &&
        !marker &&
        !row &&
        last !== undefined &&
        wraps(text, last, line, width, here.kind, open.listItem);
      if (joins) open!.end = end;
      else {
        open = {
          start: from,
          end,
          section,
          listItem: marker || row || looksLikeItem(text, from, end, here.kind),
        };
        blocks.push(open);
        if (row) open = undefined;
      }
      from = end;
    }
    last = line;
  }
  return blocks;
}

/** Column at which the note was hard-wrapped; 0 where it was not. */
function wrapWidth(lines: readonly Line[]): number {
  let widest = 0;
  for (const line of lines) {
    const width = line.end - line.start + line.indent;
    if (width > WRAP_MAX) return 0;
    if (width > widest) widest = width;
  }
  return widest >= WRAP_MIN ? widest : 0;
}

const CARRIES_ON = new Set(
  'a an the and or of with without to for in on at by from as is was were are be been has have had his her their which that who into over under due secondary per than'.split(
    ' ',
  ),
);

/** Whether `next` goes on with the sentence of `line`: it begins small, or its first word had no room above. */
function wraps(
  text: string,
  line: Line,
  next: Line,
  width: number,
  kind: SectionKind,
  item: boolean,
): boolean {
  const lastMark = text[line.end - 1]!;
  if ('.!?:;'.includes(lastMark) && !(width > 0 && lastMark !== ':')) return false;
  const first = classOf(text.charCodeAt(next.start));
  if (item && !LISTS.has(kind) && next.indent > line.indent && first === LOWER) return true;
  const lastWord = text.slice(Math.max(line.start, lastWordStart(text, line)), line.end).toLowerCase();
  if (CARRIES_ON.has(lastWord)) return true;
  let wordEnd = next.start;
  while (wordEnd < next.end && !isSpace(text.charCodeAt(wordEnd))) wordEnd++;
  const noRoom = width > 0 && line.end - line.start + line.indent + 1 + (wordEnd - next.start) > width - 2;
  if (first === LOWER) return noRoom || !LISTS.has(kind) || (width === 0 && lastMark === ',');
  return noRoom;
}

function lastWordStart(text: string, line: Line): number {
  let at = line.end;
  while (at > line.start && isLetter(text.charCodeAt(at - 1))) at--;
  return at;
}

/** A short line without a final mark, or any line of a list section that is no prose. */
function looksLikeItem(text: string, from: number, to: number, kind: SectionKind): boolean {
  if (to - from > ITEM_MAX_LENGTH) return false;
  const mark = text[to - 1];
  if (mark !== '.' && mark !== '?' && mark !== '!') return true;
  return LISTS.has(kind) && to - from < 40;
}

function splitBlock(
  text: string,
  tokens: readonly Token[],
  first: number,
  last: number,
  block: Block,
  sentences: Sentence[],
): void {
  let from = first;
  let item = 0;
  let listItem = block.listItem;
  const close = (to: number) => {
    if (to <= from) return;
    for (const at of runOnBreaks(tokens, from, to)) end(at);
    end(to);
  };
  const end = (to: number) => {
    sentences.push({
      start: tokens[from]!.start,
      end: tokens[to - 1]!.end,
      section: block.section,
      firstToken: from,
      lastToken: to,
      listItem,
    });
    from = to;
  };
  for (let i = first; i < last; i++) {
    const token = tokens[i]!;
    const code = token.text.charCodeAt(0);
    const length = i - from;
    if (length >= LONG_TOKENS && (length >= MAX_TOKENS || token.text === ',')) {
      close(token.text === ',' ? i + 1 : i);
      continue;
    }
    // A word neither begins an item nor ends a sentence, unless it has dots of its own.
    if (isLetter(code) && token.text.charCodeAt(token.text.length - 1) !== DOT) continue;
    if (
      i > from &&
      (startsInlineItem(text, tokens, i, last, item) || (isRoundBox(tokens, i) && isRoundBox(tokens, from)))
    ) {
      close(i);
      listItem = true;
    }
    if (classOf(code) === DIGIT && i + 1 < last && isItemNumber(text, tokens, i)) {
      if (i === from) item = Number.parseInt(token.text, 10);
    }
    const mark = token.text;
    const ends =
      mark === ']' && i - 1 > from && isBox(tokens, i) && boxesFollow(text, token.start)
        ? true
        : mark === '.'
          ? endsAtDot(tokens, i, from, last)
          : (mark === '?' && !startsQuery(tokens, i)) ||
            mark === '!' ||
            (mark.startsWith('..') && endsAtEllipsis(tokens, i, last)) ||
            (token.text.length > 1 && endsAtInitialism(text, tokens, i, last));
    if (!ends) continue;
    let to = i + 1;
    while (to < last && CLOSERS.has(tokens[to]!.text) && tokens[to]!.start === tokens[to - 1]!.end) to++;
    // A comma that stood for a line end goes with the sentence before it.
    if (to < last && tokens[to]!.text === ',') to++;
    close(to);
    i = to - 1;
  }
  close(last);
}

const DOT = 46;
const CLOSERS = new Set([')', '"', "'", ']', '”', '’', '**', '*', '?', '!', '.']);

function spaceAfter(text: string, token: Token): boolean {
  return token.end >= text.length || isSpace(text.charCodeAt(token.end));
}

/** `2)` or `2.` before a word, `[ ]`, `•`: the next item of a list written in one line. */
function startsInlineItem(
  text: string,
  tokens: readonly Token[],
  i: number,
  last: number,
  item: number,
): boolean {
  const token = tokens[i]!;
  const before = tokens[i - 1]!;
  if (
    token.text === '•' ||
    token.text === '·' ||
    token.text === '▪' ||
    token.text === '☐' ||
    token.text === '☑' ||
    token.text === '☒'
  )
    return true;
  if (token.text === '[') {
    if (boxesFollow(text, token.start)) return false;
    const close =
      tokens[i + 1]?.text === ']' || (tokens[i + 2]?.text === ']' && /^[xX ✓]$/.test(tokens[i + 1]!.text));
    return close && i + 2 < last;
  }
  if (!isItemNumber(text, tokens, i) || i + 2 >= last) return false;
  const value = Number.parseInt(token.text, 10);
  if (before.end === token.start) return false;
  const gap = token.start - before.end;
  if (value === item + 1 && (item > 0 || before.text === ':' || gap > 1)) return true;
  return value === 1 && before.text === ':';
}

function isItemNumber(text: string, tokens: readonly Token[], i: number): boolean {
  const token = tokens[i]!;
  const mark = tokens[i + 1];
  if (!mark || (mark.text !== ')' && mark.text !== '.') || mark.start !== token.end || token.text.length > 2)
    return false;
  if (classOf(token.text.charCodeAt(0)) !== DIGIT) return false;
  const next = tokens[i + 2];
  return (
    next !== undefined &&
    (isLetter(next.text.charCodeAt(0)) || next.text === '?') &&
    (spaceAfter(text, mark) || mark.text === ')')
  );
}

const STARTERS = new Set(
  'the he she they it this there patient pt his her we i at on in no if after then since upon continue will plan please follow denies reports'.split(
    ' ',
  ),
);

/** What a letter names a kind of, so that its full stop is one: `hepatitis C.`, `vitamin B.`, `type A.` */
const LETTERED = new Set(
  'hepatitis hep vitamin vit type group grade class stage influenza flu factor strep streptococcus protein plan option part criterion zone level axis lead room bed unit child-pugh pugh'.split(
    ' ',
  ),
);

/** Whose `d.` is "died of". */
const DYING = new Set(
  'father mother brother sister dad mum mom son daughter uncle aunt grandfather grandmother gf gm mgf mgm pgf pgm fa mo bro sis'.split(
    ' ',
  ),
);
const HAVING = new Set(['had', 'has', 'have', 'mild', 'moderate', 'mod', 'severe', 'trivial']);

function endsAtDot(tokens: readonly Token[], i: number, from: number, last: number): boolean {
  const next = tokens[i + 1];
  if (!next || i + 1 >= last) return true;
  const before = i > from ? tokens[i - 1]! : undefined;
  const adjacent = before !== undefined && before.end === tokens[i]!.start;
  const nextClass = classOf(next.text.charCodeAt(0));
  const spaced = next.start > tokens[i]!.end;
  if (!spaced) {
    if (CLOSERS.has(next.text) || next.text === ',') return !adjacent || !abbreviations.has(before!.norm);
    // `fever.Patient denies`: a lost space, unless it is part of an address or a code.
    return nextClass === UPPER && adjacent && before!.text.length > 2 && next.text.length > 1;
  }
  if (!before || !adjacent) return true;
  if (i - 1 === from && (before.text.length <= 2 || before.text === '#') && isMarker(before.text))
    return false;
  if (i - 2 === from && tokens[from]!.text === '#') return false;
  // `Father d. MI 52`
  if (before.text === 'd' && i - 2 >= from && DYING.has(tokens[i - 2]!.norm)) return false;
  const kind = abbreviations.get(before.norm);
  if (kind === 'title') {
    // `neg for MS. Topiramate` is a disease; `DR. SMITH` is not.
    const capitals = before.text.length > 1 && before.text === before.text.toUpperCase();
    if (capitals && next.text !== next.text.toUpperCase()) return true;
    // `Dad had MS. CTS L>R`: what somebody has is no title.
    if (capitals && i - 2 >= from && HAVING.has(tokens[i - 2]!.norm)) return true;
    return !(nextClass === UPPER || next.text.length <= 3);
  }
  if (kind === 'number' && nextClass === DIGIT) return false;
  if (kind === 'inner' && (nextClass !== UPPER || before.norm === 'vs')) return false;
  // `Vit. D`, `hep. B`
  if (kind === 'letter' && (nextClass !== UPPER || next.text.length === 1)) return false;
  if (before.text.length === 1 && classOf(before.text.charCodeAt(0)) === UPPER) {
    const earlier = i - 2 >= from ? tokens[i - 2] : undefined;
    // `E. coli`, `L. knee`; not `hepatitis C. treated`.
    if (nextClass === LOWER) return earlier !== undefined && LETTERED.has(earlier.norm);
    if (nextClass !== UPPER) return true;
    // `John A. Smith` and `J. P. Smith` go on; `seen by Dr. X. The patient` and `Type A. Rh positive` end.
    const initials = earlier?.text === '.' && tokens[i - 3]?.text.length === 1;
    const name =
      earlier !== undefined &&
      (initials || classOf(earlier.text.charCodeAt(0)) === UPPER) &&
      !LETTERED.has(earlier.norm);
    return !(name && !STARTERS.has(next.norm)) && !(next.text.length === 1);
  }
  return true;
}

/** `?pneumonia`: doubt, not the end of a question. */
function startsQuery(tokens: readonly Token[], i: number): boolean {
  const next = tokens[i + 1];
  if (next === undefined || !isLetter(next.text.charCodeAt(0))) return false;
  // `Imp: ? PE`: a mark of doubt stands away from the word before it, that of a question does not.
  const before = tokens[i - 1];
  return next.start === tokens[i]!.end || before === undefined || before.end < tokens[i]!.start;
}

function endsAtEllipsis(tokens: readonly Token[], i: number, last: number): boolean {
  const next = tokens[i + 1];
  return next === undefined || i + 1 >= last || classOf(next.text.charCodeAt(0)) === UPPER;
}

function isMarker(text: string): boolean {
  const found = classOf(text.charCodeAt(0));
  if (found === DIGIT) return true;
  return text.length === 1 && (found === UPPER || found === LOWER);
}

/** `81 mg b.i.d. Lisinopril`: an initialism's own dot ends the sentence before a word with a capital. */
function endsAtInitialism(text: string, tokens: readonly Token[], i: number, last: number): boolean {
  const token = tokens[i]!;
  if (!token.text.endsWith('.') || token.text.length < 4 || token.text[1] !== '.') return false;
  const next = tokens[i + 1];
  if (!next || i + 1 >= last) return false;
  if (token.norm === 'eg' || token.norm === 'ie' || token.norm === 'us') return false;
  return (
    classOf(next.text.charCodeAt(0)) === UPPER &&
    next.text.length > 1 &&
    (next.text !== next.text.toUpperCase() || STARTERS.has(next.norm)) &&
    spaceAfter(text, token)
  );
}
