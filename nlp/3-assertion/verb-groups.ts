import { readRules } from '../rules/load.js';
import type { Clauses } from './clauses.js';
import { type Cue, isAside } from './cues.js';

/** One row of `rules/verbs.json`: what verbs mean behind a modal or a denial, whatever else they mean. */
export interface VerbRow {
  /** `kept`: to deny it leaves the drug as it is; `lasting`: to deny it leaves the finding; `seen`: to deny it
   * denies; `ended`: what it was done to has ended; `fit`: what is said of it is not done yet. */
  readonly meaning: 'kept' | 'lasting' | 'seen' | 'wished' | 'ended' | 'fit';
  /** Beginnings of words. */
  readonly stems: readonly string[];
  readonly example: string;
}

const stems = new Map<VerbRow['meaning'], RegExp>();
for (const { meaning, stems: words } of readRules<VerbRow[]>('verbs.json'))
  stems.set(meaning, new RegExp(`^(?:${words.join('|')})`));

export function means(meaning: VerbRow['meaning'], norm: string): boolean {
  return stems.get(meaning)!.test(norm);
}

export const MODALS = new Set([
  'will',
  "'ll",
  'should',
  'would',
  'could',
  'may',
  'might',
  'can',
  'shall',
  'must',
  'ca',
  'wo',
]);
export const HAVING = new Set([
  'is',
  'was',
  'are',
  'were',
  'has',
  'have',
  'had',
  'did',
  'does',
  'do',
  'been',
  'being',
]);
export const DENYING = new Set(
  "not n't never don't doesn't didn't won't wouldn't couldn't can't isn't wasn't weren't hasn't haven't hadn't cannot".split(
    ' ',
  ),
);
export const PASSIVE = new Set(['be', 'been', 'being', 'get', 'got', 'gotten']);
const COPULA = new Set(['is', 'was', 'are', 'were']);
/** Participles that do not end in `-ed`. */
export const PARTICIPLE =
  /^(?:[a-z]{2,}ed|done|given|taken|begun|held|seen|shown|found|put|sent|brought|kept|left|made|set|cut|withdrawn|chosen|drawn|written|met|had|run|bought|sought|felt|heard|read|built|won|gotten|undergone|thought|told|taught|withheld|grown)$/;
/** What stands where a verb is looked for and is none. */
export const NO_VERB =
  /^(?:the|an?|his|her|their|its|my|our|your|this|that|these|those|he|she|they|it|we|i|you|patient|pt|and|or|but|of|to|in|for|with|by|at|from|if|when|as|than|no|on|off|due|because)$/;
export const GROUP_MAX_TOKENS = 7;

export interface Group {
  readonly first: number;
  readonly last: number;
  readonly verb: string;
  readonly modal: boolean;
  readonly denied: boolean;
  readonly passive: boolean;
}

/** The verb group that begins at `at`; undefined where a cue has its own say of it. */
export function readGroup({ tokens, last, cues, cueAt, first }: Clauses, at: number): Group | undefined {
  const modal = MODALS.has(tokens[at]!.norm);
  let denied = false;
  let passive = COPULA.has(tokens[at]!.norm);
  let i = at + 1;
  for (; i < Math.min(last, at + GROUP_MAX_TOKENS); i++) {
    const { norm } = tokens[i]!;
    if (passive && /^(?:an?|the|his|her|my|our)$/.test(norm)) continue;
    if (DENYING.has(norm)) denied = true;
    else if (PASSIVE.has(norm)) passive = true;
    else if (norm !== 'have' && norm !== 'had' && !isAside(norm, '') && !SMALL_WORDS.has(norm)) break;
  }
  const verb = tokens[i]?.norm ?? '';
  if (i >= last || !/^[a-z]{3,}$/.test(verb) || NO_VERB.test(verb)) return undefined;
  if (!modal && !(denied && (passive || PARTICIPLE.test(verb)))) return undefined;
  if (!means('fit', verb) && /^(?:an?|the|his|her|my|our)$/.test(tokens[i - 1]!.norm)) return undefined;
  for (let k = at; k <= i; k++) {
    const index = cueAt[k - first]!;
    if (index < 0) continue;
    if (!isWeak(cues[index]!)) return undefined;
  }
  return { first: at, last: i + 1, verb, modal, denied, passive };
}

export const SMALL_WORDS = new Set([
  'yet',
  'still',
  'only',
  'ever',
  'likely',
  'probably',
  'possibly',
  'been',
  'to',
  'need',
  'first',
  'simply',
  'so',
  'far',
  'as',
]);

/** A cue that the words around it may turn: `done` in `could not be done`, the mere `not`. */
export function isWeak({ rows, text }: Cue): boolean {
  return (
    TRIED.test(text) ||
    /^(?:not|n't|never|has not|had not|have not|is not|was not|are not|were not)$/.test(text) ||
    rows.every(
      ({ effect, scope }) =>
        effect === 'current' ||
        effect === 'stop' ||
        effect === 'possible' ||
        (effect === 'planned' && scope === 'after'),
    )
  );
}

/** `could be trialled` is not tried yet. */
const TRIED = /^(?:tried|trialed|trialled)$/;

export function isCovered({ cues, cueAt, first }: Clauses, at: number): boolean {
  const index = cueAt[at - first]!;
  return index >= 0 && !isWeak(cues[index]!);
}

export function isNone({ cues, cueAt, first }: Clauses, at: number): boolean {
  const index = cueAt[at - first]!;
  return index >= 0 && cues[index]!.rows.some(({ effect }) => effect === 'none' || effect === 'possible');
}
