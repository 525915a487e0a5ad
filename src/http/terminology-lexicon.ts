import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type ConceptNames, decodeConceptNames, SYSTEMS } from '../../nlp/2-mention/lexicon-file.js';
import { packageRoot } from '../core/package-root.js';

/** What the code systems that notes are coded with are called. */
const NAMES: Readonly<Record<(typeof SYSTEMS)[number], string>> = {
  'http://www.nlm.nih.gov/research/umls/rxnorm': 'RxNorm',
  'http://snomed.info/sct': 'SNOMED CT',
  'http://hl7.org/fhir/sid/icd-10-cm': 'ICD-10-CM',
  'http://loinc.org': 'LOINC',
  'http://hl7.org/fhir/sid/cvx': 'CVX',
  'http://www.cms.gov/Medicare/Coding/ICD10': 'ICD-10-PCS',
};

/** Names of codes in the systems that notes are coded with: a part of each, or what `terminology load` read. */
export interface LexiconNames {
  /** The system's name; undefined for a system that the lexicon does not code with. */
  systemName(system: string): string | undefined;
  displayOf(system: string, code: string): Promise<string | undefined>;
}

/** @param file of a site's lexicon; the shipped one where not given. Read when first asked. */
export function lexiconNames(file: string | undefined): LexiconNames {
  let names: Promise<ConceptNames> | undefined;
  const numberOf = (system: string) => (SYSTEMS as readonly string[]).indexOf(system);
  const read = async () => {
    const path = file ?? join(packageRoot(), 'nlp', 'rules', 'lexicon', 'lexicon.bin');
    return decodeConceptNames(await promisify(gunzip)(await readFile(path)));
  };
  return {
    systemName: (system) => (numberOf(system) < 0 ? undefined : NAMES[system as (typeof SYSTEMS)[number]]),
    async displayOf(system, code) {
      const number = numberOf(system);
      if (number < 0) return undefined;
      names ??= read();
      try {
        return (await names).displayOf(number, code);
      } catch (error) {
        names = undefined;
        throw error;
      }
    },
  };
}
