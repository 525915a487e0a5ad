import type { Section } from '../model.js';
import { Form, type Header, headerOf } from './header.js';
import { headersInside } from './header-inside.js';
import { headerOfLine } from './header-line.js';
import { hasPages, isPageLine } from './header-marks.js';
import type { Line } from './lines.js';
import { belongsTo, isBlank } from './nesting.js';
import { spokenTitles } from './spoken.js';

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
    const spoken = spokenTitles(text, lines).map(({ row, titleStart, titleEnd, start, bodyStart }) =>
      headerOf(text, { start, from: titleStart, to: titleEnd, bodyStart }, row, Form.Plain),
    );
    if (spoken.length > 0) {
      const starts = new Set(headers.map((header) => header.start));
      headers = [...headers, ...spoken.filter((header) => !starts.has(header.start))].sort(
        (a, b) => a.start - b.start,
      );
    }
  }
  return headers;
}
