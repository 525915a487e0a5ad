import type { CodeableConcept } from '../core/resource.js';
import { attribute, type Fact } from './fact.js';

export const SNOMED = 'http://snomed.info/sct';

/** A CodeableConcept of one SNOMED CT code. */
export function snomed(code: string, display: string, text?: string): CodeableConcept {
  return { coding: [{ system: SNOMED, code, display }], ...(text && { text }) };
}

const SIDES: Readonly<Record<string, string>> = {
  '7771000': 'Left',
  '24028007': 'Right',
  '51440002': 'Right and left',
};

/** Body site and side, as far as the words gave them; the words are the text. */
export function bodySite(fact: Fact): CodeableConcept | undefined {
  const site = attribute(fact, 'body-site');
  const side = attribute(fact, 'laterality');
  if (!site && !side) return undefined;
  const text = [side?.text, site?.text].filter((x) => x !== undefined).join(' ');
  const coding: { system: string; code: string; display?: string }[] = [];
  if (site?.normalized && /^\d{6,18}$/.test(site.normalized))
    coding.push({ system: SNOMED, code: site.normalized });
  if (side?.normalized && SIDES[side.normalized]) {
    coding.push({ system: SNOMED, code: side.normalized, display: SIDES[side.normalized] });
  }
  return coding.length > 0 ? { coding, text } : { text };
}
