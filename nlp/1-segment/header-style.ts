import type { SectionKind, Span } from '../model.js';
import { classOf, DIGIT, isLetter } from './characters.js';
import { partedTitle, readOpening } from './header-marks.js';
import { startsUpper, wordCount } from './lettering.js';
import type { Line } from './lines.js';
import { beginsTitle, exactTitle, titleByKeyword } from './titles.js';

/** How a note sets its headers throughout, so that a weak one among many of its like is believed. */
export interface HeaderStyle {
  /** Titles stand alone on their lines, with neither colon nor capitals. */
  readonly alone: boolean;
  /** Titles stand in a first column, their words in the second: `History    Wheeze for a week`. */
  readonly gaps: boolean;
  /** Titles are phrases or questions of everyday words, alone on their lines: `When to call the doctor`. */
  readonly spoken: boolean;
}

const KINDS_MIN = 3;
const TITLE_REACH = 60;

/** Reads off how the note sets its headers: three kinds set alike are a style. */
export function styleOf(text: string, lines: readonly Line[]): HeaderStyle {
  const alone = new Set<SectionKind>();
  const gaps = new Set<SectionKind>();
  const spoken = new Set<SectionKind>();
  let firm = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    let from = line.start;
    // `4. Medication`
    if (classOf(text.charCodeAt(from)) === DIGIT) from = readOpening(text, line)?.at ?? from;
    if (!isLetter(text.charCodeAt(from)) || !startsUpper(text[from]!)) continue;
    let word = from;
    while (word < line.end && isLetter(text.charCodeAt(word))) word++;
    const following = lines[i + 1];
    if (following && following.start < following.end && isHeading(text, line)) {
      const row = titleByKeyword(text.slice(line.start, line.end));
      if (row && row.kind !== 'other') spoken.add(row.kind);
    }
    if (!beginsTitle(text.slice(from, word).toLowerCase())) continue;
    if (line.end - line.start <= TITLE_REACH && isLetter(text.charCodeAt(line.end - 1))) {
      const title = text.slice(from, line.end);
      const row = exactTitle(title);
      if (row && !row.sub && row.kind !== 'other') {
        alone.add(row.kind);
        // `DHx`, `O/E`: more than one capital, like more than one word, is no word of a list.
        if (wordCount(title) > 1 || /[A-Z].*[A-Z]/.test(title)) firm++;
        continue;
      }
    }
    const parted = partedTitle(text, from, line, true);
    if (!parted || parted.bodyStart >= line.end || parted.bodyStart - parted.titleEnd < 2) continue;
    const row = exactTitle(text.slice(from, parted.titleEnd));
    if (row && !row.sub && row.kind !== 'other') gaps.add(row.kind);
  }
  return {
    alone: alone.size >= KINDS_MIN && firm >= 2,
    gaps: gaps.size >= KINDS_MIN,
    spoken: spoken.size >= KINDS_MIN,
  };
}

const HEADING_WORDS = 8;

/** A short line of two to eight words, without a number or a mark at its end. */
export function isHeading(text: string, line: Span): boolean {
  const length = line.end - line.start;
  if (length < 6 || length > TITLE_REACH) return false;
  const last = text[line.end - 1]!;
  if (!isLetter(text.charCodeAt(line.end - 1)) && last !== '?') return false;
  const title = text.slice(line.start, line.end);
  const words = wordCount(title);
  return words > 1 && words <= HEADING_WORDS && !/[\d.,;:\t]| {2}/.test(title);
}
