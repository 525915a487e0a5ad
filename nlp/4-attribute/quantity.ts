import { readRules } from '../rules/load.js';
import { NUMBER, RANGE, rangeOf, rangeText } from './numbers.js';

export interface UnitRow {
  readonly words: readonly string[];
  readonly ucum: string;
  readonly example: string;
}

export interface DoseFormRow {
  readonly words: readonly string[];
  /** Form of the product that is counted so; empty where the word says nothing of it. */
  readonly form: string;
  readonly ucum: string;
  readonly example: string;
}

export interface RouteRow {
  readonly words: readonly string[];
  readonly code?: string;
  readonly display: string;
  readonly example: string;
}

export interface MedicationRules {
  readonly units: readonly UnitRow[];
  readonly doseForms: readonly DoseFormRow[];
  readonly forms: readonly { readonly words: readonly string[]; readonly example: string }[];
  readonly routes: readonly RouteRow[];
}

export const medicationRules = readRules<MedicationRules>('attributes-medication.json');

export function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/ /g, '\\s+');
}

/** Alternatives, longest first. */
export function alternatives(words: readonly string[]): string {
  return [...words]
    .sort((a, b) => b.length - a.length)
    .map(escapeForRegExp)
    .join('|');
}

const ucumOf = new Map<string, string>();
for (const row of medicationRules.units) for (const word of row.words) ucumOf.set(word, row.ucum);
const countOf = new Map<string, string>();
for (const row of medicationRules.doseForms) for (const word of row.words) countOf.set(word, row.ucum);

const UNIT = alternatives([...ucumOf.keys()]);
const COUNT = alternatives([...countOf.keys()]);
const PER =
  'kg|m2|m²|m\\(2\\)|m\\^2|day|days|d|j|hour|hours|hr|h|minute|min|mn|week|wk|month|dose|ml|mls|l|actuation|actuat|puff|spray|tablet|tab|24\\s?h(?:ours|rs?)?|body weight|kilogram|kilo|liter';

/** Amount with a unit of measure: `500 mg`, `5-10 mg/kg/day`, `5 mg/325 mg`, `10-325 mg`, `250 mg/5 ml`; no date before the L of a side. */
export const MEASURED = `(?<![a-z0-9.,/])(?!\\d{1,2}[/-]\\d{1,2}[/-](?:19|20)\\d\\d)(?:${RANGE}|\\d+(?:\\.\\d+)?(?:\\s?[/-]\\s?\\d+(?:\\.\\d+)?){1,2})\\s?-?\\s?(?:${UNIT})(?![a-z])(?:\\s?(?:\\/|per|-)\\s?(?:${NUMBER}\\s?)?(?:${UNIT}|${PER})(?![a-z0-9]))*(?:\\sin\\s\\d+(?:\\.\\d+)?\\s?mls?(?![a-z/]))?`;

/** Number of dose forms: `1-2 tablets`, `2 puffs`, `one (1) cap`. */
export const COUNTED = `(?<![a-z0-9.,/#])${RANGE}\\s?-?\\s?(?:${COUNT})(?![a-z])`;

const PER_UCUM: Readonly<Record<string, string>> = {
  kg: 'kg',
  kilogram: 'kg',
  kilo: 'kg',
  'body weight': 'kg',
  m2: 'm2',
  'm²': 'm2',
  'm(2)': 'm2',
  'm^2': 'm2',
  day: 'd',
  days: 'd',
  d: 'd',
  j: 'd',
  '24h': 'd',
  hour: 'h',
  hours: 'h',
  hr: 'h',
  h: 'h',
  minute: 'min',
  min: 'min',
  mn: 'min',
  week: 'wk',
  wk: 'wk',
  month: 'mo',
  dose: '{dose}',
  ml: 'mL',
  mls: 'mL',
  l: 'L',
  liter: 'L',
  actuation: '{actuat}',
  actuat: '{actuat}',
  puff: '{puff}',
  spray: '{spray}',
  tablet: '{tbl}',
  tab: '{tbl}',
};

const AMOUNT_UNIT = new RegExp(`^(.*?)\\s?-?\\s?(${UNIT})(?![a-z])(.*)$`);
const SECOND_AMOUNT = new RegExp(`^\\s?(?:\\/|-)\\s?(\\d+(?:\\.\\d+)?)\\s?(${UNIT})(?![a-z])$`);
const PER_AMOUNT = new RegExp(`(?:\\/|per|-)\\s?(${NUMBER}\\s?)?(${UNIT}|${PER})(?![a-z0-9])`, 'g');
const AMOUNT_COUNT = new RegExp(`^(.*?)\\s?-?\\s?(${COUNT})$`);

const MEMO_MAX = 5000;

/** Remembers results by the words: directions repeat. */
export function memoized<T>(compute: (words: string) => T): (words: string) => T {
  const known = new Map<string, T>();
  return (words) => {
    if (known.has(words)) return known.get(words)!;
    const result = compute(words);
    if (known.size < MEMO_MAX) known.set(words, result);
    return result;
  };
}

/** `10 mg`, `5-10 mg/kg/d`, `100 mg/mL`: value, one space, UCUM unit; undefined where the words give no number. */
export const measuredText = memoized((words: string): string | undefined => {
  const text = words.toLowerCase().replace(/\s+/g, ' ').trim();
  const match = AMOUNT_UNIT.exec(text);
  if (!match) return undefined;
  let unit = ucumOf.get(match[2]!.replace(/\s+/g, ' '));
  if (unit === undefined) return undefined;
  const amount = match[1]!.trim();
  const rest = match[3]!;
  const combination = /^\d+(?:\.\d+)?(?:\s?[/-]\s?\d+(?:\.\d+)?)+$/.exec(amount);
  if (combination && (amount.includes('/') ? !/^\d\/[2348]$/.test(amount) : isCombination(amount))) {
    return amount
      .split(/\s?[/-]\s?/)
      .map((part) => `${Number(part)} ${unit}`)
      .join(' / ');
  }
  const range = rangeOf(amount);
  if (!range) return undefined;
  // "5 mg/325 mg" are two strengths; "250 mg/5 ml" is one per volume.
  const second = SECOND_AMOUNT.exec(rest);
  if (second) {
    const other = ucumOf.get(second[2]!);
    if (other !== undefined && other !== 'mL' && other !== 'L')
      return `${rangeText(range)} ${unit} / ${Number(second[1])} ${other}`;
    const volume = Number(second[1]);
    if (volume > 0)
      return `${rangeText({ low: range.low / volume, high: range.high / volume })} ${unit}/${other}`;
  }
  for (const per of rest.matchAll(PER_AMOUNT)) {
    const plain = per[2]!.replace(/24\s?h.*/, '24h');
    const below = PER_UCUM[plain] ?? ucumOf.get(plain);
    if (below === undefined) continue;
    const number = per[1] ? Number(per[1]) : 1;
    if (number !== 1 && Number.isFinite(number) && number > 0) {
      range.low /= number;
      range.high /= number;
    }
    unit = `${unit}/${below}`;
  }
  return `${rangeText(range)} ${unit}`;
});

/** "5-325" is two strengths; "5-10" is a range. */
function isCombination(amount: string): boolean {
  const parts = amount.split(/\s?-\s?/).map(Number);
  return parts.length > 2 || parts[1]! < parts[0]! || parts[1]! / parts[0]! > 10;
}

/** `1-2 {tbl}`; undefined where the words give no number. */
export const countedText = memoized((words: string): string | undefined => {
  const text = words.toLowerCase().replace(/\s+/g, ' ').trim();
  const match = AMOUNT_COUNT.exec(text);
  const range = match && rangeOf(match[1]!);
  const unit = match && countOf.get(match[2]!);
  return range && unit ? `${rangeText(range)} ${unit}` : undefined;
});
