import type { SectionKind } from '../model.js';
import { readRules } from '../rules/load.js';
import { normalizeWord } from './characters.js';

/**
 * What a section says about its facts when the words say nothing: `past` for resolved problems, `hypothetical` for the
 * criteria of a trial.
 */
export type SectionDefault = 'past' | 'planned' | 'possible' | 'stopped' | 'hypothetical';

export interface TitleRow {
  readonly kind: SectionKind;
  readonly titles: readonly string[];
  readonly example: string;
  /** A heading below another one (`HEENT:`), which opens a section of its own only outside examinations. */
  readonly sub?: boolean;
  readonly default?: SectionDefault;
}

export interface Title {
  readonly kind: SectionKind;
  readonly sub: boolean;
  readonly default?: SectionDefault;
  /** False where only a keyword in it was recognised. */
  readonly exact: boolean;
}

interface SectionRules {
  readonly titles: readonly TitleRow[];
  readonly keywords: readonly { words: readonly string[]; kind: SectionKind; example: string }[];
}

const rules = readRules<SectionRules>('sections.json');
const known = new Map<string, Title>();
for (const row of rules.titles) {
  const title: Title = { kind: row.kind, sub: row.sub === true, default: row.default, exact: true };
  for (const words of row.titles) known.set(words, title);
}
const firstWords = new Set([...known.keys()].map((words) => words.split(' ')[0]!));
for (const word of "o/e a/p a&p the his her patient patient's patients today's list admitting brief pertinent relevant other".split(
  ' ',
))
  firstWords.add(word);

// The same title is asked for several times in a row.
let lastTitle = '';
let lastWords = '';

/** Words of a title for comparison: lower case, `&` as "and", other marks as spaces, parentheses left out. */
export function normalizeTitle(title: string): string {
  if (title === lastTitle) return lastWords;
  let words = normalizeWord(title);
  if (words.includes('(')) words = words.replace(/\([^()]{0,60}\)/g, ' ');
  if (words.includes('&')) words = words.replace(/&/g, ' and ');
  lastWords = words.replace(/[^a-z']+/g, ' ').trim();
  lastTitle = title;
  return lastWords;
}

/** Every title of the table, as `normalizeTitle` writes it. */
export function titleNames(): Iterable<string> {
  return known.keys();
}

const finalWords = new Set([...known.keys()].map((words) => words.slice(words.lastIndexOf(' ') + 1)));

/** Whether some title ends with this word, in lower case. */
export function endsTitle(word: string): boolean {
  return finalWords.has(word);
}

/** Whether some title begins with this word, in lower case: a cheap question before a dear one. */
export function beginsTitle(word: string): boolean {
  return firstWords.has(word);
}

/** The row for exactly these words, or undefined. */
export function exactTitle(title: string): Title | undefined {
  const words = normalizeTitle(title);
  let found = known.get(words);
  if (!found && words.includes(' '))
    found = known.get(
      words.replace(
        /^(?:the|his|her|patient'?s?|today'?s|list of|admitting|brief|pertinent|relevant|other) /,
        '',
      ),
    );
  // `Problem list (inactive)`: what the brackets of a title say holds for what is listed below it.
  if (!found || found.default || !title.includes('(')) return found;
  if (BYGONE.test(title)) return { ...found, default: 'past' };
  return TO_CHOOSE.test(title) ? { ...found, default: 'possible' } : found;
}

/** `Diagnosis (circle one)`: what a form offers. */
const TO_CHOOSE = /\((?:please )?(?:circle|tick|check|select|choose|mark)\b/i;
const BYGONE = /\((?:inactive|resolved|past|historical|old|previous)\)/i;

/** The kind that keywords inside an unknown title suggest, or undefined. */
export function titleByKeyword(title: string): Title | undefined {
  const words = new Set(normalizeTitle(title).split(' '));
  for (const row of rules.keywords) {
    if (row.words.every((word) => words.has(word))) return { kind: row.kind, sub: false, exact: false };
  }
  return undefined;
}

/** `PMH/PSH`, `FH & SH`, `Meds/Allergies`: titles joined. A history says what is below, and else the first of them. */
export function joinedTitle(title: string): Title | undefined {
  if (!/[/&+]/.test(title)) return undefined;
  const rows = title.split(/[/&+]/).map((part) => exactTitle(part));
  if (rows.length > 3 || !rows.every((row) => row && !row.sub && row.kind !== 'other')) return undefined;
  const history = rows.find((row) => /history/.test(row!.kind)) ?? rows[0];
  const social = rows.find((row) => row!.kind === 'social-history');
  return history!.kind === 'family-history' && social ? social : history;
}
