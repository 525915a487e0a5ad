import type { MentionType, ProcedureCategory, Token } from '../model.js';
import { readRules } from '../rules/load.js';
import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';
import { loadLexicon } from './lexicon.js';

/** One row of `rules/procedure-categories.json`: what a word says of why something is done to the patient. */
export interface ProcedureCategoryRow {
  /** `either` where the name alone does not say. */
  readonly category: ProcedureCategory | 'either';
  /** Norms, separated by blanks. A row may have words and endings. */
  readonly words?: string;
  /** Last letters of a word. Words go before endings, and of two endings the longer. */
  readonly endings?: string;
  /** Holds only where one of these words stands in the name too. Such a row goes before one without. */
  readonly beside?: string;
  /** Says what it is done for, wherever it stands in the name or just before it: "screening colonoscopy". */
  readonly purpose?: true;
  /** Looks inside, and may treat on the way: "colonoscopy with polypectomy". */
  readonly through?: true;
  /** Behind "with" only a means of what stands before it: "stress test with infusion". */
  readonly means?: true;
  readonly example: string;
  /** Has one of the words, or an ending, and is of another category or none. */
  readonly unlike?: string;
}

/** A category and what decided it, for the mention's `because`. */
export interface Category {
  readonly category: ProcedureCategory;
  readonly because: string;
}

/** A name as its words have it. */
export interface Reading {
  readonly category: ProcedureCategory | 'either';
  readonly through: boolean;
  readonly means: boolean;
  readonly purpose: boolean;
  /** The word that says so. */
  readonly word: string;
}

const byWord = new Map<string, ProcedureCategoryRow[]>();
const endings: { readonly ending: string; readonly row: ProcedureCategoryRow }[] = [];
for (const row of readRules<ProcedureCategoryRow[]>('procedure-categories.json')) {
  for (const word of row.words?.split(' ') ?? []) {
    const rows = byWord.get(word);
    if (!rows) byWord.set(word, [row]);
    else if (row.beside) rows.unshift(row);
    else rows.push(row);
  }
  for (const ending of row.endings?.split(' ') ?? []) endings.push({ ending, row });
}
endings.sort((a, b) => b.ending.length - a.ending.length);

/** Types that have a category at all. */
const CATEGORISED: ReadonlySet<MentionType> = new Set(['procedure', 'test']);
/** What the tagger must believe of the words, by both its types, and how much more of one. */
const MODEL_MIN = 0.3;
const MODEL_MARGIN = 0.6;
/** The same against what the words say. */
const MODEL_AGAINST_WORDS = 0.9;
/** Words before a name that may say what it is for: "diagnostic left knee arthroscopy". */
const PURPOSE_BEFORE = 2;
/** Words of what was done through an instrument. */
const WITH_MAX_TOKENS = 6;
const CACHE_MAX = 20_000;

/** A head stands before these: "biopsy of liver", "drainage under CT". */
const PREPOSITIONS = new Set(
  'of for by using via under in on to from at through without into after during'.split(' '),
);
const WITH = new Set(['with', 'w', 'including', 'followed']);
const AND = new Set(['and', '&', '+', '/', 'plus', ',']);
/** Between "with" and its words: "w/", "followed by". */
const AFTER_WITH = new Set(['/', 'by', 'a', 'an', 'the']);
const STOPS = /^(?:[.;:)(\]]|but|which|that|showed|shows|showing|revealed|was|were|is|for|if)$/;
/** "CT-guided", "under ultrasound guidance": how, not what. */
const GUIDED = new Set(['guided', 'guidance', 'assisted', 'controlled']);

/**
 * Whether a procedure or test is done to treat or to find out, undefined where neither is plain: first by the words
 * of the name and what is said of it beside it, then by the tagger, which has a type for either, then by the name in
 * the terminology of the lexicon's row.
 */
export function categoryOf(candidate: Candidate, context: ContextJudge): Category | undefined {
  if (!CATEGORISED.has(candidate.type)) return undefined;
  const { first, last } = candidate;
  const norms = normsOf(context.tokens, first, last);
  const own = readName(norms);
  const purpose = own?.purpose ? undefined : purposeBefore(first, context.tokens);
  if (purpose) return { category: purpose.category, because: `words:${purpose.word}` };
  if (own && !own.purpose && own.category !== 'therapeutic' && (own.through || own.category === 'either')) {
    const done = doneThrough(last, context.tokens);
    if (done) return { category: 'therapeutic', because: `words:with ${done}` };
  }
  const model = opinionOf(candidate, context);
  if (own && own.category !== 'either') {
    if (model && !own.purpose && model.category !== own.category && model.against)
      return { ...model, because: MODEL };
    return { category: own.category, because: `words:${own.word}` };
  }
  if (model) return { category: model.category, because: MODEL };
  const entry = /lexicon:(\d+)/.exec(candidate.because)?.[1];
  const named = entry === undefined ? undefined : readEntry(Number(entry));
  if (named && named.category !== 'either')
    return { category: named.category, because: `lexicon:${entry} ${named.word}` };
  return candidate.type === 'test' && own?.category !== 'either'
    ? { category: 'diagnostic', because: 'type:test' }
    : undefined;
}

const MODEL = 'model:clinical';

/** What the tagger believes of the words it marked. */
function opinionOf(
  candidate: Candidate,
  context: ContextJudge,
): { readonly category: ProcedureCategory; readonly against: boolean } | undefined {
  const { first, last } = candidate.core ?? candidate;
  const treats = context.believed(first, last, 'procedure');
  const finds = context.believed(first, last, 'test');
  const sum = treats + finds;
  const more = Math.max(treats, finds);
  if (sum < MODEL_MIN || more < MODEL_MARGIN * sum) return undefined;
  return { category: treats > finds ? 'therapeutic' : 'diagnostic', against: more >= MODEL_AGAINST_WORDS };
}

function normsOf(tokens: readonly Token[], first: number, last: number): string[] {
  const norms: string[] = [];
  for (let t = first; t < last; t++) norms.push(tokens[t]!.norm);
  return norms;
}

const NONE: readonly ProcedureCategoryRow[] = [];

function purposeOf(norm: string): ProcedureCategoryRow | undefined {
  return byWord.get(norm)?.find(({ purpose }) => purpose);
}

function purposeBefore(
  first: number,
  tokens: readonly Token[],
): { readonly category: ProcedureCategory; readonly word: string } | undefined {
  for (let t = first - 1; t >= Math.max(0, first - PURPOSE_BEFORE); t--) {
    const { norm } = tokens[t]!;
    if (!/^\p{L}/u.test(norm) || PREPOSITIONS.has(norm) || WITH.has(norm) || AND.has(norm)) return undefined;
    const row = purposeOf(norm);
    if (row && row.category !== 'either') return { category: row.category, word: norm };
  }
  return undefined;
}

/** The treatment named behind "with", where one is: "ERCP w/ sphincterotomy". */
function doneThrough(last: number, tokens: readonly Token[]): string | undefined {
  if (!WITH.has(tokens[last]?.norm ?? '') && tokens[last]?.norm !== '+') return undefined;
  let from = last + 1;
  while (AFTER_WITH.has(tokens[from]?.norm ?? '')) from++;
  let to = from;
  while (to < Math.min(tokens.length, from + WITH_MAX_TOKENS) && !STOPS.test(tokens[to]!.norm)) to++;
  for (const part of partsOf(normsOf(tokens, from, to))) {
    const reading = readPart(part.norms);
    if (reading?.category === 'therapeutic' && !reading.means) return reading.word;
  }
  return undefined;
}

const names = new Map<string, Reading | null>();

function readName(norms: readonly string[]): Reading | undefined {
  const key = norms.join(' ');
  let reading = names.get(key);
  if (reading === undefined) {
    reading = read(norms) ?? null;
    if (names.size >= CACHE_MAX) names.clear();
    names.set(key, reading);
  }
  return reading ?? undefined;
}

const entries = new Map<number, Reading | null>();

/** By the official name of a lexicon row: CABG is a bypass graft. */
function readEntry(entry: number): Reading | undefined {
  let reading = entries.get(entry);
  if (reading === undefined) {
    reading = null;
    for (const { display } of loadLexicon().row(entry).concepts) {
      reading = readWords(display) ?? null;
      if (reading) break;
    }
    entries.set(entry, reading);
  }
  return reading ?? undefined;
}

/** What an official name says by its words alone. */
export function readWords(name: string): Reading | undefined {
  return read(name.toLowerCase().match(/[\p{L}\p{N}]+|[,/+&]/gu) ?? []);
}

/** The first act named decides, unless another was done as well, or through it. */
function read(norms: readonly string[]): Reading | undefined {
  for (const norm of norms) {
    const row = purposeOf(norm);
    if (row) return readingOf(row, norm);
  }
  // "D&C"
  const joint = norms.includes('&') ? byWord.get(norms.join(''))?.[0] : undefined;
  if (joint) return readingOf(joint, norms.join(''));
  let found: Reading | undefined;
  for (const { norms: part, link } of partsOf(norms)) {
    const reading = readPart(part);
    if (!reading) continue;
    if (!found) found = reading;
    else if (
      reading.category === 'therapeutic' &&
      !reading.means &&
      (link === 'and' || found.through || found.category === 'either')
    )
      found = reading;
    else if (found.category === 'either' && link === 'and') found = reading;
  }
  return found;
}

/** The names in a name, between "with" and "and". */
function partsOf(norms: readonly string[]): { norms: string[]; link: 'with' | 'and' }[] {
  const parts: { norms: string[]; link: 'with' | 'and' }[] = [];
  let part: string[] = [];
  let link: 'with' | 'and' = 'and';
  const close = (next: 'with' | 'and'): void => {
    if (part.length > 0) {
      parts.push({ norms: part, link });
      part = [];
      link = next;
    } else if (next === 'with') link = next;
  };
  for (const norm of norms) {
    if (WITH.has(norm)) close('with');
    else if (AND.has(norm)) close('and');
    else part.push(norm);
  }
  close('and');
  return parts;
}

/** By its head, the last word before a preposition; else by the last word that says anything. */
function readPart(norms: readonly string[]): Reading | undefined {
  let end = norms.findIndex((norm, i) => i > 0 && PREPOSITIONS.has(norm));
  if (end < 0) end = norms.length;
  for (let at = end - 1; at >= 0; at--) {
    if (isHow(norms, at)) continue;
    const reading = readWord(norms[at]!, norms);
    if (reading) return reading;
  }
  for (let at = norms.length - 1; at > end; at--) {
    if (isHow(norms, at)) continue;
    const reading = readWord(norms[at]!, norms);
    if (reading) return reading;
  }
  return undefined;
}

function isHow(norms: readonly string[], at: number): boolean {
  if (GUIDED.has(norms[at]!)) return true;
  const next = norms[at + 1] === '-' ? norms[at + 2] : norms[at + 1];
  return next !== undefined && GUIDED.has(next);
}

function readWord(norm: string, norms: readonly string[]): Reading | undefined {
  for (const row of byWord.get(norm) ?? NONE) if (fits(row, norms)) return readingOf(row, norm);
  for (const { ending, row } of endings)
    if (norm.length > ending.length + 1 && norm.endsWith(ending) && fits(row, norms))
      return readingOf(row, norm);
  return undefined;
}

const beside = new WeakMap<ProcedureCategoryRow, ReadonlySet<string>>();

function fits(row: ProcedureCategoryRow, norms: readonly string[]): boolean {
  if (row.purpose || !row.beside) return row.purpose !== true;
  let words = beside.get(row);
  if (!words) {
    words = new Set(row.beside.split(' '));
    beside.set(row, words);
  }
  return norms.some((norm) => words.has(norm));
}

function readingOf({ category, through, means, purpose }: ProcedureCategoryRow, word: string): Reading {
  return { category, through: through === true, means: means === true, purpose: purpose === true, word };
}
