import { numberOf, rangeOf } from './numbers.js';

/** The part of FHIR Timing.repeat that directions state. */
export interface TimingRepeat {
  frequency?: number;
  frequencyMax?: number;
  period?: number;
  periodMax?: number;
  periodUnit?: string;
  when?: string[];
  dayOfWeek?: string[];
  count?: number;
}

const DAY = '(?:mon|tues?|wed|thurs?|fri|sat|sun)(?:day|nesday|urday)?s?';
const PERIOD = '(?:day|night|week|wk|month|mo|year|hour|hr|morning|evening|24 ?h(?:ours|rs?)?)';
// Small numbers only: the full NUMBER in every alternative makes an expression that takes seconds to compile.
const N = '(?:\\d+(?:\\.\\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|twelve)';
const NN = `${N}(?: \\(?${N}\\)?)?(?:\\s?(?:-|–|to|or)\\s?${N})?`;

/** One piece of a frequency, by what it begins with; several may follow each other. */
const PIECES = [
  // "twice a day", "2-3 times/week", "3 (three) times daily", "once-daily", "5 days per week", "four hourly"
  `(?:once|twice|thrice|${NN}\\s?(?:x|times?|days?)?|${N}x)[\\s-]?(?:\\(?${N}\\)?\\s)?(?:times\\s)?(?:(?:a|per|each|every|\\/|in a|-a-)[\\s-]?${PERIOD}s?|daily|weekly|monthly|yearly|annually|nightly|hourly)`,
  // "every 4-6 hours", "every other day", "each morning", "every Monday", "every evening at bedtime"
  `(?:every|each)\\s(?:${NN}\\s?-?\\s?(?:hours?|hrs?|h|days?|weeks?|wks?|months?|mos?|minutes?|mins?|years?)|(?:(?:other|second|third|alternate)\\s)?(?:day|night|week|month|year|morning|evening|afternoon|hour|am|pm|bedtime|${DAY})(?:\\s(?:at|before)\\s(?:bedtime|bed))?)`,
  `alternate\\sdays`,
  // "q4-6h", "q 8 hours", "qAM", "q HS", "q week", "qod", "qid", "qd"
  `q\\.?\\s?(?:${NN}\\s?-?\\s?(?:hours?|hrs?|h|°|days?|d|weeks?|wks?|w|months?|mos?|minutes?|mins?)|a\\.?m\\.?|p\\.?m\\.?|h\\.?\\s?s\\.?|day|daily|week|wk|weekly|month|monthly|night|noc|hour|hr|shift|mwf|morning|evening|bedtime|ac|meals?|other\\sday|${DAY}|i\\.?\\s?d\\.?|o\\.?\\s?d\\.?|d\\.?|h\\.?)(?![a-z])\\.?`,
  `(?:b\\.?\\s?i\\.?\\s?d|t\\.?\\s?i\\.?\\s?d|t\\.?i\\.?w|b\\.?i\\.?w|bds|tds|qds|nocte|mane)(?![a-z])\\.?`,
  `(?:biweekly|bi-weekly|fortnightly|nightly|daily|weekly|monthly|hourly|yearly|annually|quarterly)`,
  `(?:per|a)\\sday`,
  // "at bedtime", "in the morning", "with meals", "before breakfast", "hs", "ac"
  `(?:at|before|in\\sthe|in|with|w\\/|after|prior\\sto)\\s?(?:the\\s|each\\s|every\\s|all\\s)?(?:bedtime|bed\\stime|bed|hs|mornings?|evenings?|afternoon|am|a\\.m\\.|pm|p\\.m\\.|night|noon|lunch(?:time)?|breakfast|dinner(?:time)?|supper(?:time)?|meals?|food)(?:\\sand\\s(?:at\\s)?(?:bedtime|snacks|dinner|supper|lunch|breakfast))?`,
  `ac\\s(?:breakfast|dinner|supper)|(?:hs|h\\.s\\.|ac|pc|a\\.c\\.|p\\.c\\.|qac)(?![a-z])`,
  // "weekly (Mondays)"
  `(?:mon|tues|wednes|thurs|fri|satur|sun)days`,
  // "on Mondays", "Mon/Wed/Fri", "MWF", "on days 1, 8 and 15"
  `on\\s${DAY}(?:(?:\\s?,\\s?(?:and\\s)?|\\s?\\/\\s?|\\s?and\\s?|\\s?-\\s?)${DAY})*|${DAY}(?:(?:\\s?,\\s?(?:and\\s)?|\\s?\\/\\s?|\\s?and\\s?|\\s?-\\s?)${DAY})+|m\\/w\\/f|mwf|t\\/th\\/s|t\\/t\\/s`,
  // "M-F", "Mon-Sat", "days 1-5", "all other days"
  `(?:m|mon|tue|wed|thu|sun)\\s?-\\s?(?:f|fri|sa|sat|su|sun|thu|th)(?![a-z])|days\\s\\d{1,2}\\s?(?:-|–|to)\\s?\\d{1,2}|all\\s(?:the\\s)?other\\sdays`,
  `on\\sdays?\\s\\d+(?:(?:\\s?,\\s?(?:and\\s)?|\\s?and\\s|\\s?-\\s?|\\s?to\\s)\\d+)*`,
  `(?:as\\sa\\s)?(?:single|one[- ]time)(?:\\sdose)?|x\\s?1(?![\\d.]|\\s?(?:d|w|m))|once|stat`,
  `continuous(?:ly)?|intermittent(?:ly)?`,
  // British: "5 mg od", "500 mg bd", "10 mg on" (at night), see `isBritish`.
  `(?:[bo]\\.?d|o\\.?[mn])(?![a-z0-9])\\.?`,
];

const PIECE = new RegExp(`(?<![a-z0-9.])(?:${PIECES.join('|')})(?!(?!x\\s?\\d)[a-z])`, 'g');
const BRITISH = /^(?:b\.?d|o\.?[dmn])\.?$/;
const AFTER_AMOUNT =
  /(?:\d|\d\s?(?:mg|mcg|micrograms?|g|mls?|units?|iu)|tabs?|tablets?|caps?|capsules?|puffs?|sachets?|patch|po|orally|inh|inhaler|sc|im|iv|neb|mr|xl|sr|er|cr|la)[\s,]*$/;
const AMOUNT_MAX_LENGTH = 24;

/** "od" after an amount is once a day, but the right eye beside drops; "on" ends its directions, else it is a word. */
function isBritish(
  text: string,
  piece: string,
  start: number,
  end: number,
  names: readonly number[],
): boolean {
  const before = text.slice(Math.max(0, start - AMOUNT_MAX_LENGTH), start);
  const named = names.some((name) => name < start && /^\s{1,2}$/.test(text.slice(name, start)));
  if (!named && !AFTER_AMOUNT.test(before)) return false;
  if (piece[0] === 'b') return true;
  if (/\b(?:gtts?|drops?|eyes?)\b/.test(before)) return false;
  return piece[piece[1] === '.' ? 2 : 1] === 'd' || /^\s*(?:$|[.,;)\n]|prn|for|x\b)/.test(text.slice(end));
}

const JOINT = /^\s?[,(]?\s?(?:and\s)?$/;
const MAX_PIECES = 4;

/**
 * Frequencies in a lower-case text, as half-open ranges; pieces that follow each other are one.
 * @param names where names of drugs end: "Cosopt bd" needs no amount between
 */
export function findFrequencies(
  text: string,
  names: readonly number[] = [],
): { start: number; end: number }[] {
  const found: { start: number; end: number; pieces: number }[] = [];
  PIECE.lastIndex = 0;
  for (let match = PIECE.exec(text); match; match = PIECE.exec(text)) {
    const end = match.index + match[0].length;
    if (BRITISH.test(match[0]) && !isBritish(text, match[0], match.index, end, names)) continue;
    const last = found.at(-1);
    if (last && last.pieces < MAX_PIECES && JOINT.test(text.slice(last.end, match.index))) {
      last.end = end;
      last.pieces++;
    } else found.push({ start: match.index, end, pieces: 1 });
  }
  return found;
}

const UNIT: Readonly<Record<string, string>> = { h: 'h', d: 'd', w: 'wk', m: 'mo', y: 'a' };

function periodUnit(word: string): string {
  const lower = word.toLowerCase();
  if (lower.startsWith('min')) return 'min';
  if (lower.startsWith('24')) return 'd';
  if (lower === 'night' || lower === 'morning' || lower === 'evening') return 'd';
  return UNIT[lower[0]!] ?? 'd';
}

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const WEEKDAY_WORDS = ['mon', 'tues?', 'wed', 'thurs?', 'fri', 'sat', 'sun'].map(
  (day) => new RegExp(`\\b${day}(?:day|nesday|urday)?s?\\b`),
);

/** "Mon-Fri", "M-Sa": the days between are meant too. */
const DAY_RANGE =
  /(?<![a-z-])(m|mon|tue|wed|thu)(?:day|sday|nesday|rsday)?s? ?(?:-|–|to|through) ?(f|fri|sa|sat|su|sun|th|thu)(?:day|urday)?s?\b(?!-)/;

const EVERY = new RegExp(
  `\\b(?:every|q) ?(${NN})(?: \\(?${N}\\)?)? ?-? ?(hours?|hrs?|h|°|days?|d|weeks?|wks?|w|months?|mos?|minutes?|mins?|years?)(?![a-z])`,
);
const TIMES = new RegExp(
  `\\b(once|twice|thrice|${NN})(?:[ -]?(?:x|times?|days?))?[ -]?(?:\\(?${N}\\)? ?(?:times )?)?(?:(?:a|per|each|every|in a|/)?[ /-]*(day|night|week|wk|month|mo|year|hour|hr|24 ?h)s?(?![a-z])|(daily|weekly|monthly|yearly|annually|nightly|hourly))`,
);
const NUMBER_HOURLY = new RegExp(`(${N})[- ]?hourly`);
const NUMBER_WEEKLY = new RegExp(`(${N})[- ]?weekly`);

/** FHIR Timing of a frequency's words, as compact JSON; undefined where the words state no rhythm. */
export function timingOf(words: string): string | undefined {
  const text = ` ${words
    .toLowerCase()
    .replace(/\bw\/ ?/g, 'with ')
    .replace(/\s+/g, ' ')
    .replace(/([a-z])\.(?=[a-z]\b|\s|$|[a-z]\.)/g, '$1')} `;
  const repeat: TimingRepeat = {};
  const every = EVERY.exec(text);
  const times = TIMES.exec(text);
  const set = (frequency: number, period: number, unit: string, max?: number): void => {
    repeat.frequency = frequency;
    if (max !== undefined && max > frequency) repeat.frequencyMax = max;
    repeat.period = period;
    repeat.periodUnit = unit;
  };
  if (every) {
    const range = rangeOf(every[1]!);
    if (range) {
      set(1, range.low, every[2] === '°' ? 'h' : periodUnit(every[2]!));
      if (range.high > range.low) repeat.periodMax = range.high;
    }
  } else if (
    times &&
    !/^\s*\d+[ -]?(?:hourly|weekly|monthly)/.test(times[0]) &&
    !/^(?:one|two|three|four|six|\d+)[- ](?:hourly|weekly|monthly)/.test(times[0].trim())
  ) {
    const word = times[1]!;
    const range =
      word === 'once'
        ? { low: 1, high: 1 }
        : word === 'twice'
          ? { low: 2, high: 2 }
          : word === 'thrice'
            ? { low: 3, high: 3 }
            : rangeOf(word);
    if (range)
      set(
        range.low,
        1,
        times[3]
          ? ({ daily: 'd', nightly: 'd', weekly: 'wk', monthly: 'mo', hourly: 'h' }[times[3]] ?? 'a')
          : periodUnit(times[2]!),
        range.high,
      );
  } else if (/\bq ?od\b|every other day|every second day|alternate days?|q other day/.test(text))
    set(1, 2, 'd');
  else if (/every other (?:night|morning|evening)/.test(text)) set(1, 2, 'd');
  else if (/every third day/.test(text)) set(1, 3, 'd');
  else if (/every (?:other|second) week|biweekly|bi-weekly|fortnightly/.test(text)) set(1, 2, 'wk');
  else if (/every (?:other|second) month/.test(text)) set(1, 2, 'mo');
  else if (/\b(?:qid|q i d|qds)\b/.test(text)) set(4, 1, 'd');
  else if (/\b(?:bid|b i d|bds?)\b/.test(text)) set(2, 1, 'd');
  else if (/\b(?:tid|t i d|tds)\b/.test(text)) set(3, 1, 'd');
  else if (/\btiw\b/.test(text)) set(3, 1, 'wk');
  else if (/\bbiw\b/.test(text)) set(2, 1, 'wk');
  else if (/\bq ?h\b(?! ?s)/.test(text) || /\bhourly\b/.test(text)) {
    const hours = NUMBER_HOURLY.exec(text);
    set(1, hours ? numberOf(hours[1]!) : 1, 'h');
  } else if (NUMBER_WEEKLY.test(text)) set(1, numberOf(NUMBER_WEEKLY.exec(text)![1]!), 'wk');
  else if (/\b(?:weekly|q ?w(?:ee)?k(?:ly)?|every week|each week|a week|per week)\b/.test(text))
    set(1, 1, 'wk');
  else if (/\b(?:monthly|q ?month(?:ly)?|every month|each month|per month)\b/.test(text)) set(1, 1, 'mo');
  else if (/\bquarterly\b/.test(text)) set(1, 3, 'mo');
  else if (/\b(?:yearly|annually|every year|each year)\b/.test(text)) set(1, 1, 'a');
  else if (/\b(?:every|each) hour\b/.test(text)) set(1, 1, 'h');
  else if (
    /\b(?:daily|o[dm]|on(?! \w)|q ?d|q ?day|qd|every day|each day|nightly|q ?hs|q ?am|q ?pm|q ?night|q ?noc|every (?:morning|evening|night|afternoon)|each (?:morning|evening|night)|per day|a day|hs|nocte|mane|q ?(?:morning|evening|bedtime))\b/.test(
      text,
    )
  )
    set(1, 1, 'd');
  const when = whenOf(text);
  if (when.length > 0) {
    repeat.when = when;
    if (repeat.frequency === undefined) set(1, 1, 'd');
    // "In the morning and at bedtime" is twice a day; meals are as many as there are.
    if (/\b(?:meals)\b/.test(text) && repeat.frequency === 1 && !/daily|once|day/.test(text)) {
      delete repeat.frequency;
      delete repeat.period;
      delete repeat.periodUnit;
    } else if (when.length > 1 && repeat.frequency === 1 && repeat.period === 1 && !/once|daily/.test(text))
      repeat.frequency = 1;
  }
  const days = daysOf(text);
  if (days.length > 0) {
    repeat.dayOfWeek = days;
    if (repeat.frequency === undefined || repeat.periodUnit === 'd')
      set(repeat.frequency ?? 1, 1, repeat.periodUnit ?? 'd');
    if (
      repeat.frequencyMax === undefined &&
      repeat.frequency === 1 &&
      /\bevery|\bq/.test(text) &&
      days.length === 1
    )
      set(1, 1, 'wk');
  }
  if (
    repeat.frequency === undefined &&
    repeat.when === undefined &&
    /\b(?:single|once|x ?1|one[- ]time|stat)\b/.test(text)
  )
    repeat.count = 1;
  return Object.keys(repeat).length === 0 ? undefined : JSON.stringify({ repeat });
}

function whenOf(text: string): string[] {
  const when: string[] = [];
  const add = (code: string, pattern: RegExp): void => {
    if (pattern.test(text) && !when.includes(code)) when.push(code);
  };
  add('MORN', /\b(?:morning|mornings|q ?am|qam|in the am|every am|each am|mane|om)\b/);
  add('NOON', /\b(?:noon)\b/);
  add('AFT', /\bafternoon\b/);
  add('EVE', /\b(?:evening|evenings|q ?pm|qpm|in the pm|every pm)\b/);
  add(
    'NIGHT',
    /\b(?:at night|every night|nightly|each night|q ?night|nocte|on(?! \w)|q ?noc|a night|per night)\b/,
  );
  add('HS', /\b(?:bedtime|bed ?time|before bed|q ?hs|hs|qhs|q h s|h s)\b/);
  add('ACM', /\b(?:before|prior to|ac) breakfast\b/);
  add('CM', /\b(?:with|at) breakfast\b/);
  add('PCM', /\bafter breakfast\b/);
  add('CD', /\b(?:with|at) lunch(?:time)?\b/);
  add('ACV', /\b(?:before|prior to|ac) (?:dinner|supper)\b/);
  add('CV', /\b(?:with|at) (?:dinner|supper)(?:time)?\b/);
  add(
    'AC',
    /\b(?:before|prior to) (?:each |every |all )?meals?\b|\b(?:ac|a c|qac|q ac)\b(?! (?:breakfast|dinner|supper))/,
  );
  add('PC', /\bafter (?:each |every |all )?meals?\b|\b(?:pc|p c)\b/);
  add('C', /\bwith (?:each |every |all )?(?:meals?|food)\b/);
  return when;
}

function daysOf(text: string): string[] {
  if (/\bm\/w\/f\b|\bmwf\b/.test(text)) return ['mon', 'wed', 'fri'];
  if (/\bt\/th\/s\b|\bt\/t\/s\b/.test(text)) return ['tue', 'thu', 'sat'];
  const span = DAY_RANGE.exec(text);
  if (span) {
    const [from, to] = [span[1]!, span[2]!].map((day) =>
      WEEKDAYS.findIndex((name) => name.startsWith(day.slice(0, 3))),
    );
    if (from! < to!) return WEEKDAYS.slice(from, to! + 1);
  }
  return WEEKDAYS.filter((_day, at) => WEEKDAY_WORDS[at]!.test(text));
}
