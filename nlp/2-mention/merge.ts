import type { MentionType } from '../model.js';
import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';
import { partsOf } from './edges.js';
import { DRUG_FORMS, NEUTRAL_TAIL } from './mention-words.js';
import { asSeen, SEEN_SCORE, trustOf } from './trust.js';

/** A tagged span displaces a lexicon phrase that modifies its head from this likelihood on. */
const DISPLACING_SCORE = 0.6;
/** The same for a phrase of another type: the lexicon knows what CLL is. */
const CONTRADICTING_SCORE = 0.7;
const MAX_MERGED_TOKENS = 10;

/** Types between which the lexicon and the tagger do not contradict each other. */
export function compatible(a: MentionType, b: MentionType): boolean {
  if (a === b) return true;
  const group = (type: MentionType): number =>
    type === 'diagnosis' || type === 'symptom'
      ? 1
      : type === 'procedure' || type === 'test' || type === 'vital-sign' || type === 'device'
        ? 2
        : type === 'medication' || type === 'allergen' || type === 'vaccine'
          ? 3
          : 4;
  return group(a) === group(b);
}

/** One list without overlaps, in order. */
export function mergeCandidates(
  lexicon: readonly Candidate[],
  tagged: readonly Candidate[],
  context: ContextJudge,
): Candidate[] {
  const kept: Candidate[] = [];
  const gone = new Set<Candidate>();
  for (const span of tagged.flatMap((candidate) => partsOf(candidate, context))) {
    const inside = lexicon.filter((hit) => hit.first < span.last && span.first < hit.last && !gone.has(hit));
    if (inside.length === 0) {
      const trust = trustOf(span, context);
      if (trust) kept.push(trust === 'believed' ? span : seen(span));
      continue;
    }
    if (inside.length > 1) {
      // Several names in one span: the lexicon's boundaries stand.
      continue;
    }
    const hit = inside[0]!;
    const agree = compatible(hit.type, span.type);
    const covers = hit.first >= span.first && hit.last <= span.last;
    // "PSH: R THA, C5-6 ACDF": what such a section lists is what the lexicon says.
    if (!agree && context.atHome(hit.type) && !context.atHome(span.type)) continue;
    if (covers && isNameOfItsOwn(hit, context)) continue;
    const modifies = covers && hit.last < span.last && !isNeutral(context, hit.last, span.last);
    if (
      modifies ||
      (covers &&
        !agree &&
        (hit.last - hit.first < span.last - span.first || isTestNotDrug(hit, span, context)))
    ) {
      // The head of an English name is its last word: in "iron deficiency" and "weight management" the phrase of
      // the lexicon only modifies another name. And a level of a substance is no drug.
      if (
        span.score >= (agree ? DISPLACING_SCORE : CONTRADICTING_SCORE) &&
        trustOf(span, context) === 'believed'
      ) {
        gone.add(hit);
        kept.push(span);
      }
      continue;
    }
    if (!agree) continue;
    gone.add(hit);
    kept.push(joined(hit, span, context));
  }
  for (const hit of lexicon) if (!gone.has(hit)) kept.push(hit);
  const chosen = withoutOverlaps(kept);
  return chosen.filter(
    (one, i) => !(one.type === 'medication' && i > 0 && context.inBrackets(one.first, one.last)),
  );
}

/** A span of which no fact is made. */
export function seen(span: Candidate): Candidate {
  return { ...span, score: Math.min(span.score, SEEN_SCORE), because: asSeen(span.because) };
}

/** One candidate of a phrase and the span that agrees with it. Drug names keep the lexicon's boundaries. */
export function joined(hit: Candidate, span: Candidate, context: ContextJudge): Candidate {
  const wide = hit.type !== 'medication' && hit.type !== 'allergen';
  const first =
    wide || isPrefix(span.first, hit.first, context) ? Math.min(hit.first, span.first) : hit.first;
  // A phrase of several words is a whole name: only modifiers before it may join.
  const last = wide && hit.last - hit.first === 1 ? Math.max(hit.last, span.last) : hit.last;
  const keep = last - first > MAX_MERGED_TOKENS;
  return {
    ...hit,
    first: keep ? hit.first : first,
    last: keep ? hit.last : last,
    score: Math.max(hit.score, 1 - (1 - hit.score) * (1 - span.score)),
    because: `${hit.because}, ${span.because}`,
    source: 'both',
  };
}

/** "5-" and "methyl-" before a drug are part of its name: they touch it. */
function isPrefix(first: number, last: number, { tokens }: ContextJudge): boolean {
  if (last - first !== 2 || tokens[first + 1]!.text !== '-') return false;
  return tokens[first]!.end === tokens[first + 1]!.start && tokens[first + 1]!.end === tokens[last]!.start;
}

/** Words after a name that do not make another name of it: "hemoglobin levels", "CKD stage 3". */
function isNeutral(context: ContextJudge, from: number, to: number): boolean {
  for (let t = from; t < to; t++) {
    const { norm } = context.tokens[t]!;
    if (!NEUTRAL_TAIL.has(norm) && !/^[^a-z]+$/.test(norm)) return false;
  }
  return true;
}

/** "Tab Telma 40" is a drug whatever it is taken for, and what is measured in "HR 96 NSR" ends before its value. */
function isNameOfItsOwn({ type, first, last }: Candidate, context: ContextJudge): boolean {
  if (type === 'medication') return DRUG_FORMS.has(context.tokens[first - 1]?.norm ?? '');
  return type === 'vital-sign' && /^\d/.test(context.tokens[last]?.norm ?? '');
}

/** "Potassium was 4.2" is no drug, whatever the lexicon lists potassium as. */
function isTestNotDrug(hit: Candidate, span: Candidate, context: ContextJudge): boolean {
  return (
    hit.type === 'medication' &&
    span.type === 'test' &&
    context.valueFollows(hit.last) &&
    !context.strengthFollows(hit.last)
  );
}

function startOf({ first, core }: Candidate): number {
  return Math.min(first, core?.first ?? first);
}

function endOf({ last, core }: Candidate): number {
  return Math.max(last, core?.last ?? last);
}

export function withoutOverlaps(candidates: readonly Candidate[]): Candidate[] {
  const ranked = [...candidates].sort(
    (a, b) => b.score - a.score || b.last - b.first - (a.last - a.first) || a.first - b.first,
  );
  const chosen: Candidate[] = [];
  for (const candidate of ranked) {
    if (!chosen.some((other) => startOf(other) < endOf(candidate) && startOf(candidate) < endOf(other)))
      chosen.push(candidate);
  }
  return chosen.sort((a, b) => a.first - b.first);
}
