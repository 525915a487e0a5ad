import { readRules } from '../rules/load.js';
import type { Clauses } from './clauses.js';
import type { CueRow } from './cues.js';
import { isDosed } from './deeds.js';
import { ACTS, FINDINGS, type Target } from './target.js';
import { MODALS } from './verb-groups.js';

/** One row of `rules/fragments.json`: words of which one in the rest of a fragment says what became of its subject. */
export interface FragmentRow {
  readonly effect: 'negated' | 'planned' | 'past';
  readonly because?: 'stopped';
  readonly words: readonly string[];
  readonly example: string;
}

const rows = readRules<FragmentRow[]>('fragments.json').map((row) => ({
  row: { ...row, scope: 'before', cues: [], types: [...ACTS] } as CueRow,
  words: new Set(row.words),
}));

const NEGATIVE: CueRow = {
  effect: 'negated',
  scope: 'before',
  cues: [],
  types: [...FINDINGS],
  example: '{Delirium}: CAM neg.',
};

const REST_MAX_TOKENS = 9;
const ANSWER_MAX_TOKENS = 5;
/** What has directions is being taken. */
const DIRECTIONS = /^(?:q\d+\w*|bid|tid|qid|od|bd|tds|qds|qd|daily|weekly|nightly|nocte|qhs|qam|prn|\d.*)$/;
/** A verb of its own, or words that begin something else, end what is said of the subject. */
const ENDS =
  /^(?:;|\.|but|and|which|who|then|so|now|he|she|pt|patient|while|when|after|since|because|as|due|given|for|no|not|never|without)$/;

/**
 * Notes drop their verbs: `Pirfenidone - candidate, awaiting LFTs`, `Nintedanib second choice`, `Biopsy too risky`,
 * `Codeine "makes me loopy" - avoid`. Where a drug or a deed opens its sentence and no verb of taking or doing speaks of
 * it, the words behind it tell what became of it.
 */
export function applyFragments(clauses: Clauses, targets: readonly Target[]): void {
  const { tokens, first, last } = clauses;
  for (const [k, target] of targets.entries()) {
    if (FINDINGS.has(target.type)) {
      if (target.first - first <= 1) answered(clauses, target);
      continue;
    }
    if (target.type === 'test' || !opens(clauses, target.first)) continue;
    if (target.hits.some(({ row }) => row.effect !== 'past') || isDosed(target, tokens)) continue;
    const taken = DIRECTIONS.test(tokens[target.last]?.norm ?? '');
    const next = targets.slice(k + 1).find(({ type }) => ACTS.has(type));
    const end = Math.min(last, next?.first ?? last, target.last + REST_MAX_TOKENS);
    for (let i = target.last; i < end; i++) {
      const { norm } = tokens[i]!;
      if (ENDS.test(norm) || MODALS.has(norm)) break;
      const found = rows.find(({ words }) => words.has(norm));
      if (!found || (taken && found.row.effect !== 'past')) continue;
      // `Lisinopril daily, stopped metformin`
      if (tokens[i - 1]!.norm === ',' && hasObject(tokens[i + 1]?.norm)) break;
      const cue = { first: i, last: i + 1, rows: [found.row], text: `rest ${norm}` };
      target.hits.push({ row: found.row, text: cue.text, distance: i - target.last, cue });
      break;
    }
  }
}

/** Whether what stands behind a participle is its object: a word that leads nowhere else. */
function hasObject(norm: string | undefined): boolean {
  return norm !== undefined && /^[a-z]{3,}$/.test(norm) && !LEADS_ON.test(norm);
}

const LEADS_ON =
  /^(?:on|by|due|after|because|in|for|at|as|when|since|last|yesterday|today|lfts|labs|results|family|patient|until|per|and|but|so|if|insurance|appeal)$/;

function opens({ tokens, first }: Clauses, at: number): boolean {
  return (
    at === first ||
    tokens[at - 1]!.norm === ';' ||
    (at - first <= 2 && /^(?:[-•*)]|\d+|\.)$/.test(tokens[at - 1]!.norm))
  );
}

/** `Delirium: CAM neg.`, `Immunocomp: no`: the answer ends the line. */
function answered({ tokens, last }: Clauses, target: Target): void {
  // `PONV nil.`
  if (
    /^(?:nil|none|absent)$/.test(tokens[target.last]?.norm ?? '') &&
    /^[.,;]?$/.test(tokens[target.last + 1]?.norm ?? '')
  )
    target.hits.push({ row: NEGATIVE, text: 'answer nil', distance: 0 });
  if (tokens[target.last]?.norm !== ':' || last - target.last > ANSWER_MAX_TOKENS + 1) return;
  const end = tokens[last - 1]!.norm === '.' ? last - 2 : last - 1;
  if (end <= target.last || !/^(?:neg|negative|none|nil|absent|no|denied|denies)$/.test(tokens[end]!.norm))
    return;
  for (let i = target.last + 1; i < end; i++) if (/^[,;]$/.test(tokens[i]!.norm)) return;
  target.hits.push({ row: NEGATIVE, text: `answer ${tokens[end]!.norm}`, distance: end - target.last });
}
