import type { MentionType, SectionKind } from '../model.js';
import { readRules } from '../rules/load.js';
import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';

/** One row of `rules/senses.json`: where words that usually name one thing say something else. */
export interface SenseRow {
  /** Norms of the words, separated by blanks; several of them by `|`. */
  readonly words: string;
  /** What they say here. */
  readonly means: string;
  /** The usual meaning: only mentions of these types are put right. */
  readonly not: readonly MentionType[];
  /** What such a mention is here; no mention at all where absent. */
  readonly type?: MentionType;
  /** The plain name of what they say, by which it is coded; with `type`, of the usual types or another. */
  readonly reads?: string;
  /** Patterns of whole norms. One of the tokens there must fit: of the next two before and after, of eight either side. */
  readonly before?: string;
  readonly after?: string;
  readonly near?: string;
  readonly sections?: readonly SectionKind[];
  /** Whether a number follows the words or not. */
  readonly value?: boolean;
  /** Has the words in this sense. */
  readonly example: string;
  /** Has them in the usual one. */
  readonly unlike: string;
}

interface Sense {
  readonly row: SenseRow;
  readonly before: RegExp | undefined;
  readonly after: RegExp | undefined;
  readonly near: RegExp | undefined;
}

const BESIDE_TOKENS = 2;
const NEAR_TOKENS = 8;

const senses = new Map<string, Sense[]>();
for (const row of readRules<SenseRow[]>('senses.json')) {
  const sense = { row, before: whole(row.before), after: whole(row.after), near: whole(row.near) };
  for (const words of row.words.split('|')) {
    const of = senses.get(words);
    if (of) of.push(sense);
    else senses.set(words, [sense]);
  }
}

function whole(pattern: string | undefined): RegExp | undefined {
  return pattern === undefined ? undefined : new RegExp(`^(?:${pattern})$`);
}

/** The candidates without those whose words say something else here: "95 % on RA" is no rheumatoid arthritis. */
export function bySense(candidates: readonly Candidate[], context: ContextJudge): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of candidates) {
    const row = otherSense(candidate, context);
    if (!row) kept.push(candidate);
    else if (row.type)
      kept.push({
        ...candidate,
        type: row.type,
        because: `${candidate.because} as ${row.means}`,
        ...(row.reads && { reads: row.reads }),
      });
  }
  return kept;
}

/** Whether words of a type have here a sense that names something else: "AS (HLA-B27+)" is a finding for certain. */
export function isNamedOtherwise(
  first: number,
  last: number,
  type: MentionType,
  context: ContextJudge,
): boolean {
  return otherSense({ first, last, type }, context)?.reads !== undefined;
}

function otherSense(
  { first, last, type }: Pick<Candidate, 'first' | 'last' | 'type'>,
  context: ContextJudge,
): SenseRow | undefined {
  const { tokens, section } = context;
  for (const { row, before, after, near } of senses.get(context.words(first, last)) ?? []) {
    if (!row.not.includes(type)) continue;
    if (row.sections && !row.sections.includes(section)) continue;
    if (row.value !== undefined && context.valueFollows(last) !== row.value) continue;
    const fits = (pattern: RegExp | undefined, from: number, to: number): boolean => {
      if (!pattern) return true;
      for (let t = Math.max(0, from); t < Math.min(to, tokens.length); t++)
        if ((t < first || t >= last) && pattern.test(tokens[t]!.norm)) return true;
      return false;
    };
    if (!fits(before, first - BESIDE_TOKENS, first)) continue;
    if (!fits(after, last, last + BESIDE_TOKENS)) continue;
    if (fits(near, first - NEAR_TOKENS, last + NEAR_TOKENS)) return row;
  }
  return undefined;
}
