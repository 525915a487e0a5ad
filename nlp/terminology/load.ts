import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createLexiconBuilder } from '../2-mention/lexicon-builder.js';
import { decodeLexicon, encodeLexicon, SYSTEMS } from '../2-mention/lexicon-file.js';
import { nlpRoot } from '../rules/load.js';
import { addIcd10cm } from './icd10cm.js';
import { addLoinc } from './loinc.js';
import {
  linesOf,
  type ReleaseFile,
  readIcd10cmIndex,
  readIcd10cmOrder,
  readLoinc,
  readRxNorm,
  readSnomed,
  releaseFileOf,
} from './releases.js';
import { addRxNorm } from './rxnorm.js';
import { addSnomed } from './snomed.js';
import type { Icd10cmIndexRow, Icd10cmRow } from './tables.js';

export interface LoadedSystem {
  readonly system: string;
  /** Concepts that its files held. */
  readonly read: number;
  readonly files: readonly string[];
}

export interface SiteLexicon {
  readonly file: Buffer;
  readonly systems: readonly LoadedSystem[];
  /** In the whole lexicon, the shipped rows included. */
  readonly concepts: number;
  readonly phrases: number;
}

/** Rows of `nlp/rules/lexicon/NAME`, without comments. */
export function ownRows(name: string): string[] {
  return readFileSync(join(nlpRoot(), 'rules', 'lexicon', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/**
 * Builds a site's lexicon: the shipped one with the official files read on top. Our own rows keep the first word
 * on what a phrase means; the files add names and codes.
 * @param paths release files; others are ignored (`releaseFileOf`).
 * @param progress called with the file that is being read.
 */
export async function buildSiteLexicon(
  paths: readonly string[],
  progress: (path: string) => void = () => {},
): Promise<SiteLexicon> {
  const builder = createLexiconBuilder({
    ordinaryWords: ownRows('ordinary-words.txt'),
    needsContext: ownRows('needs-context.txt'),
    refused: ownRows('refused-phrases.txt'),
  });
  builder.include(decodeLexicon(readFileSync(join(nlpRoot(), 'rules', 'lexicon', 'lexicon.bin'))));
  const of = (kind: ReleaseFile): string[] => paths.filter((path) => releaseFileOf(basename(path)) === kind);
  const lines = (path: string): AsyncIterable<string> => {
    progress(path);
    return linesOf(path);
  };
  const systems: LoadedSystem[] = [];

  const conso = of('rxnorm-names').at(-1);
  if (conso) {
    const relations = of('rxnorm-relations').at(-1);
    const rows = await readRxNorm(lines(conso), relations ? lines(relations) : undefined);
    addRxNorm(builder, { rxnorm: rows });
    systems.push({ system: SYSTEMS[0], read: rows.length, files: relations ? [conso, relations] : [conso] });
  }
  const concepts = of('snomed-concepts');
  const descriptions = of('snomed-descriptions');
  if (concepts.length > 0 && descriptions.length > 0) {
    const rows = await readSnomed(joined(concepts.map(lines)), descriptions.map(lines));
    addSnomed(builder, rows);
    systems.push({ system: SYSTEMS[1], read: rows.length, files: [...concepts, ...descriptions] });
  }
  const order: Icd10cmRow[] = [];
  for (const path of of('icd10cm-order')) order.push(...(await readIcd10cmOrder(lines(path))));
  const index: Icd10cmIndexRow[] = [];
  for (const path of of('icd10cm-index')) index.push(...(await readIcd10cmIndex(lines(path))));
  if (order.length > 0) {
    addIcd10cm(builder, { icd10cm: order, icd10cm_index: index, snomed_gps: [] });
    systems.push({
      system: SYSTEMS[2],
      read: order.length,
      files: [...of('icd10cm-order'), ...of('icd10cm-index')],
    });
  }
  const loinc = of('loinc').at(-1);
  if (loinc) {
    const rows = await readLoinc(lines(loinc));
    addLoinc(builder, rows, ownRows('loinc-axes.txt'));
    systems.push({ system: SYSTEMS[3], read: rows.length, files: [loinc] });
  }
  const content = builder.content();
  return {
    file: encodeLexicon(content),
    systems,
    concepts: content.concepts.length,
    phrases: content.entries.length,
  };
}

/** Several files one after the other. */
async function* joined(sources: readonly AsyncIterable<string>[]): AsyncGenerator<string> {
  for (const source of sources) yield* source;
}
