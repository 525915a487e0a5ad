import type { Attribute, Mention } from '../model.js';
import { readRules } from '../rules/load.js';
import { alternatives } from './quantity.js';

/** One row of `rules/attributes-value.json`: how a unit of results is written, and its UCUM code. */
export interface ResultUnitRow {
  readonly words: readonly string[];
  readonly ucum: string;
  readonly example: string;
}

export interface ValueRules {
  readonly units: readonly ResultUnitRow[];
  /** Unit where none is written, by the words of the test; `over` keeps a rule to plausible values. */
  readonly defaults: readonly {
    readonly tests: readonly string[];
    readonly ucum: string;
    readonly over?: number;
    readonly under?: number;
    readonly example: string;
  }[];
  /**
   * What a vital sign of a living person can be, bounds included. A value outside is a slip of the pen or another
   * number altogether, and is not read. A row with a unit holds for values in it; `second` is what follows the slash.
   */
  readonly plausible: readonly PlausibleRow[];
  /** Results in words. */
  readonly words: readonly {
    readonly words: readonly string[];
    readonly value: string;
    readonly example: string;
  }[];
}

export interface PlausibleRow {
  readonly tests: readonly string[];
  readonly unit?: string;
  readonly from: number;
  readonly to: number;
  readonly secondFrom?: number;
  readonly secondTo?: number;
  readonly example: string;
  readonly implausible: string;
}

const rules = readRules<ValueRules>('attributes-value.json');
const ucumOf = new Map<string, string>();
for (const row of rules.units) for (const word of row.words) ucumOf.set(unitKey(word), row.ucum);
const wordValue = new Map<string, string>();
for (const row of rules.words) for (const word of row.words) wordValue.set(word, row.value);

const UNIT = alternatives(rules.units.flatMap((row) => row.words.map((word) => word.toLowerCase())));
const LINK =
  '(?:\\s|:|=|-{1,2}|,|\\(|of|is|was|at|were|are|to|on admission|today|right|left|od|os|ou|[rl](?=\\s?\\d|\\s?[=:])|peak|peaked|peaking|nadir|repeat|fasting|random|@\\s?\\d+\\s?(?:h|hrs?|hours?)\\b|initial|now|level|levels|count|result|results|value|measured|found to be|noted to be|currently|reading|about|approximately|around|between|showed|revealed|came back|returned|ranging from|intact|total|serum|plasma|stable|elevated|low|high|mildly|slightly|normal|increased|decreased|up|down|\\*|\\|){0,8}';
const NUMERIC = new RegExp(
  // A number with a plus behind it is a grade (pulses 2+, edema 1+/4), never an amount.
  // Columns stand apart by any number of blanks.
  `^[ \\t]{0,40}${LINK}(?<![\\d.])([<>≤≥]?=?\\s?\\d+(?:,\\d{3})*(?:\\.\\d+)?(?:\\s?(?:\\/|-|–|to)\\s?\\d+(?:\\.\\d+)?)?)(?![\\d])(?:\\s?-?\\s?(${UNIT})(?![a-z0-9/]))?(?!\\s?\\+|\\s?(?:\\/\\d{1,2}\\/|days?\\b|weeks?\\b|months?\\b|years?\\b|hours?\\b|times\\b|st\\b|nd\\b|rd\\b|th\\b|am\\b|pm\\b|:\\d))`,
  'i',
);
const QUALITATIVE = new RegExp(
  `^(?:\\s|:|=|-|\\(|is|was|were|are|came back|returned|test|tests|screen|result|results|remains?|remained|has been|levels?|found to be|within){0,6}(?<![a-z])(${alternatives([...wordValue.keys()])})(?![a-z])`,
  'i',
);
/** The unit behind a column of reference values: "139 135-145 mmol/L", "5.1 (H) 3.5-5.0 mmol/L". */
const AFTER_RANGE = new RegExp(
  `^\\s*(?:\\(?(?:h|l|hh|ll|a|\\*|high|low)\\)?\\s+)?\\(?\\d+(?:\\.\\d+)?\\s?[-–]\\s?\\d+(?:\\.\\d+)?\\)?\\s?(${UNIT})(?![a-z0-9/])`,
  'i',
);
/** The unit behind a flag: "48 H mg/dL"; the L of "131 L mmol/L" is read with the number. */
const AFTER_FLAG = new RegExp(
  `^\\s{0,40}\\(?(?:h|l|hh|ll|a|\\*|high|low)\\)?\\s{1,40}(${UNIT})(?![a-z0-9/])`,
  'i',
);
/** The unit behind a course of values: "84 -> 212 -> 340 ng/L". */
const AFTER_SERIES = new RegExp(
  `^(?:\\s?(?:-+>|→|=>|>|to|then|,)\\s?\\d+(?:\\.\\d+)?){1,6}\\s?(${UNIT})(?![a-z0-9/])`,
  'i',
);
/** The result in a word before its test: "positive Cologuard", "(raised CRP)". */
const WORD_BEFORE = new RegExp(
  `(?:^|[,;:(\\n]\\s*|\\b(?:with|had|has|a|an|and|but|for|of|showed|shows|his|her|due to|after)\\s)(${alternatives([...wordValue.keys()])})\\s$`,
  'i',
);
const WORD_REACH = 32;
/** `5'10"`, `5 ft 10 in`. */
const FEET =
  /^(?:\s|:|=|is|was|of){0,6}((\d)\s?(?:['’′]|ft\.?|feet|foot)\s?(?:(\d{1,2})\s?(?:["”″]|''|in(?:ch(?:es)?)?)?)?)/i;
const HEIGHT = /^(?:height|ht|body height|stature)$/;

/** "T-score -2.6 L hip": litres are of breath, and only a few values lie below nought. */
const IN_LITRES = /o2|oxygen|fev|fvc|volume|capacity/;
/** Volumes of breath, where an L is no flow. */
const OF_BREATH = /fev|fvc|volume|capacity/;
const BELOW_ZERO = /score|base (?:excess|deficit)|sphere|refraction/;
const REACH = 60;

/** Value and unit of a test or vital sign, from the words after it up to the next mention. */
export function resultOf(text: string, mention: Mention, next: number): Attribute[] {
  const end = mention.end + chargeLength(text, mention);
  const region = text.slice(end, Math.min(next, end + REACH));
  const line = region.split('\n', 1)[0]!;
  const feet = HEIGHT.test(mention.text.toLowerCase()) ? FEET.exec(line) : null;
  if (feet) {
    const start = end + feet[0].length - feet[1]!.length;
    const written = feet[1]!.trimEnd();
    const inches = String(Number(feet[2]) * 12 + Number(feet[3] ?? 0));
    const place = { text: written, start, end: start + written.length };
    return [
      { type: 'value', ...place, normalized: inches },
      { type: 'unit', ...place, normalized: '[in_i]' },
    ];
  }
  const numeric = NUMERIC.exec(line);
  if (numeric) {
    const value = numeric[1]!;
    const start =
      end +
      numeric[0].indexOf(
        value,
        Math.max(0, numeric[0].length - value.length - (numeric[2]?.length ?? 0) - 3),
      );
    const name = mention.text.toLowerCase();
    const negative = BELOW_ZERO.test(name) && /[\s:=(]-$/.test(text.slice(start - 2, start));
    const plain = `${negative ? '-' : ''}${value
      .replace(/,(?=\d{3})/g, '')
      .replace(/\s/g, '')
      .replace(/(?:–|to)/, '-')}`;
    if (
      plain.includes('/') &&
      !/(?:^|\s)(?:bp|b\/p|blood pressure|iop|intraocular)/.test(name) &&
      !numeric[2]?.toLowerCase().includes('hg')
    ) {
      if (!/^\d{1,2}\/(?:5|10|100|27|30)$/.test(plain)) return [];
    }
    const written = numeric[2] === 'L' && !IN_LITRES.test(name) ? undefined : numeric[2];
    const dropped = numeric[2] !== undefined && written === undefined;
    const rest = written ? '' : line.slice(numeric[0].length);
    const behind = written
      ? null
      : (AFTER_RANGE.exec(rest) ?? AFTER_SERIES.exec(rest) ?? AFTER_FLAG.exec(dropped ? ` L${rest}` : rest));
    const litres = written === 'L' && OF_BREATH.test(name);
    const unit = litres ? 'L' : written ? ucumOf.get(unitKey(written))! : undefined;
    const assumed = unit ?? defaultUnit(name, Number.parseFloat(plain.replace(/^[<>≤≥=]+/, '')));
    if (!isPlausible(name, plain, assumed)) return [];
    const attributes: Attribute[] = [
      { type: 'value', text: value, start, end: start + value.length, normalized: plain },
    ];
    if (unit && written) {
      const unitStart =
        start + value.length + text.slice(start + value.length, start + value.length + 4).search(/[^\s-]/);
      attributes.push({
        type: 'unit',
        text: text.slice(unitStart, unitStart + written.length),
        start: unitStart,
        end: unitStart + written.length,
        normalized: unit,
      });
    } else if (behind && isPlausible(name, plain, ucumOf.get(unitKey(behind[1]!)))) {
      const unitStart = end + numeric[0].length + behind[0].length - behind[1]!.length;
      attributes.push({
        type: 'unit',
        text: text.slice(unitStart, unitStart + behind[1]!.length),
        start: unitStart,
        end: unitStart + behind[1]!.length,
        normalized: ucumOf.get(unitKey(behind[1]!))!,
      });
    } else {
      // The unit stands in no word of its own, so it points at the number it was read from.
      if (assumed)
        attributes.push({ type: 'unit', text: value, start, end: start + value.length, normalized: assumed });
    }
    return attributes;
  }
  const words = QUALITATIVE.exec(line);
  if (!words) return mention.type === 'test' ? wordBefore(text, mention) : [];
  const start = end + words[0].length - words[1]!.length;
  return [
    {
      type: 'value',
      text: words[1]!,
      start,
      end: start + words[1]!.length,
      normalized: wordValue.get(words[1]!.toLowerCase().replace(/\s+/g, ' '))!,
    },
  ];
}

function wordBefore(text: string, mention: Mention): Attribute[] {
  const from = Math.max(0, mention.start - WORD_REACH);
  const found = WORD_BEFORE.exec(text.slice(from, mention.start));
  if (!found) return [];
  const start = from + found.index + found[0].trimEnd().length - found[1]!.length;
  return [
    {
      type: 'value',
      text: found[1]!,
      start,
      end: start + found[1]!.length,
      normalized: wordValue.get(found[1]!.toLowerCase().replace(/\s+/g, ' '))!,
    },
  ];
}

function unitKey(unit: string): string {
  return unit.toLowerCase().replace(/\s+/g, '');
}

const ION = /^(?:k|na|ca|mg|cl|li|hco3)$/i;
const CHARGE = /2?[+-]{1,2}(?=[\s:=])/y;

/** Length of the charge of an ion: `K+ 5.6`, `Ca2+: 2.1`. */
function chargeLength(text: string, mention: Mention): number {
  if (!ION.test(mention.text)) return 0;
  CHARGE.lastIndex = mention.end;
  return CHARGE.exec(text)?.[0].length ?? 0;
}

function defaultUnit(name: string, value: number): string | undefined {
  const words = name.split(/\s+/);
  const names = words.map((_, at) => words.slice(at).join(' '));
  for (const row of rules.defaults) {
    if (!names.some((each) => row.tests.includes(each))) continue;
    if (row.over !== undefined && value <= row.over) continue;
    if (row.under !== undefined && value >= row.under) continue;
    return row.ucum;
  }
  return undefined;
}

const plausibleRows = new Map<string, PlausibleRow[]>();
for (const row of rules.plausible)
  for (const test of row.tests) plausibleRows.set(test, [...(plausibleRows.get(test) ?? []), row]);

/** Words of a test's name that are looked at from its end: "resting heart rate" is a heart rate. */
const NAME_MAX_WORDS = 3;

/** @param value `72`, `120/80`, `14-16` or `>100` as normalised */
function isPlausible(name: string, value: string, unit: string | undefined): boolean {
  const words = name.split(/\s+/);
  for (let count = Math.min(NAME_MAX_WORDS, words.length); count > 0; count--) {
    const rows = plausibleRows.get(words.slice(-count).join(' '));
    if (!rows) continue;
    const row = rows.find((each) => each.unit === unit) ?? rows.find((each) => each.unit === undefined);
    if (!row) return true;
    const [first, second] = value
      .replace(/^[<>≤≥=]+/, '')
      .split(/[/-]/)
      .map(Number);
    const bounds = value.includes('/')
      ? ([row.secondFrom ?? row.from, row.secondTo ?? row.to] as const)
      : ([row.from, row.to] as const);
    const within = (n: number | undefined, from: number, to: number) =>
      n === undefined || Number.isNaN(n) || (n >= from && n <= to);
    return within(first, row.from, row.to) && within(second, bounds[0], bounds[1]);
  }
  return true;
}
