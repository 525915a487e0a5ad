import { type LexiconConcept, SYSTEMS } from '../2-mention/lexicon-file.js';
import type { Concept } from '../model.js';

/** A concept with how surely the words mean it. */
export interface Scored {
  readonly concept: LexiconConcept;
  readonly score: number;
}

export const EXACT = 0.98;
export const DOUBTFUL = 0.8;
/** Lowest score of a code that is stated at all: measured on coded notes, no code beats a wrong one. */
const THRESHOLD = 0.7;
const MAX_PER_SYSTEM = 3;

/** Best first, one row a concept, few a system, nothing under the threshold. */
export function ranked(scored: readonly Scored[]): Concept[] {
  const best = new Map<LexiconConcept, number>();
  for (const { concept, score } of scored) {
    if (score >= THRESHOLD && score > (best.get(concept) ?? 0)) best.set(concept, score);
  }
  const perSystem = new Map<number, number>();
  return [...best]
    .sort((a, b) => b[1] - a[1])
    .filter(([concept]) => {
      const count = (perSystem.get(concept.system) ?? 0) + 1;
      perSystem.set(concept.system, count);
      return count <= MAX_PER_SYSTEM;
    })
    .map(([concept, score]) => ({
      system: SYSTEMS[concept.system]!,
      code: concept.code,
      display: concept.display,
      score: Math.round(Math.min(score, 1) * 1000) / 1000,
    }));
}
