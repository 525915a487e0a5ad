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
  /** Headings within a list of medicines (`STOP`, `CONTINUE`), which are none elsewhere. */
  readonly parts: readonly TitleRow[];
  readonly keywords: readonly {
    readonly words: readonly string[];
    readonly kind: SectionKind;
    readonly default?: SectionDefault;
    /** Everyday words of a leaflet: a title that stands alone is one, whatever other words it has. */
    readonly spoken?: boolean;
    readonly example: string;
  }[];
  /** Short forms of words of titles, written out. */
  readonly short: Readonly<Record<string, string>>;
  /** Words that may stand beside a keyword in a title that no row has. */
  readonly beside: readonly string[];
}

const rules = readRules<SectionRules>('sections.json');
const known = new Map<string, Title>();
for (const row of rules.titles) {
  const title: Title = { kind: row.kind, sub: row.sub === true, default: row.default, exact: true };
  for (const words of row.titles) known.set(words, title);
}
const parts = new Map<string, Title>();
for (const row of rules.parts) {
  const title: Title = { kind: row.kind, sub: false, default: row.default, exact: true };
  for (const words of row.titles) parts.set(words, title);
}
const firstWords = new Set([...known.keys()].map((words) => words.split(' ')[0]!));
for (const word of "o/e a/p a&p the his her patient patient's patients today's list admitting brief pertinent relevant other ed er current updated detailed full complete additional".split(
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
  if (words.includes('[')) words = words.replace(/\[[^[\]]{0,60}(?:\]|$)/g, ' ');
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

const BEFORE =
  /^(?:the|his|her|patient'?s?|today'?s|list of|admitting|brief|pertinent|relevant|other|ed|er|current|updated|detailed|full|complete|additional) /;

/** The row for exactly these words, or undefined. */
export function exactTitle(title: string): Title | undefined {
  const words = normalizeTitle(title);
  let found = known.get(words);
  if (!found && words.includes(' ')) found = known.get(words.replace(BEFORE, ''));
  // `Clinical impressions`, `Discharge diagnose`: one and many are the same.
  if (!found && words.includes(' '))
    found = known.get(words.endsWith('s') ? words.slice(0, -1) : `${words}s`);
  if (!found && words.includes(' ') && SHORT.test(words))
    found = known.get(words.replace(SHORT, (word) => rules.short[word]!));
  // `Problem list (inactive)`: what the brackets of a title say holds for what is listed below it.
  if (!found || found.default || !title.includes('(')) return found;
  if (BYGONE.test(title)) return { ...found, default: 'past' };
  return TO_CHOOSE.test(title) ? { ...found, default: 'possible' } : found;
}

const SHORT = new RegExp(`\\b(?:${Object.keys(rules.short).join('|')})\\b`);

/** `Diagnosis (circle one)`: what a form offers. */
const TO_CHOOSE = /\((?:please )?(?:circle|tick|check|select|choose|mark)\b/i;
const BYGONE = /\((?:inactive|resolved|past|historical|old|previous)\)/i;

/** `STOP`, `CONTINUE:`: what a heading says that stands within a list of medicines, or undefined. */
export function partOfMedications(title: string): Title | undefined {
  const words = normalizeTitle(title);
  return parts.get(words) ?? parts.get(words.replace(OF_MEDICATIONS, ''));
}

const OF_MEDICATIONS =
  /^(?:medications?|meds?|medicines?|drugs?) | (?:(?:taking )?(?:these|the following|your) )?(?:medications?|meds?|medicines?|drugs?|rx)$/;

const keywords = rules.keywords.map((row, order) => ({
  order,
  words: row.words,
  spoken: row.spoken === true,
  title: { kind: row.kind, sub: false, default: row.default, exact: false },
}));
type Keyword = (typeof keywords)[number];
const keywordsByWord = new Map<string, Keyword[]>();
for (const row of keywords) {
  const there = keywordsByWord.get(row.words[0]!);
  if (there) there.push(row);
  else keywordsByWord.set(row.words[0]!, [row]);
}

/** The first row of the table whose words all stand in the title. */
function keywordIn(title: string, spoken: boolean): Title | undefined {
  let best: Keyword | undefined;
  const words = normalizeTitle(title).split(' ');
  for (const word of words) {
    const rows = keywordsByWord.get(word);
    if (!rows) continue;
    for (const row of rows) {
      if (best && row.order >= best.order) break;
      if ((row.spoken || !spoken) && row.words.every((one) => words.includes(one))) best = row;
    }
  }
  return best?.title;
}

/** The kind that keywords inside an unknown title suggest, or undefined. */
export function titleByKeyword(title: string): Title | undefined {
  return keywordIn(title, false);
}

/** `When to call the doctor:`, alone on its line: the kind by the everyday words of a leaflet, or undefined. */
export function spokenTitle(title: string): Title | undefined {
  return keywordIn(title, true);
}

const COMPOSED_WORDS = 6;
/** What says more than of what kind the words are: `Labs sent:`, `Medications stopped this admission:`, `Emergency plan:`. */
const SAYS_MORE =
  /(?:^| )(?:[a-z]{3,}ed|sent|given|held|due|new|changes?|pending|emergency|contingency|crisis|action)(?: |$)/;

const SMALL = new Set(['on', 'of', 'and', 'or', 'for', 'to', 'in', 'at', 'by', 'with', 'from']);
const explained = new Set([...rules.beside, ...[...known.keys()].flatMap((words) => words.split(' '))]);

/**
 * The kind of a title that no row has and whose every word is one of titles: `Dental history`, `Recent outside labs`.
 * The keywords among them name its kind.
 */
export function composedTitle(title: string): Title | undefined {
  const words = normalizeTitle(title).split(' ');
  if (words.length < 2 || words.length > COMPOSED_WORDS || /[.,;]/.test(title)) return undefined;
  if (SMALL.has(words[0]!) || SAYS_MORE.test(words.join(' ')) || !words.every((word) => explained.has(word)))
    return undefined;
  const row = titleByKeyword(title);
  return row?.kind === 'other' ? undefined : row;
}

/** When, by whom and for whom: `as of 3 March`, `for 3/3/24`, `this visit`, `on file prior to visit`. */
const QUALIFIER =
  / (?:(?:as of|taken|for|on|at|from|since|dated|today|tonight|now|this (?:visit|morning|evening|encounter|admission|hospitalization|week)|last (?:visit|encounter)|to date|on file(?: prior to (?:this )?visit)?|prior to (?:this )?(?:visit|encounter|arrival)|per (?:patient|pt|chart|family|wife|husband|mother|ems|records?)|by|jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|mon|tue|wed|thu|fri|sat|sun|[ap]m|hrs?|h|st|nd|rd|th|day|cont(?:inued|'d)?)(?= |$) ?)+$/;

const OPEN_ENDED = / (?:for|on|at|by|from|today|tonight|now)$/;

/** A known title with when, by whom or how many behind it: `Medications as of 03/02/2024`, `Plan for 3/3/24`. */
export function qualifiedTitle(title: string): Title | undefined {
  const words = normalizeTitle(title);
  // `Labs for:`, `Bloods today:` say what is asked for; with a date they say when it was done.
  if (OPEN_ENDED.test(words) && !/\d/.test(title)) return undefined;
  const plain = words.replace(QUALIFIER, '');
  return plain.length > 1 && plain.length < words.length ? exactTitle(plain) : undefined;
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

/** What a title says of all that is listed below it, by its row, the row it qualifies, or its keywords. */
export function defaultOfTitle(title: string): SectionDefault | undefined {
  return (exactTitle(title) ?? qualifiedTitle(title) ?? partOfMedications(title) ?? titleByKeyword(title))
    ?.default;
}
