import { tokenize } from '../1-segment/tokens.js';
import type { Token } from '../model.js';
import { readRules } from '../rules/load.js';

export interface AllergenRow {
  readonly scope: 'after' | 'before';
  readonly cues: readonly string[];
  readonly example: string;
}

const after = new Map<string, string[][]>();
const before = new Map<string, string[][]>();
for (const row of readRules<AllergenRow[]>('allergens.json')) {
  for (const cue of row.cues) {
    const words = tokenize(cue).map((token) => token.norm);
    const table = row.scope === 'after' ? after : before;
    const known = table.get(words[0]!);
    if (known) known.push(words);
    else table.set(words[0]!, [words]);
  }
}

function matchedLength(
  table: Map<string, string[][]>,
  tokens: readonly Token[],
  at: number,
  last: number,
): number {
  let best = 0;
  for (const words of table.get(tokens[at]!.norm) ?? []) {
    if (at + words.length > last || words.length <= best) continue;
    if (words.every((word, k) => tokens[at + k]!.norm === word)) best = words.length;
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
    const length = matchedLength(after, tokens, i, last);
    if (length > 0) {
      for (let k = i + length; k < Math.min(last, i + length + AFTER_MAX_TOKENS); k++) {
        if (ENDS.has(tokens[k]!.norm)) break;
        marked[k - first] = 1;
      }
    }
    if (i > first && matchedLength(before, tokens, i, last) > 0) {
      // `penicillin allergy`, `penicillin-allergic`, `penicillin and sulfa allergies`
      for (let k = i - 1; k >= Math.max(first, i - 4); k--) {
        const word = tokens[k]!.norm;
        if (ENDS.has(word) || word === ':' || word === 'with' || word === 'no' || word === 'for') break;
        marked[k - first] = 1;
      }
    }
  }
  return marked;
}
