import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';
import { OPERATION_HEADS, OPERATION_PREFIXES } from './mention-words.js';

/** `myomectomy`, `herniorrhaphy`, `cystotomy`: words that say what was done whatever stands before them. */
const OPERATION_ENDING = /(?:ectom|otom|ostom|plast|rrhaph|pex|centes|desis)(?:y|ies|is|es)?$/;

/**
 * A finding before the word for an operation is what was operated on: "right inguinal hernia repair" is one procedure
 * and no hernia. Findings and the words behind them become one candidate; what the tagger made of those alone goes.
 */
export function asOperations(candidates: Candidate[], context: ContextJudge): Candidate[] {
  let changed = false;
  let until = 0;
  const result: Candidate[] = [];
  for (const candidate of candidates) {
    // The head alone, which belongs to the operation before it.
    if (candidate.first < until) continue;
    const { type, last } = candidate;
    if ((type === 'diagnosis' || type === 'symptom') && isOperation(context, last)) {
      const first = OPERATION_PREFIXES.has(context.tokens[candidate.first - 1]?.norm ?? '')
        ? candidate.first - 1
        : candidate.first;
      const { core: _core, ...whole } = candidate;
      result.push({
        ...whole,
        first,
        last: last + 1,
        type: 'procedure',
        because: `${candidate.because} as what was operated on`,
      });
      until = last + 1;
      changed = true;
    } else result.push(candidate);
  }
  return changed ? result : candidates;
}

function isOperation({ tokens }: ContextJudge, at: number): boolean {
  const token = tokens[at];
  // "Hernia, repair tomorrow" stands apart, "hernia-repair" does not.
  if (!token || token.norm.length < 5) return false;
  return OPERATION_HEADS.has(token.norm) || OPERATION_ENDING.test(token.norm);
}
