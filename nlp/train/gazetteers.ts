import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { tokenize } from '../1-segment/tokens.js';
import {
  NAME_KIND as KIND,
  MAX_PHRASE_WORDS,
  phraseNext,
  phraseStart,
  wordKey,
} from '../2-mention/gazetteer.js';
import { hashString } from '../2-mention/hash.js';
import { foldDigits } from '../2-mention/words.js';
import { readTable } from '../eval/corpora.js';

export const KINDS = 15;

export interface Names {
  /** Distinct phrase hashes with their kinds; beginnings of longer phrases have kinds 0. */
  readonly phrases: Map<number, number>;
  /** By word (hash of the digit-folded normal form): how many names of each kind hold it. */
  readonly words: Map<number, Float64Array>;
}

const STOP = new Set([
  'of',
  'the',
  'and',
  'or',
  'in',
  'with',
  'to',
  'by',
  'for',
  'on',
  'due',
  'other',
  'unspecified',
  'a',
]);

/** Normal forms of a name without marks and hyphens. */
export function nameWords(name: string): string[] {
  return tokenize(name)
    .map((token) => token.norm)
    .filter((norm) => /[\p{L}\p{N}]/u.test(norm));
}

/** Gathers names from the open terminologies in `terminology` and the procedure names in `corpora`. */
export function gatherNames(terminology: string, corpora: string): Names {
  const phrases = new Map<number, number>();
  const words = new Map<number, Float64Array>();
  const seen = new Set<string>();
  const add = (name: string, kind: number): void => {
    const parts = nameWords(name);
    if (parts.length === 0 || parts.length > MAX_PHRASE_WORDS) return;
    if (parts.length === 1 && (parts[0]!.length < 3 || /^\d/.test(parts[0]!) || STOP.has(parts[0]!))) return;
    const key = `${kind} ${parts.join(' ')}`;
    if (seen.has(key)) return;
    seen.add(key);
    let hash = phraseStart();
    parts.forEach((part, i) => {
      hash = phraseNext(hash, wordKey(part));
      phrases.set(hash, (phrases.get(hash) ?? 0) | (i === parts.length - 1 ? kind : 0));
      if (STOP.has(part)) return;
      const id = hashString(foldDigits(part));
      let counts = words.get(id);
      if (!counts) {
        counts = new Float64Array(KINDS);
        words.set(id, counts);
      }
      counts[Math.log2(kind)] = counts[Math.log2(kind)]! + 1;
    });
  };
  const table = (name: string): Record<string, string>[] => {
    const file = join(terminology, name);
    if (!existsSync(file)) throw new Error(`the tagger's names need ${name} in the terminology folder`);
    return readTable(file);
  };
  for (const row of table('rxnorm.tsv.gz')) {
    if (!/^(IN|PIN|MIN|BN)$/.test(row.type!)) continue;
    for (const name of [row.name!, ...row.synonyms!.split('|')]) if (name) add(name, KIND.drug);
  }
  for (const row of table('rxnorm_brand_alias.tsv.gz')) add(row.brand!, KIND.drug);
  const bySnomed: Record<string, number> = {
    disorder: KIND.disorder,
    finding: KIND.finding,
    event: KIND.finding,
    procedure: KIND.procedure,
    'regime/therapy': KIND.procedure,
    'body structure': KIND.body,
    'morphologic abnormality': KIND.morphology,
    organism: KIND.organism,
    'observable entity': KIND.observable,
    substance: KIND.substance,
    'medicinal product': KIND.substance,
    product: KIND.substance,
  };
  for (const row of table('snomed_gps.tsv.gz')) {
    const kind = bySnomed[row.type!];
    if (!kind) continue;
    add(row.name!, kind);
    const body = /^(.*) structure$/.exec(row.name!);
    if (body && kind === KIND.body) add(body[1]!, kind);
    const of = /^(?:Structure|Entire|Disorder|Procedure) (?:of|on) (?:the )?(.*)$/.exec(row.name!);
    if (of) add(of[1]!, KIND.body);
  }
  const icdKind = (code: string): number =>
    /^R/.test(code)
      ? KIND.icdSymptom
      : /^[ST]/.test(code)
        ? KIND.icdInjury
        : /^[A-QUM]/.test(code)
          ? KIND.icd
          : 0;
  for (const row of table('icd10cm.tsv.gz')) {
    const kind = icdKind(row.code!);
    if (!kind) continue;
    for (const name of [row.name!, ...row.synonyms!.split('|')]) {
      const plain = name
        .replace(/,? (unspecified|NOS|not elsewhere classified).*$/i, '')
        .replace(/\(.*?\)/g, ' ');
      add(plain, kind);
    }
  }
  for (const row of table('icd10cm_index.tsv.gz')) {
    if (row.kind === 'drug') {
      add(row.term!.replace(/\(.*?\)/g, ' ').split(',')[0]!, KIND.drugTable);
      continue;
    }
    if (row.kind !== 'index') continue;
    const kind = icdKind(row.code!);
    if (!kind) continue;
    const term = row.term!.replace(/\(.*?\)/g, ' ');
    const parts = term
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
    // "Abscess, brain" is written as "brain abscess"; the head word alone is a name too.
    for (const head of parts[0]!.split(/,\s*/)) add(head, kind);
    if (parts.length === 2) add(`${parts[1]} ${parts[0]}`, kind);
    if (parts.length === 3) add(`${parts[2]} ${parts[1]} ${parts[0]}`, kind);
  }
  for (const row of table('loinc_seen.tsv.gz')) {
    const name = row.name!.split(/[[(]| in | - /)[0]!;
    if (nameWords(name).length <= 4) add(name, KIND.test);
  }
  const procedures = join(corpora, 'procedure-linking', 'medprocner_tsv_train_subtask2_translated.tsv');
  if (existsSync(procedures)) {
    for (const row of readTable(procedures)) add((row.text_translated ?? '').trim(), KIND.clinicalProcedure);
  }
  return { phrases, words };
}
