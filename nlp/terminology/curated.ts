// Our own rows: the words clinicians use, each with codes that must stand in a table.
import type { LexiconBuilder } from '../2-mention/lexicon-builder.js';
import { ENTRY_TYPES, FLAG } from '../2-mention/lexicon-file.js';
import type { MentionType } from '../model.js';
import type { CodeRow, TerminologyTables } from './tables.js';

const SYSTEM: Readonly<
  Record<string, readonly [string, 'rxnorm' | 'snomed_gps' | 'icd10cm' | 'loinc_seen' | 'cvx']>
> = {
  rxn: ['http://www.nlm.nih.gov/research/umls/rxnorm', 'rxnorm'],
  sct: ['http://snomed.info/sct', 'snomed_gps'],
  icd: ['http://hl7.org/fhir/sid/icd-10-cm', 'icd10cm'],
  loinc: ['http://loinc.org', 'loinc_seen'],
  cvx: ['http://hl7.org/fhir/sid/cvx', 'cvx'],
};
const indexes = new WeakMap<readonly CodeRow[], Map<string, CodeRow>>();

function find(rows: readonly CodeRow[], code: string): CodeRow | undefined {
  let index = indexes.get(rows);
  if (!index) {
    index = new Map(rows.map((row) => [row.code, row]));
    indexes.set(rows, index);
  }
  return index.get(code);
}

/**
 * Columns: words (alternatives with |), type, flags (comma), codes (`sct:1 icd:A1`), example sentence.
 * Returns the codes that stand in no table.
 */
export function addCuratedRows(
  builder: LexiconBuilder,
  tables: TerminologyTables,
  file: string,
  lines: readonly string[],
): string[] {
  const missing: string[] = [];
  for (const line of lines) {
    const [words = '', type = '', flagNames = '', codes = ''] = line.split('\t');
    if (!(ENTRY_TYPES as readonly string[]).includes(type))
      throw new Error(`${file}: a row needs words and type: ${line}`);
    const ids: number[] = [];
    for (const item of codes.split(' ').filter(Boolean)) {
      const [prefix = '', code = ''] = item.split(':');
      const system = SYSTEM[prefix];
      const row = system && find(tables[system[1]], code);
      if (!row) missing.push(`${file}: ${words}: ${item}`);
      else
        ids.push(
          builder.concept(
            system[0],
            code,
            prefix === 'rxn' && row.type === 'IN'
              ? row.name.charAt(0).toLowerCase() + row.name.slice(1)
              : row.name,
            row.type,
          ),
        );
    }
    let flags = 0;
    for (const name of flagNames.split(',').filter(Boolean)) {
      if (!(name in FLAG)) throw new Error(`${file}: unknown flag ${name}`);
      flags |= FLAG[name as keyof typeof FLAG];
    }
    for (const phrase of words.split('|')) builder.phrase(phrase.trim(), type as MentionType, flags, ids);
  }
  return missing;
}
