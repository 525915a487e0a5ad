#!/usr/bin/env node
// Builds nlp/rules/lexicon/lexicon.bin from tables of official terminology and from our own rows beside it.
//   node nlp/rules/build-lexicon.mjs FOLDER_OF_TABLES      (after `npm run build`)
// The folder holds rxnorm, icd10cm, icd10cm_index, snomed_gps, cvx and loinc tables (.tsv.gz). Every code of our
// own rows must stand in a table, else the build fails. What may be stated and under which terms: NOTICE.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { createLexiconBuilder } from '../../dist/nlp/2-mention/lexicon-builder.js';
import { encodeLexicon } from '../../dist/nlp/2-mention/lexicon-file.js';
import { addCuratedRows } from '../../dist/nlp/terminology/curated.js';
import { addIcd10cm } from '../../dist/nlp/terminology/icd10cm.js';
import { addRxNorm } from '../../dist/nlp/terminology/rxnorm.js';
import { addSnomed } from '../../dist/nlp/terminology/snomed.js';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2];
if (!folder) {
  console.error('usage: node nlp/rules/build-lexicon.mjs FOLDER_OF_TABLES');
  process.exit(2);
}

/** Rows of a table as objects by column name. */
function table(name) {
  const [head, ...lines] = gunzipSync(readFileSync(join(folder, `${name}.tsv.gz`)))
    .toString('utf8')
    .trimEnd()
    .split('\n');
  const columns = head.split('\t');
  return lines.map((line) => {
    const cells = line.split('\t');
    return Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? '']));
  });
}

function ownRows(name) {
  return readFileSync(join(here, 'lexicon', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const tables = Object.fromEntries(
  ['rxnorm', 'icd10cm', 'icd10cm_index', 'snomed_gps', 'cvx', 'loinc_seen', 'rxnorm_brand_alias'].map(
    (name) => [name, table(name)],
  ),
);
const builder = createLexiconBuilder({
  ordinaryWords: ownRows('ordinary-words.txt'),
  needsContext: ownRows('needs-context.txt'),
  refused: ownRows('refused-phrases.txt'),
});
const curated = readdirSync(join(here, 'lexicon'))
  .filter((name) => name.endsWith('.tsv'))
  .sort();
const missing = curated.flatMap((name) => addCuratedRows(builder, tables, name, ownRows(name)));
if (missing.length > 0) {
  console.error(`Codes that stand in no table:\n${missing.join('\n')}`);
  process.exit(1);
}
addRxNorm(builder, tables);
// The table's synonyms are the fully specified names.
addSnomed(
  builder,
  tables.snomed_gps.map((row) => ({ ...row, synonyms: '' })),
);
addIcd10cm(builder, tables);
const content = builder.content();
const file = encodeLexicon(content);
writeFileSync(join(here, 'lexicon', 'lexicon.bin'), file);
const byType = {};
for (const entry of content.entries) byType[entry.type] = (byType[entry.type] ?? 0) + 1;
console.log(
  JSON.stringify({
    entries: content.entries.length,
    concepts: content.concepts.length,
    bytes: file.length,
    byType,
  }),
);
