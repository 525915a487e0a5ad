import type { Concept, Mention } from '../model.js';
import { readRules } from '../rules/load.js';

/** One row of `rules/code-units.json`: what LOINC names measure, and units in which that is never given. */
export interface UnitRow {
  readonly property: string;
  /** Parts of LOINC names that state the property. */
  readonly names: readonly string[];
  /** Parts of UCUM units of other properties. */
  readonly units: readonly string[];
  readonly example: string;
}

const rows = readRules<UnitRow[]>('code-units.json');

/**
 * Whether a code of LOINC can hold the mention's unit: a mass concentration is not in umol/L, a count of blood not per
 * field of a microscope. A mention without unit contradicts none.
 */
export function fitsUnit(concept: Concept, mention: Mention): boolean {
  const unit = mention.attributes.find((each) => each.type === 'unit');
  if (!unit) return true;
  const written = unit.normalized ?? unit.text;
  return !rows.some(
    ({ names, units }) =>
      names.some((name) => concept.display.includes(name)) && units.some((each) => written.includes(each)),
  );
}
