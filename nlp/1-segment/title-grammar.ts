import type { SectionKind } from '../model.js';
import { readRules } from '../rules/load.js';
import { isNounPhrase } from './lettering.js';
import { endsTitle, exactTitle, normalizeTitle, type Title, titleByKeyword } from './titles.js';

const WORDS_MAX = 7;

interface GrammarRules {
  /** What follows the noun that names the kind and says nothing of it: `record`, `review`. */
  readonly trailers: readonly string[];
  /** Verbs that say that what is titled was done or given: `Meds administered`. */
  readonly done: readonly string[];
  /** What makes a plan of whatever is titled: `Recommended procedure`. */
  readonly ahead: readonly string[];
  /** Words that say more than of what kind the words are: no kind is read off such a title. */
  readonly refused: readonly string[];
  /** Titles by themselves that are too much a word of any other to be the head of one: `activity` of an EEG. */
  readonly weak: readonly string[];
}

const rules = readRules<{ grammar: GrammarRules }>('sections.json').grammar;
const trailers = new Set(rules.trailers);
const done = new Set(rules.done);
const ahead = new Set(rules.ahead);
const refused = new Set(rules.refused);
const weak = new Set(rules.weak);

const LINKS = new Set('of for on at in from with to by since per during before after upon prior'.split(' '));
/** What may be done or given. */
const DEEDS = new Set<SectionKind>(['medications', 'procedures', 'immunizations']);
/** What is the patient's, whatever follows: `Medication on discharge`. */
const OWNED = new Set<SectionKind>(['medications', 'discharge-medications', 'allergies', 'immunizations']);
const HISTORY = new Set(['history', 'hx']);

/**
 * The kind of a title by its grammar: the noun at its head, which stands last before any `of` or `on`, names the kind
 * (`Dispatch complaint`, `Vaccine record`, `Meds given in clinic`, `Current inpatient meds`). Undefined where the head
 * is no title by itself, and where other words say more than the kind.
 */
export function headedTitle(title: string): Title | undefined {
  // `The patient plans to see Dr` is a sentence.
  if (/[.,;!?\d]/.test(title) || !isNounPhrase(title)) return undefined;
  const words = normalizeTitle(title).split(' ');
  if (words.length < 2 || words.length > WORDS_MAX || LINKS.has(words[0]!) || LINKS.has(words.at(-1)!))
    return undefined;
  const link = words.findIndex((word) => LINKS.has(word));
  let to = link < 0 ? words.length : link;
  let deed = false;
  while (to > 1 && (trailers.has(words[to - 1]!) || done.has(words[to - 1]!))) {
    to--;
    if (done.has(words[to]!)) deed = true;
  }
  const phrase = words.slice(0, to);
  const found = kindOfHead(phrase, words);
  if (!found || words.some((word) => refused.has(word)) || found.sub || found.kind === 'other')
    return undefined;
  if (deed && !DEEDS.has(found.kind)) return undefined;
  if (ahead.has(words[0]!) && to > 1) return { kind: 'plan', sub: false, exact: false };
  // One word alone, less what was cut off, is asked for as it stands: `Labs for`.
  if (phrase.length === 1 && link >= 0 && !deed && !OWNED.has(found.kind)) return undefined;
  return { kind: found.kind, sub: false, default: found.default, exact: false };
}

/** The row of a title, in the singular or the plural. */
function titleOf(name: string): Title | undefined {
  return exactTitle(name) ?? exactTitle(`${name}s`);
}

function kindOfHead(phrase: readonly string[], all: readonly string[]): Title | undefined {
  const head = phrase.at(-1)!;
  // Most heads end no title at all.
  if (!endsTitle(head) && !endsTitle(`${head}s`)) return undefined;
  if (HISTORY.has(head)) return phrase.length > 1 ? titleByKeyword(phrase.join(' ')) : undefined;
  for (let from = 0; from < phrase.length; from++) {
    const name = phrase.slice(from).join(' ');
    const row = weak.has(name) ? undefined : titleOf(name);
    if (!row || row.sub || row.kind === 'other') continue;
    // `Medication on discharge` is of the discharge, `New medicines` of today.
    if (row.kind === 'medications' && !row.default && all.includes('discharge'))
      return { ...row, kind: 'discharge-medications' };
    return row;
  }
  return undefined;
}
