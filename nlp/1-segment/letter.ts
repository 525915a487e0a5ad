import type { SectionKind } from '../model.js';
import { Form, type Header } from './header.js';
import type { Line } from './lines.js';

/** Sections that are lists, which a paragraph of prose after room ends. */
const LISTS = new Set<SectionKind>([
  'medications',
  'discharge-medications',
  'allergies',
  'diagnoses',
  'problem-list',
  'immunizations',
]);

const PROSE_MIN = 50;
const PROSE =
  /^(?:I |We |He |She |They |It was |Thank you |Many thanks |This (?:gentleman|lady|man|woman|patient|pleasant|\d+)|(?:Mr|Mrs|Ms|Miss)\.? [A-Z])/;

const CLOSING_MAX = 40;
const CLOSING =
  /^(?:yours (?:sincerely|faithfully|truly)|(?:with )?(?:kind|best|warm)(?:est)? (?:regards|wishes)|(?:respectfully|sincerely)(?: yours)?)[,.]?$/i;

/** `Yours sincerely`, `Kind regards` */
export function isClosing(words: string): boolean {
  return words.length <= CLOSING_MAX && CLOSING.test(words);
}

/** What a letter says above its story in a line or two. */
const ASKED = new Set<SectionKind>(['plan', 'instructions', 'follow-up']);
const STORY = /^(?:I (?:saw|reviewed|met|spoke|had)|Thank you|Many thanks|This |(?:Mr|Mrs|Ms|Miss)\.? [A-Z])/;

/**
 * Where a letter goes on without a title: its prose after the lists at its head (kind `none`), and what stands below
 * its closing words (kind `other`). Undefined elsewhere.
 */
export function letterPart(
  text: string,
  line: Line,
  before: Line | undefined,
  open: Header | undefined,
): Header | undefined {
  if (!open) return undefined;
  const length = line.end - line.start;
  if (length <= CLOSING_MAX && 'yYwWkKbBrRsS'.includes(text[line.start]!)) {
    return isClosing(text.slice(line.start, line.end)) ? part(text, line, 'other') : undefined;
  }
  if (length < PROSE_MIN || !before || before.start < before.end) return undefined;
  const asked = ASKED.has(open.kind);
  if (!asked && !LISTS.has(open.kind)) return undefined;
  // Where the words stand in the header's own line, the section is prose already.
  if (text.slice(open.bodyStart, line.start).trimEnd() === '') return undefined;
  const words = text.slice(line.start, line.start + PROSE_MIN);
  return (asked ? STORY : PROSE).test(words) ? part(text, line, 'none') : undefined;
}

function part(text: string, line: Line, kind: 'none' | 'other'): Header {
  const closing = kind === 'other';
  return {
    start: line.start,
    bodyStart: closing ? line.end : line.start,
    title: closing ? text.slice(line.start, line.end) : '',
    kind,
    sub: false,
    form: Form.Plain,
    depth: 0,
  };
}
