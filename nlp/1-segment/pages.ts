import type { Span } from '../model.js';
import type { Line } from './lines.js';

/** A line that only the page has: `Page 2 of 5`, with or without whose it is. */
function isPageLine(text: string, line: Span): boolean {
  if (line.end - line.start > PAGE_LINE_MAX) return false;
  return PAGE.test(text.slice(line.start, line.end));
}

const PAGE_LINE_MAX = 120;
const PAGE =
  /^(?:[-–—|*\s]*page\s*:?\s*\d{1,3}(?:\s*(?:of|\/)\s*\d{1,3})?[-–—|*\s]*$|.{0,100}\b(?:page|pg)\.?\s*:?\s*\d{1,3}\s*(?:of|\/)\s*\d{1,3}\s*[-–—|*]*$|page\s*:?\s*\d{1,3}\s*(?:of|\/)\s*\d{1,3}\b)/i;

/** Whether a note says anywhere that it has pages, so that its lines need not all be asked. */
function hasPages(text: string): boolean {
  return text.includes('Page ') || text.includes('PAGE ') || text.includes('Pg ');
}

const REACH = 4;
const LENGTH_MIN = 8;

/**
 * Lines that only the pages have: `Page 2 of 5`, and what is printed again near it on every page (whose note it is, the
 * clinic, when it was printed). They open no section. Undefined for a note without pages.
 */
export function pageLines(text: string, lines: readonly Line[]): ReadonlySet<Line> | undefined {
  if (!hasPages(text)) return undefined;
  const found = new Set<Line>();
  const printed = new Set<string>();
  lines.forEach((line, i) => {
    if (line.start === line.end || !isPageLine(text, line)) return;
    found.add(line);
    for (let near = Math.max(0, i - REACH); near <= Math.min(lines.length - 1, i + REACH); near++) {
      if (near !== i && mayBePrinted(lines[near]!)) printed.add(wordsOf(text, lines[near]!));
    }
  });
  // The first time it may open the note; from then on it is the page's.
  const seen = new Set<string>();
  for (const line of lines) {
    if (!mayBePrinted(line)) continue;
    const words = wordsOf(text, line);
    if (seen.has(words)) found.add(line);
    else if (printed.has(words)) seen.add(words);
  }
  return found;
}

function mayBePrinted(line: Line): boolean {
  const length = line.end - line.start;
  return length >= LENGTH_MIN && length <= PAGE_LINE_MAX;
}

function wordsOf(text: string, line: Line): string {
  return text.slice(line.start, line.end).replace(/\d+/g, '#').replace(/\s+/g, ' ');
}
