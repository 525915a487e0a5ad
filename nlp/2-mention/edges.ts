import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';
import { DRUG_FORMS, LEADING, NUMBERED, TRAILING, UNITS } from './mention-words.js';

/** Marks that no name of the tagger's spans across. */
const SEPARATOR = /^(?:[|;:=•→>&#]|\|+)$/;
const EDGE_MARK = /^[^\p{L}]+$/u;

/** The parts of a tagged span between separators, without what does not belong to a name at their edges. */
export function partsOf(candidate: Candidate, context: ContextJudge): Candidate[] {
  const parts: Candidate[] = [];
  let first = candidate.first;
  for (let t = candidate.first; t <= candidate.last; t++) {
    if (t < candidate.last && !separates(context, t)) continue;
    const part = t > first ? trim({ ...candidate, first, last: t }, context) : undefined;
    if (part) parts.push(part);
    first = t + 1;
  }
  return parts;
}

/** A separator, or a dash with white space around it: "Sulfa - hives". */
function separates(context: ContextJudge, t: number): boolean {
  const { tokens } = context;
  const { norm } = tokens[t]!;
  if (SEPARATOR.test(norm)) return true;
  if (!/^[-–—]+$/.test(norm)) return false;
  const before = tokens[t - 1];
  const after = tokens[t + 1];
  return (
    before !== undefined &&
    after !== undefined &&
    before.end < tokens[t]!.start &&
    tokens[t]!.end < after.start
  );
}

const VALUE_PART = /^[\d.,/–<>=%~-]+$/;

/** "BP 98/60" and "INR 2-3" are names with a value; "CA 19-9" is a name. */
function beforeValue(first: number, last: number, context: ContextJudge): number {
  const { tokens } = context;
  let at = last;
  while (at - 1 > first && VALUE_PART.test(tokens[at - 1]!.norm)) at--;
  if (at === last || tokens[at]!.start === tokens[at - 1]!.end) return last;
  return NUMBERED.has(tokens[at - 1]!.norm) || !/^\d/.test(tokens[at]!.norm) ? last : at;
}

/** "5-fluorouracil", "3D-CRT": a number that is part of the word after it. */
function isNumbered(first: number, last: number, { tokens }: ContextJudge): boolean {
  return (
    first + 1 < last && /^\d+$/.test(tokens[first]!.norm) && tokens[first]!.end === tokens[first + 1]!.start
  );
}

/** "Chromogranin A" is a name, "a" an article. */
function isCapital(at: number, { tokens }: ContextJudge): boolean {
  return at > 0 && /^[A-Z]$/.test(tokens[at]!.text);
}

function trim(candidate: Candidate, context: ContextJudge): Candidate | undefined {
  let { first, last } = candidate;
  const norm = (t: number): string => context.tokens[t]!.norm;
  while (
    first < last &&
    (LEADING.has(norm(first)) || (EDGE_MARK.test(norm(first)) && !isNumbered(first, last, context)))
  )
    first++;
  while (last > first) {
    const end = norm(last - 1);
    const joinedNumber =
      last - 2 >= first &&
      (NUMBERED.has(norm(last - 2)) || context.tokens[last - 2]!.end === context.tokens[last - 1]!.start);
    if (
      (TRAILING.has(end) && !isCapital(last - 1, context)) ||
      (UNITS.has(end) && last - first > 1) ||
      (candidate.type === 'medication' && last - first > 1 && DRUG_FORMS.has(end)) ||
      (EDGE_MARK.test(end) && !(joinedNumber && /^\d/.test(end)))
    )
      last--;
    else break;
  }
  if (candidate.type === 'test' || candidate.type === 'vital-sign') last = beforeValue(first, last, context);
  if (first === last) return undefined;
  if (!/\p{L}/u.test(context.words(first, last))) return undefined;
  return { ...candidate, first, last };
}
