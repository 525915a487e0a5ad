import { readRules } from '../rules/load.js';
import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';

/** `rules/hash-fractures.json`: what "#" before a bone says in notes of surgeons. */
interface HashRules {
  /** Words for a bone or a part of one, and the name of its fracture. */
  readonly bones: readonly {
    readonly words: readonly string[];
    readonly reads: string;
    /** A joint as well: at the beginning of a line it is rather the title of a problem. */
    readonly joint?: true;
    readonly example: string;
  }[];
  /** Words that may stand between the mark and the bone. */
  readonly before: readonly string[];
  /** Words that may follow; any other makes "#" a number sign or the mark of a list: "# hip pain". */
  readonly after: readonly string[];
}

const rules = readRules<HashRules>('hash-fractures.json');
const before = new Set(rules.before);
const after = new Set(rules.after);
const bones = new Map(rules.bones.flatMap((bone) => bone.words.map((words) => [words, bone] as const)));
const MAX_BONE_TOKENS = Math.max(...[...bones.keys()].map((words) => words.split(' ').length));
const MAX_BEFORE = 3;
const SCORE = 0.85;

/** The candidates with the fractures that "#" and a bone say: "#NOF L", "# R distal radius". Looks at marks alone. */
export function withHashFractures(candidates: Candidate[], context: ContextJudge): Candidate[] {
  const { tokens } = context;
  let result = candidates;
  for (let at = 0; at < tokens.length; at++) {
    if (tokens[at]!.text !== '#') continue;
    const found = fractureAt(context, at);
    if (!found) continue;
    result = result.filter(({ first, last }) => last <= found.first || first >= found.last);
    result.push(found);
  }
  return result === candidates ? candidates : result.sort((a, b) => a.first - b.first);
}

function fractureAt(context: ContextJudge, at: number): Candidate | undefined {
  const { tokens } = context;
  let first = at + 1;
  while (first < tokens.length && first <= at + MAX_BEFORE && before.has(tokens[first]!.norm)) first++;
  for (let last = Math.min(tokens.length, first + MAX_BONE_TOKENS); last > first; last--) {
    const bone = bones.get(context.words(first, last));
    if (!bone) continue;
    const next = tokens[last];
    if (next && /^[a-z]/.test(next.norm) && !after.has(next.norm)) return undefined;
    if (bone.joint && at === 0) return undefined;
    return {
      first: at,
      last,
      type: 'diagnosis',
      score: SCORE,
      because: 'rule:hash-fracture',
      reads: bone.reads,
      source: 'lexicon',
    };
  }
  return undefined;
}
