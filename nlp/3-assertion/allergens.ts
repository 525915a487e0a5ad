import { tokenize } from '../1-segment/tokens.js';
import type { Token } from '../model.js';
import { readRules } from '../rules/load.js';

export interface AllergenRow {
  readonly scope: 'after' | 'before';
  readonly cues: readonly string[];
  /** How many words before the cue it speaks of; four where absent. */
  readonly reach?: number;
  readonly example: string;
}

interface Phrase {
  readonly words: readonly string[];
  readonly reach: number;
}

const BEFORE_MAX_TOKENS = 4;
const after = new Map<string, Phrase[]>();
const before = new Map<string, Phrase[]>();
for (const row of readRules<AllergenRow[]>('allergens.json')) {
  for (const cue of row.cues) {
    const words = tokenize(cue).map((token) => token.norm);
    const table = row.scope === 'after' ? after : before;
    const known = table.get(words[0]!);
    const phrase = { words, reach: row.reach ?? BEFORE_MAX_TOKENS };
    if (known) known.push(phrase);
    else table.set(words[0]!, [phrase]);
  }
}

function longest(
  table: Map<string, Phrase[]>,
  tokens: readonly Token[],
  at: number,
  last: number,
): Phrase | undefined {
  let best: Phrase | undefined;
  for (const phrase of table.get(tokens[at]!.norm) ?? []) {
    const { words } = phrase;
    if (at + words.length > last || words.length <= (best?.words.length ?? 0)) continue;
    if (words.every((word, k) => tokens[at + k]!.norm === word)) best = phrase;
  }
  return best;
}

const ENDS = new Set([
  ';',
  '.',
  'but',
  'however',
  'take',
  'takes',
  'taking',
  'on',
  'continue',
  'start',
  'started',
  'which',
  'who',
  'tolerates',
  'medications',
  'meds',
  'changed',
  'switched',
  'therefore',
  'so',
  'then',
  'instead',
  'now',
  'received',
]);
const AFTER_MAX_TOKENS = 40;

/** Marks the tokens that name what someone is allergic to, by token index minus `first`. */
export function findAllergens(tokens: readonly Token[], first: number, last: number): Uint8Array {
  const marked = new Uint8Array(last - first);
  for (let i = first; i < last; i++) {
    const length = longest(after, tokens, i, last)?.words.length ?? 0;
    if (length > 0) {
      for (let k = i + length; k < Math.min(last, i + length + AFTER_MAX_TOKENS); k++) {
        if (ENDS.has(tokens[k]!.norm)) break;
        marked[k - first] = 1;
      }
    }
    const behind = i > first && length === 0 ? longest(before, tokens, i, last) : undefined;
    if (behind) {
      // `penicillin allergy`, `penicillin-allergic`, `penicillin and sulfa allergies`
      for (let k = i - 1; k >= Math.max(first, i - behind.reach); k--) {
        const word = tokens[k]!.norm;
        if (ENDS.has(word) || word === ':' || word === 'with' || word === 'no' || word === 'for') break;
        marked[k - first] = 1;
      }
    }
  }
  return marked;
}
