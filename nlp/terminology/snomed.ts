// SNOMED CT Global Patient Set: names by semantic tag.
import type { LexiconBuilder } from '../2-mention/lexicon-builder.js';
import type { MentionType } from '../model.js';
import { phraseVariants } from './phrases.js';
import type { SnomedRow } from './tables.js';

export const SNOMED = 'http://snomed.info/sct';

const TYPE_BY_TAG: Readonly<Record<string, MentionType>> = {
  disorder: 'diagnosis',
  finding: 'symptom',
  situation: 'diagnosis',
  procedure: 'procedure',
  'regime/therapy': 'procedure',
  'physical object': 'device',
};
const MAX_NAME_WORDS = 14;
// Findings about how somebody lives are no symptoms.
const SOCIAL =
  /\b(?:employ|labor force|education|school|housing|homeless|lives? (?:in|with|alone)|living|smok|tobacco|alcohol|drink|drug (?:user|misuse)|partner|marital|married|single|divorced|widowed|criminal|social|income|violence|abuse|refugee|military|transport|financial|caregiver|religio|occupation|retired|student|sexual)/i;
// Measurements are tests; the code stage still gives them their procedure code.
const TEST =
  /\b(?:measurement|level|count|test|assay|culture|antigen|antibody|screening (?:test|for)|serology|titer)\b/i;

/** Adds names of SNOMED CT concepts by their semantic tag. */
export function addSnomed(builder: LexiconBuilder, rows: readonly SnomedRow[]): void {
  for (const row of rows) {
    let type = TYPE_BY_TAG[row.type];
    if (type === undefined) continue;
    if (row.type === 'finding' && SOCIAL.test(row.name)) type = 'social';
    if (row.type === 'procedure' && TEST.test(row.name) && !/biopsy|excision|repair/i.test(row.name))
      type = 'test';
    const id = builder.concept(SNOMED, row.code, row.name, row.type);
    for (const name of new Set([row.name, ...row.synonyms.split('|')])) {
      if (name === '' || / \([^)]*\)$/.test(name) || name.split(' ').length > MAX_NAME_WORDS) continue;
      for (const phrase of phraseVariants(name)) builder.phrase(phrase, type, 0, [id]);
    }
  }
}
