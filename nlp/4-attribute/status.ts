import type { Attribute } from '../model.js';
import { readRules } from '../rules/load.js';
import { alternatives } from './quantity.js';

/** One row of `rules/attributes-status.json`: what is done with a medication, and the words that say so. */
export interface StatusRow {
  readonly status: 'start' | 'stop' | 'increase' | 'decrease' | 'continue' | 'hold' | 'change';
  /** Words before the drug: "start metformin". */
  readonly before: readonly string[];
  /** Words after the drug: "metformin was stopped". */
  readonly after: readonly string[];
  readonly example: string;
}

const rows = readRules<StatusRow[]>('attributes-status.json');
const statusBefore = new Map<string, StatusRow['status']>();
const statusAfter = new Map<string, StatusRow['status']>();
for (const row of rows) {
  for (const word of row.before) statusBefore.set(word, row.status);
  for (const word of row.after) statusAfter.set(word, row.status);
}
const BEFORE = new RegExp(
  `(?<![a-z])(${alternatives([...statusBefore.keys()])})(?![a-z])((?:[\\s:]+(?!(?:and|but)\\b)[^\\s.;:,]+){0,5})[\\s:(]*$`,
  'i',
);
const AFTER = new RegExp(
  `^(?:[\\s(,]+(?!(?:and|but|then)\\b)[^\\s.;:]+){0,6}?[\\s,(]+(?:(?:was|were|is|been|be|has|have|had|will|being|to|then|subsequently|also|now|therefore|gradually|recently|should|currently)\\s+)*(${alternatives([...statusAfter.keys()])})(?![a-z])`,
  'i',
);
const NEAR = 80;

/** "↑ metformin", and marks of reconciled lists behind a row: "- NEW", "(CHANGED: was 20 mg)", "[stopped]". */
const ARROW = /([↑↓⬆⬇])\s*$/u;
const ARROW_STATUS: Readonly<Record<string, StatusRow['status']>> = {
  '↑': 'increase',
  '⬆': 'increase',
  '↓': 'decrease',
  '⬇': 'decrease',
};
const MARK =
  /(?:[([*]|\s[-–—|]|\t|[ ]{3}|\d\s?(?:mg|mcg|g|units?)(?=\s(?:continue|stop|hold|withhold)\s*(?:[,.;\n]|$)))\s*(new|start(?:ed)?|changed?|increased?|decreased?|reduced?|stop(?:ped)?|discontinued?|not taking|no longer taking|down from|up from|held|on hold|hold|continued?|unchanged|no change|resumed?)(?![a-z])(?=\s*(?:[()\]*:;,.\n|]|[-–—]|$|(?:medication|dose|drug|to|from|until)\b)|(?<=from)\s\d)/i;
const MARK_STATUS: readonly (readonly [RegExp, StatusRow['status']])[] = [
  [/^(?:new|start|resume)/, 'start'],
  [/^(?:stop|discontinue|not taking|no longer)/, 'stop'],
  [/^up from/, 'increase'],
  [/^down from/, 'decrease'],
  [/^(?:held|hold|on hold)/, 'hold'],
  [/^(?:continue|unchanged|no change)/, 'continue'],
  [/^increase/, 'increase'],
  [/^(?:decrease|reduce)/, 'decrease'],
  [/^change/, 'change'],
];
const MARK_REACH = 120;
const MARK_SIGN = /[([*|\t–—]|[ ]{3}|\s-|\d\s?(?:m?c?g|units?)\s(?:cont|stop|hold|with)/;

function markAfter(text: string, end: number, to: number): Attribute | undefined {
  const row = text.slice(end, Math.min(to, end + MARK_REACH)).split('\n', 1)[0]!;
  const mark = MARK_SIGN.test(row) ? MARK.exec(row) : null;
  if (!mark) return undefined;
  const start = end + mark.index + mark[0].length - mark[1]!.length;
  return make(
    text,
    start,
    start + mark[1]!.length,
    MARK_STATUS.find(([words]) => words.test(plain(mark[1]!)))?.[1],
  );
}

/** What the words say is done with the drug at [start, end), between its neighbours; undefined where nothing. */
export function statusOf(
  text: string,
  from: number,
  start: number,
  end: number,
  to: number,
): Attribute | undefined {
  const left = Math.max(from, start - NEAR);
  const before = BEFORE.exec(text.slice(left, start));
  if (before && !/\n/.test(before[2] ?? '')) {
    return make(
      text,
      left + before.index,
      left + before.index + before[1]!.length,
      statusBefore.get(plain(before[1]!)),
    );
  }
  const arrow = ARROW.exec(text.slice(left, start));
  if (arrow) {
    const at = left + arrow.index;
    return make(text, at, at + arrow[1]!.length, ARROW_STATUS[arrow[1]!]);
  }
  const after = AFTER.exec(text.slice(end, Math.min(to, end + NEAR)));
  if (after && !/\n/.test(after[0])) {
    const at = end + after[0].length - after[1]!.length;
    return make(text, at, at + after[1]!.length, statusAfter.get(plain(after[1]!)));
  }
  return markAfter(text, end, to);
}

function make(text: string, start: number, end: number, status: string | undefined): Attribute | undefined {
  return status === undefined
    ? undefined
    : { type: 'status', start, end, text: text.slice(start, end), normalized: status };
}

function plain(words: string): string {
  return words.toLowerCase().replace(/\s+/g, ' ');
}
