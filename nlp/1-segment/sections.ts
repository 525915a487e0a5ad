import type { Section, SectionKind } from '../model.js';
import { columnsAt } from './columns.js';
import { Form, type Header, headerOf } from './header.js';
import { headersInside } from './header-inside.js';
import { headerOfLine } from './header-line.js';
import { styleOf } from './header-style.js';
import { isClosing, letterPart } from './letter.js';
import type { Line } from './lines.js';
import { belongsTo, isBlank } from './nesting.js';
import { pageLines } from './pages.js';
import { questionHeaders } from './questions.js';
import { semicolonTitles, spokenTitles } from './spoken.js';

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
  const style = styleOf(text, lines);
  const paged = pageLines(text, lines);
  const asked = questionHeaders(text, lines);
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.start === line.end || (open && line.start < open.bodyStart)) continue;
    if (paged?.has(line)) continue;
    const columns = text.charCodeAt(line.start) === 124 ? undefined : columnsAt(text, lines, i);
    if (columns) {
      headers.push(...columns.headers);
      open = columns.headers.at(-1);
      i = columns.next - 1;
      continue;
    }
    const question = asked?.get(line.start);
    if (question) {
      add(question);
      continue;
    }
    const letter = letterPart(text, line, lines[i - 1], open);
    if (letter) {
      add(letter);
      continue;
    }
    const header = headerOfLine(text, line, { before: lines[i - 1], after: lines[i + 1], open, style });
    if (header) add(header);
    for (const inner of headersInside(text, header ? header.bodyStart : line.start, line.end)) add(inner);
  }
  const jotted = lines.length <= JOTTED_LINES_MAX ? semicolonTitles(text) : [];
  if (
    jotted.length > 0 ||
    headers.length < 2 ||
    headers.some(({ bare }) => bare) ||
    headers.every(({ title }) => title.length === 1)
  ) {
    const starts = new Set(jotted.map(({ start }) => start));
    const titles = [...jotted, ...spokenTitles(text, lines).filter(({ start }) => !starts.has(start))];
    const spoken = titles.map(({ row, titleStart, titleEnd, start, bodyStart }) =>
      headerOf(text, { start, from: titleStart, to: titleEnd, bodyStart }, row, Form.Plain),
    );
    if (spoken.length > 0) {
      const starts = new Set(headers.map((header) => header.start));
      headers = [...headers, ...spoken.filter((header) => !starts.has(header.start))].sort(
        (a, b) => a.start - b.start,
      );
    }
  }
  return inTheirPlace(text, headers);
}

/** What is jotted down in one breath has few lines. */
const JOTTED_LINES_MAX = 6;
const COPY_TO = /^cc$/i;
const CLOSES = new Set<SectionKind>(['plan', 'assessment-and-plan', 'follow-up', 'disposition']);
const EXAM = /^exam(?:ination)?s?$/i;
const MODALITY =
  /\b(?:CT|CTA|MRI?|MRA|PET|XR|US|x-?ray|ultrasound|sonogram|radiographs?|mammogra\w+|tomography|echo\w*|fluoroscop\w+|DEXA|DXA|scan)\b/i;
const HEAD = 80;
const CARE = /\b(?:care|dressing|hygiene)$/i;
const CARE_REACH = 240;
const CARED =
  /\b(?:cleansed|cleaned|irrigated|applied|removed|changed|packed|debrided|redressed|dressed|flushed|tolerated|performed|provided|completed|done|given)\b/i;
const TO_DO = /\b(?:should|must|may|can|to be|will be|until|if|when|your|keep|do not|once)\b/i;

/** Titles whose sense hangs on where they stand: `cc:` below a plan, `EXAM:` above the findings of a radiologist. */
function inTheirPlace(text: string, headers: readonly Header[]): Header[] {
  const reads = headers.some(({ kind }) => kind === 'findings' || kind === 'impression');
  return headers.map((header, i) => {
    if (
      i > 1 &&
      COPY_TO.test(header.title) &&
      headers.slice(0, i).some(({ kind, title }) => CLOSES.has(kind) || isClosing(title))
    )
      return { ...header, kind: 'other' };
    // `Wound care: cleansed, foam applied` tells what was done.
    if (header.kind === 'instructions' && CARE.test(header.title)) {
      const end = Math.min(headers[i + 1]?.start ?? text.length, header.bodyStart + CARE_REACH);
      const words = text.slice(header.bodyStart, end);
      if (CARED.test(words) && !TO_DO.test(words)) return { ...header, kind: 'procedures' };
    }
    if (reads && header.kind === 'physical-exam' && EXAM.test(header.title)) {
      const end = Math.min(headers[i + 1]?.start ?? text.length, header.bodyStart + HEAD);
      if (MODALITY.test(text.slice(header.bodyStart, end))) return { ...header, kind: 'imaging' };
    }
    return header;
  });
}
