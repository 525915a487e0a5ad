import type { Attribute, Token } from '../model.js';
import type { Hit, Target } from './target.js';

/** The nearest cue of an effect. */
export function nearest(hits: readonly Hit[], effect: string): Hit | undefined {
  let best: Hit | undefined;
  for (const hit of hits) {
    if (hit.row.effect === effect && (!best || hit.distance < best.distance)) best = hit;
  }
  return best;
}

/** What is being done with a drug or a procedure: of several such cues the nearest speaks. */
export function nearestAct(hits: readonly Hit[]): Hit | undefined {
  let best: Hit | undefined;
  for (const hit of hits) {
    const effect = hit.row.effect;
    if (effect !== 'current' && effect !== 'planned' && effect !== 'past') continue;
    const nearer = !best || hit.distance < best.distance;
    // `her home glyburide was held`: as near, but the other says more.
    if (nearer || (hit.distance === best!.distance && best!.row.effect === 'current')) best = hit;
  }
  // `was started but he stopped it`: what comes later counts.
  if (best?.row.effect === 'current' && best.row.scope === 'before') {
    const later = hits.find(
      ({ row, cue }) =>
        row.because === 'stopped' && row.scope === 'before' && cue && best?.cue && cue.first > best.cue.first,
    );
    if (later) return later;
  }
  // `Offered doxycycline 100 mg bd, given`: what was offered was done.
  if (best?.row.effect === 'planned' && best.row.scope === 'after' && OFFERED.test(best.text)) {
    const from = best.cue?.last ?? 0;
    const given = hits.find(
      ({ row, text, cue }) =>
        row.effect === 'current' && row.scope === 'before' && cue && cue.first > from && GIVEN.test(text),
    );
    if (given) return given;
  }
  // `he prefers ibuprofen, which he takes daily`
  if (best?.row.effect !== 'current')
    best =
      hits.find(({ row, text, distance }) => row.effect === 'current' && distance <= 1 && WHICH.test(text)) ??
      best;
  // `discuss starting a statin`: what is only thought of does not begin.
  if (best?.cue && best.row.effect === 'current' && BEGINNINGS.test(best.text)) {
    const from = best.cue.first;
    const thought = hits.find(
      ({ row, cue }) =>
        row.effect === 'planned' && row.scope === 'after' && cue && cue.last <= from && from - cue.last <= 2,
    );
    return thought ?? best;
  }
  return best;
}

const OFFERED = /^(?:was |were )?(?:offer|suggest|propos)/;
const GIVEN = /(?:given|administered|received|accepted|taken)$/;

/** A relative clause about what stands right before it. */
export const WHICH = /^(?:which|that)\b/;
/** Cues that begin something, which a condition or a thought before them makes undone. */
export const BEGINNINGS = /^(?:start|begin|initiat|add|tak|us|giv|treat|receiv|switch|chang|on\b)/;

const DONE =
  /^(?:placed|done|performed|completed|created|removed|inserted|repaired|given|received|negative|normal)$/;
const DAY = /^(?:(?:on|in|at) )?(?:\d{1,2} ?[/-] ?(?:\d{1,2} ?[/-] ?)?\d{2,4}\b|(?:19|20)\d\d\b)/;

function daysAfter(tokens: readonly Token[], from: number): string {
  let words = '';
  for (let i = from; i < Math.min(from + 6, tokens.length); i++) words += `${words && ' '}${tokens[i]!.norm}`;
  return words;
}

/** In a plan, what is merely named is planned; a drug with a dose beside it is being taken. */
export function plannedBySection(
  kind: string,
  title: string | undefined,
  target: Target,
  tokens: readonly Token[],
): boolean {
  if (title === 'planned') return true;
  // `AVF placed 11/2022`: what is told of as done, with its day.
  if (DONE.test(tokens[target.last]?.norm ?? '') && DAY.test(daysAfter(tokens, target.last + 1)))
    return false;
  if (kind !== 'plan' && kind !== 'assessment-and-plan' && kind !== 'follow-up') return false;
  if (target.type !== 'medication' && target.type !== 'vaccine') return true;
  for (let i = target.last; i < target.last + 3; i++) {
    if (tokens[i] && /^\d/.test(tokens[i]!.norm)) return false;
  }
  return kind !== 'assessment-and-plan';
}

/** `rhabdomyolysis on simvastatin in 2018`; but `since 2018`. */
export function takenInYear({ last }: Target, tokens: readonly Token[]): boolean {
  return tokens[last]?.norm === 'in' && /^(?:19|20)\d\d$/.test(tokens[last + 1]?.norm ?? '');
}

/** The words that say a drug was stopped or held, as its status. */
export function stopAttribute(hit: Hit, tokens: readonly Token[], text: string): Attribute | undefined {
  if (!hit.cue) return undefined;
  const start = tokens[hit.cue.first]!.start;
  const end = tokens[hit.cue.last - 1]!.end;
  return {
    type: 'status',
    start,
    end,
    text: text.slice(start, end),
    normalized: /\bh[eo]ld/.test(hit.text) ? 'hold' : 'stop',
  };
}

/** `anaphylaxis: epinephrine 0.3 mg`: what has a dose is given. */
export function isDosed({ last }: Target, tokens: readonly Token[]): boolean {
  return (
    /^\d/.test(tokens[last]?.norm ?? '') &&
    /^(?:mg|mcg|g|units?|ml|tabs?|puffs?)$/.test(tokens[last + 1]?.norm ?? '')
  );
}
