import type { SectionKind } from '../model.js';
import { readRules } from '../rules/load.js';
import { classOf, DIGIT, isLetter, isSpace } from './characters.js';
import { Form, type Header } from './header.js';
import { indexWithin } from './lettering.js';
import type { Line } from './lines.js';
import { normalizeTitle } from './titles.js';

interface QuestionRow {
  readonly words: readonly string[];
  readonly kind: SectionKind;
  readonly example: string;
}

const rows = readRules<{ questions: QuestionRow[] }>('sections.json').questions;
const ASKS = new Set(
  'what do does did are is have has had how why which any when who where list please can could would'.split(
    ' ',
  ),
);
const QUESTION_MAX = 110;
const KINDS_MIN = 3;

/**
 * Questions of a form with their answers behind or below them (`What medications do you take? Losartan`), as titles, by
 * where they begin. Undefined unless the text asks of three kinds of things.
 */
export function questionHeaders(text: string, lines: readonly Line[]): Map<number, Header> | undefined {
  if (!text.includes('?')) return undefined;
  const found = new Map<number, Header>();
  for (const line of lines) {
    const header = questionOf(text, line);
    if (header) found.set(line.start, header);
  }
  const kinds = new Set([...found.values()].map(({ kind }) => kind));
  return kinds.size >= KINDS_MIN ? found : undefined;
}

function questionOf(text: string, line: Line): Header | undefined {
  const end = indexWithin(text, '?', line.start, Math.min(line.end, line.start + QUESTION_MAX));
  if (end < 0) return undefined;
  let at = line.start;
  while (at < end && (classOf(text.charCodeAt(at)) === DIGIT || '.)-*•Q: '.includes(text[at]!))) {
    // `Quit` is a word, `Q: ` is none.
    if (text[at] === 'Q' && isLetter(text.charCodeAt(at + 1))) break;
    at++;
  }
  let stop = at;
  while (stop < end && !isSpace(text.charCodeAt(stop))) stop++;
  if (!ASKS.has(text.slice(at, stop).toLowerCase())) return undefined;
  const title = text.slice(at, end);
  if (/[.;:]/.test(title)) return undefined;
  const words = normalizeTitle(title).split(' ');
  const row = rows.find((each) => each.words.every((word) => words.includes(word)));
  if (!row) return undefined;
  return {
    start: line.start,
    bodyStart: end + 1,
    title,
    kind: row.kind,
    sub: false,
    form: Form.Plain,
    depth: 0,
  };
}
