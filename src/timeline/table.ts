import { dayOf, type TimelineEvent, type When } from './event.js';

const MIN_TITLE = 24;
const WHEN_WIDTH = 16;
const KIND_WIDTH = 14;

/**
 * The events as lines for a terminal of `columns` characters: when, kind, what, and for derived ones the words of the
 * note. A new year is set off.
 */
export function timelineTable(events: readonly TimelineEvent[], columns: number): string {
  if (events.length === 0) return 'No events.';
  const lines: string[] = [`${'WHEN'.padEnd(WHEN_WIDTH)}  ${'KIND'.padEnd(KIND_WIDTH)}  WHAT`];
  let year = '';
  for (const event of events) {
    const its = event.when ? dayOf(event).slice(0, 4) : 'undated';
    if (its !== year) {
      lines.push(its === 'undated' ? '── no date known ──' : `── ${its} ──`);
      year = its;
    }
    const room = Math.max(MIN_TITLE, columns - WHEN_WIDTH - KIND_WIDTH - 4);
    lines.push(
      `${whenText(event.when).padEnd(WHEN_WIDTH)}  ${cut(event.kind, KIND_WIDTH).padEnd(KIND_WIDTH)}  ${cut(`${event.title}${sourceText(event)}`, room)}`,
    );
  }
  return lines.join('\n');
}

/** The date as written, to the minute; of a period its beginning, with an arrow where it lasts longer than a day. */
export function whenText(when: When | undefined): string {
  if (!when) return 'date unknown';
  if ('dateTime' in when) return minute(when.dateTime);
  const { start, end } = when.period;
  if (start === undefined) return `until ${(end ?? '').slice(0, 10)}`;
  return end !== undefined && end.slice(0, 10) !== start.slice(0, 10)
    ? `${start.slice(0, 10)} \u2192`
    : minute(start);
}

function minute(text: string): string {
  return text.slice(0, 16).replace('T', ' ');
}

/** How a derived fact is known: the words of its note, and how many notes tell it. */
export function sourceText(event: TimelineEvent): string {
  const documents = new Set(event.words.map((w) => w.document));
  const first = event.words[0];
  if (!first) return event.derived ? '  [from a note]' : '';
  const more = documents.size > 1 ? `, ${documents.size} notes` : '';
  return `  ["${oneLine(first.text)}"${more}]`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** Control characters of a record must not reach the terminal as commands. */
function cut(text: string, width: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  const clean = oneLine(text).replace(/[\u0000-\u001f\u007f-\u009f]/g, '');
  const units = [...clean];
  return units.length <= width ? clean : `${units.slice(0, width - 1).join('')}\u2026`;
}
