import type { DateOrder } from './date-order.js';
import { NUMBER, numberOf, rangeOf } from './numbers.js';

/** A date in the text, with the ISO date at the precision of its words where it can be told. */
export interface FoundDate {
  readonly start: number;
  readonly end: number;
  readonly normalized?: string;
  /** May be another number: only what is done on a day or begins in a year may claim it, and only from beside it. */
  readonly doubtful?: boolean;
}

const MONTH =
  '(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\\.?';
const YEAR = '(?:19|20)\\d\\d';
const DAY = '(?:0?[1-9]|[12]\\d|3[01])';
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** What a region must hold at all before the pattern is tried: most sentences have none of it. */
const HINTS = {
  year: /(?:19|20)\d\d/,
  slash: /\d[/-]\d/,
  dayFirst: /(?:1[3-9]|2\d|3[01])[/.]\d/,
  month: /jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec/i,
  ago: /ago|earlier|back|prev|prior|before/i,
  yester: /yester/i,
  today: /today|this|tonight|tomorrow/i,
  last: /last|past/i,
  day: /day/i,
  post: /pod|post/i,
} as const;

const PATTERNS: readonly [
  hint: RegExp,
  RegExp,
  (match: RegExpExecArray, today: Today | undefined, order: DateOrder) => string | undefined,
  doubtful?: true,
][] = [
  [
    HINTS.year,
    new RegExp(
      `(?<![\\d/-])(${YEAR})[-/](0?[1-9]|1[0-2])[-/](${DAY})(?:[T ]\\d\\d:\\d\\d(?::\\d\\d)?)?(?![\\d/])`,
      'gi',
    ),
    (m) => iso(m[1]!, m[2]!, m[3]!),
  ],
  [
    HINTS.slash,
    new RegExp(`(?<![\\d/.-])(0?[1-9]|1[0-2])([/-])(${DAY})\\2(${YEAR}|\\d\\d)(?![\\d/-])`, 'gi'),
    (m, _today, order) => inOrder(m, order),
  ],
  [
    HINTS.dayFirst,
    new RegExp(`(?<![\\d/.-])(1[3-9]|2\\d|3[01])([/.-])(0?[1-9]|1[0-2])\\2(${YEAR}|\\d\\d)(?![\\d/-])`, 'gi'),
    (m) => iso(fullYear(m[4]!), m[3]!, m[1]!),
  ],
  // "03.02.2020": full stops are written where the day comes first.
  [
    HINTS.year,
    new RegExp(`(?<![\\d/.-])(${DAY})\\.(0?[1-9]|1[0-2])\\.(${YEAR})(?![\\d/-])`, 'g'),
    (m) => iso(m[3]!, m[2]!, m[1]!),
  ],
  [
    HINTS.year,
    new RegExp(`(?<![a-z])(${MONTH})\\s+(${DAY})(?:st|nd|rd|th)?\\s*,?\\s*(?:of\\s)?(${YEAR})(?!\\d)`, 'gi'),
    (m) => iso(m[3]!, month(m[1]!), m[2]!),
  ],
  [
    HINTS.year,
    new RegExp(
      `(?<![\\d/])(${DAY})(?:st|nd|rd|th)?\\s*(?:of\\s)?[ -]?(${MONTH})[ ,-]*(${YEAR})(?!\\d)`,
      'gi',
    ),
    (m) => iso(m[3]!, month(m[2]!), m[1]!),
  ],
  [
    HINTS.year,
    new RegExp(`(?<![a-z])(${MONTH})\\s*,?\\s*(?:of\\s)?(${YEAR})(?!\\d)`, 'gi'),
    (m) => `${m[2]}-${month(m[1]!)}`,
  ],
  [
    HINTS.year,
    new RegExp(`(?<![\\d/.])(0?[1-9]|1[0-2])[/-](${YEAR})(?![\\d/-])`, 'gi'),
    (m) => `${m[2]}-${m[1]!.padStart(2, '0')}`,
  ],
  [
    HINTS.year,
    new RegExp(
      `(?:\\b(?:early|late|mid|spring|summer|fall|autumn|winter)[- ](?:of\\s)?|(?<=\\b(?:in|since|from|until|till|before|after|during|year|circa|around|about|dated|of|on|diagnosed|dx|by|year|performed|done|placed|repair|surgery|stopped|started|discontinued|completed|quit|\\()\\s?['’]?(?:the year\\s)?))(${YEAR})(?![\\d/-]|\\s?(?:mg|ml|mcg|units|calories|kcal|kg|cc|g)\\b)`,
      'gi',
    ),
    (m) => m[1]!,
  ],
  // "Colonoscopy 2022: two adenomas"
  [HINTS.year, new RegExp(`(?<=[a-z] )(${YEAR})(?=\\s?[:)])`, 'g'), (m) => m[1]!],
  [
    HINTS.year,
    new RegExp(`(?<=[(,;]\\s?|\\s[x×]\\s?\\d\\s?,?\\s?)(${YEAR})(?=\\s?[),;.]|\\s*$)`, 'gm'),
    (m) => m[1]!,
  ],
  // "Vancomycin (stopped 3/8)"
  [
    HINTS.slash,
    new RegExp(
      `(?<=\\b(?:stopped|started|held|resumed|completed|finished|ended|begun|began|discontinued|d/c'd|dc'd|given|drawn|collected|taken|last dose|last given|as of|starting|through|thru|until|till|by)\\s)(0?[1-9]|1[0-2])/(${DAY})(?![\\d/])`,
      'gi',
    ),
    (m, today, order) => dayInOrder(m[1]!, m[2]!, today, order),
  ],
  // "TEE 3/4:", "PICC placed 3/6"
  [
    HINTS.slash,
    new RegExp(`(?<=[a-z)] )(0?[1-9]|1[0-2])/(${DAY})(?![\\d/]|\\s?(?:ago|tabs?|caps?|mg)\\b)`, 'gi'),
    (m, today, order) => dayInOrder(m[1]!, m[2]!, today, order),
    true,
  ],
  // "Ferinject 1 g on 3 March", "the 19th of February": May is a verb as well.
  [
    HINTS.month,
    new RegExp(
      `(?<![\\d/.-])(${DAY})(?:st|nd|rd|th)?\\s(?:of\\s)?(?!may\\b|mar\\b|march(?:ed|ing)\\b)(${MONTH}|march)(?![a-z])(?!\\s?,?\\s?(?:'?\\d\\d))`,
      'gi',
    ),
    (m, today) => dayOfMonth(month(m[2]!), m[1]!, today),
  ],
  [
    HINTS.month,
    new RegExp(
      `(?<=\\b(?:on|since|until|from|dated|by|of)\\s(?:the\\s)?)(${DAY})(?:st|nd|rd|th)?\\s(?:of\\s)?(may|mar)(?![a-z])(?!\\s?,?\\s?(?:'?\\d\\d))`,
      'gi',
    ),
    (m, today) => dayOfMonth(month(m[2]!), m[1]!, today),
  ],
  // "Right hemicolectomy 2020.", "LTCS x1 2022"
  [
    HINTS.year,
    new RegExp(
      `(?<=[a-z)] |[a-z)]\\t+|[x×]\\d )['’]?(${YEAR})(?![\\d/-]|\\.\\d|\\s?(?:mg|ml|mcg|units?|iu|calories|kcal|kg|cc|g|steps|hours|am|pm)\\b)`,
      'gi',
    ),
    (m) => m[1]!,
    true,
  ],
  [
    HINTS.month,
    new RegExp(
      `(?:the\\s)?(?:last|past|this(?! may\\b)|this past|in|since|in early|in late|in mid|early|late|mid)[- ](${MONTH})(?![a-z])(?!\\s*\\d)`,
      'gi',
    ),
    (m, today) => relativeMonth(m[1]!, today, /^(?:the\s)?last\b/i.test(m[0])),
  ],
  [
    HINTS.month,
    new RegExp(
      `(?<=\\b(?:on|dated|since|until|from|by|starting|through|of|placed|performed|done|given|started|stopped)\\s)(${MONTH})\\s+(${DAY})(?:st|nd|rd|th)?(?![\\d,]*\\s?\\d{4})(?!\\d)`,
      'gi',
    ),
    (m, today) => dayOfMonth(month(m[1]!), m[2]!, today),
  ],
  [
    HINTS.slash,
    new RegExp(`(?<=\\bon\\s|\\bdated\\s|\\bsince\\s)(0?[1-9]|1[0-2])/(${DAY})(?![\\d/])`, 'gi'),
    (m, today, order) => dayInOrder(m[1]!, m[2]!, today, order),
  ],
  [
    HINTS.ago,
    new RegExp(
      `(?:(?:about|approximately|approx\\.?|some|nearly|almost|over|more than|roughly|around|~)\\s?)?(${NUMBER}(?:\\s?(?:-|to|or)\\s?${NUMBER})?|an?|several|a few|a couple of)\\s?-?\\s?(days?|weeks?|wks?|months?|mos?|years?|yrs?|hours?|hrs?)\\s(?:ago|earlier|back|previously|prior to (?:admission|presentation|this visit|arrival)|before (?:admission|presentation)|prior(?!\\sto))`,
      'gi',
    ),
    ago,
  ],
  // British: "6/52 ago" is six weeks.
  [
    HINTS.ago,
    /(?<![\d/])(\d{1,2})\/(7|52|12)\s(?:ago|back)/g,
    (m, today) => passed(Number(m[1]), m[2] === '7' ? 'd' : m[2] === '52' ? 'w' : 'm', today),
  ],
  [HINTS.yester, /\b(?:the\s)?day before yesterday\b/gi, (_m, today) => shift(today, -2)],
  [HINTS.yester, /\byesterday\b/gi, (_m, today) => shift(today, -1)],
  [
    HINTS.today,
    /\b(?:today|this (?:morning|afternoon|evening)|tonight|earlier today)\b/gi,
    (_m, today) => shift(today, 0),
  ],
  [HINTS.last, /\b(?:last night)\b/gi, (_m, today) => shift(today, -1)],
  [HINTS.today, /\btomorrow\b/gi, (_m, today) => shift(today, 1)],
  [HINTS.last, /\b(?:last|this past|the past) (week|month|year)\b/gi, (m, today) => last(m[1]!, today)],
  [
    HINTS.day,
    /\b(?:last|this past|on|since) (sun|mon|tues?|wednes|thurs?|fri|satur)day\b/gi,
    (m, today) => weekday(m[1]!, today),
  ],
  [
    HINTS.post,
    /\b(?:post[- ]?op(?:erative)?[- ]day|pod)\s?#?\s?(\d{1,3}|one|two|three|four|five|six|seven)\b/gi,
    (m, today) => shift(today, -numberOf(m[1]!)),
  ],
];

interface Today {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/**
 * Dates in `text[start, end)`, in order, not overlapping. `date` is the document's, for words such as "last March";
 * `order` is how it writes days and months.
 */
export function findDates(
  text: string,
  start: number,
  end: number,
  date: string | undefined,
  order: DateOrder = 'month-first',
): FoundDate[] {
  const region = text.slice(start, end);
  if (!/\d|ago|yester|today|tonight|tomorrow|last|this|past|since|earlier|prior|pod/i.test(region)) return [];
  const today = todayOf(date);
  const found: FoundDate[] = [];
  const tested = new Map<RegExp, boolean>();
  const has = (hint: RegExp): boolean => {
    let result = tested.get(hint);
    if (result === undefined) {
      result = hint.test(region);
      tested.set(hint, result);
    }
    return result;
  };
  for (const [hint, pattern, normalize, doubtful] of PATTERNS) {
    if (!has(hint)) continue;
    pattern.lastIndex = 0;
    for (;;) {
      const match = pattern.exec(region);
      if (!match) break;
      if (match[0] === '') {
        pattern.lastIndex++;
        continue;
      }
      const from = start + match.index;
      // "Last March." ends its sentence, "Mar. 2024" does not.
      const to = from + match[0].replace(/(?<=[a-z]{4})\.$/i, '').length;
      if (found.some((other) => from < other.end && to > other.start)) continue;
      const normalized = normalize(match, today, order);
      found.push({
        start: from,
        end: to,
        ...(normalized === undefined ? {} : { normalized }),
        ...(doubtful && { doubtful }),
      });
    }
  }
  return found.sort((a, b) => a.start - b.start);
}

export function todayOf(date: string | undefined): Today | undefined {
  const match = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?/.exec(date ?? '');
  if (!match?.[2] || !match[3]) return undefined;
  return { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) };
}

function month(word: string): string {
  return String(MONTHS.indexOf(word.slice(0, 3).toLowerCase()) + 1).padStart(2, '0');
}

function fullYear(text: string): string {
  if (text.length === 4) return text;
  const value = Number(text);
  return String(value > 50 ? 1900 + value : 2000 + value);
}

function iso(year: string, monthText: string, day: string): string | undefined {
  const result = `${year}-${monthText.padStart(2, '0')}-${day.padStart(2, '0')}`;
  const date = new Date(`${result}T00:00:00Z`);
  return Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== result ? undefined : result;
}

/** Month, mark, day and year, or day first where the document writes so; the year alone where it cannot be told. */
function inOrder(match: RegExpExecArray, order: DateOrder): string | undefined {
  const [, first = '', , second = '', year = ''] = match;
  if (Number(second) > 12 || order === 'month-first') return iso(fullYear(year), first, second);
  if (order === 'day-first' || first.padStart(2, '0') === second.padStart(2, '0'))
    return iso(fullYear(year), second, first);
  return fullYear(year);
}

/** "3/4" without a year. Where days come first, "3/7", "6/52" and "3/12" are lengths of time. */
function dayInOrder(
  first: string,
  second: string,
  today: Today | undefined,
  order: DateOrder,
): string | undefined {
  if (Number(second) > 12 || order === 'month-first')
    return dayOfMonth(first.padStart(2, '0'), second, today);
  if (order === 'unclear' || second === '7' || second === '12') return undefined;
  return dayOfMonth(second.padStart(2, '0'), first, today);
}

function shift(today: Today | undefined, days: number): string | undefined {
  if (!today || !Number.isFinite(days)) return undefined;
  return new Date(Date.UTC(today.year, today.month - 1, today.day + days)).toISOString().slice(0, 10);
}

/** The most recent such month, the document's own included unless it is "last March". */
function relativeMonth(word: string, today: Today | undefined, before = false): string | undefined {
  if (!today) return undefined;
  const number = Number(month(word));
  const year = number < today.month || (number === today.month && !before) ? today.year : today.year - 1;
  return `${year}-${String(number).padStart(2, '0')}`;
}

/** The last such day not after the document's. */
export function dayOfMonth(monthText: string, day: string, today: Today | undefined): string | undefined {
  if (!today) return undefined;
  const number = Number(monthText);
  const later = number > today.month || (number === today.month && Number(day) > today.day);
  return iso(String(later ? today.year - 1 : today.year), monthText, day);
}

/** Days and weeks give a day, months a month, years a year: no more than the words say. */
function ago(match: RegExpExecArray, today: Today | undefined): string | undefined {
  if (!today) return undefined;
  const words = match[1]!.toLowerCase();
  const amount =
    words === 'a' || words === 'an'
      ? 1
      : words.startsWith('a ') || words === 'several'
        ? Number.NaN
        : rangeOf(words)?.low;
  if (amount === undefined || !Number.isFinite(amount) || rangeOf(words)?.high !== rangeOf(words)?.low)
    return undefined;
  return passed(amount, match[2]!.toLowerCase(), today);
}

/** @param unit a word for it, or its first letter */
function passed(amount: number, unit: string, today: Today | undefined): string | undefined {
  if (!today) return undefined;
  if (unit.startsWith('h')) return amount < 24 ? undefined : shift(today, -Math.round(amount / 24));
  if (unit.startsWith('d')) return shift(today, -Math.round(amount));
  if (unit.startsWith('w')) return shift(today, -Math.round(amount * 7));
  if (unit.startsWith('m')) {
    const index = today.year * 12 + (today.month - 1) - Math.round(amount);
    return `${Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, '0')}`;
  }
  return String(today.year - Math.round(amount));
}

function last(unit: string, today: Today | undefined): string | undefined {
  if (!today) return undefined;
  if (unit.toLowerCase() === 'year') return String(today.year - 1);
  if (unit.toLowerCase() === 'month') {
    const index = today.year * 12 + today.month - 2;
    return `${Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, '0')}`;
  }
  return undefined;
}

function weekday(word: string, today: Today | undefined): string | undefined {
  if (!today) return undefined;
  const wanted = WEEKDAYS.indexOf(word.slice(0, 3).toLowerCase());
  const now = new Date(Date.UTC(today.year, today.month - 1, today.day)).getUTCDay();
  return shift(today, -(((now - wanted + 6) % 7) + 1));
}
