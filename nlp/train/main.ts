/**
 * `npm run train:nlp -- CORPORA [TERMINOLOGY]`: trains the tagger that the package ships, from open sets only,
 * and writes `nlp/models/tagger.bin.gz`. The same input and code give the same bytes.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeTagger } from '../2-mention/tagger-file.js';
import { nlpRoot } from '../rules/load.js';
import {
  BASE_PLANS,
  buildTables,
  Featurizer,
  FINAL_PLAN,
  Hinter,
  packTagger,
  readCorpora,
  terminologyBeside,
  trainBases,
  trainingSentences,
  trainModel,
} from './tagger-trainer.js';

const [folder, terminology = folder ? terminologyBeside(folder) : ''] = process.argv.slice(2);
if (!folder || !existsSync(folder) || !existsSync(terminology)) {
  process.stderr.write(
    'usage: npm run train:nlp -- CORPORA [TERMINOLOGY]   (folders of the open sets and of the code tables)\n',
  );
  process.exit(2);
}
const began = Date.now();
const say = (text: string): void => {
  process.stdout.write(`${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
};
const corpora = readCorpora(folder);
say(`${corpora.sentences.length} sentences read`);
const tables = buildTables(corpora, terminology, folder);
say(`${tables.names.phrases.size} phrases, ${tables.lexical.hashes.length} words`);
const featurizer = new Featurizer(tables);
const bases = trainBases(corpora, featurizer, say);
const final = trainModel(
  FINAL_PLAN,
  trainingSentences(FINAL_PLAN, corpora.caseReports, featurizer, new Hinter(bases)),
);
say(`${FINAL_PLAN.name}: ${final.hashes.length} features`);
const parts = packTagger([...BASE_PLANS, FINAL_PLAN], [...bases, final], tables, {
  trained: [...BASE_PLANS, FINAL_PLAN].map((plan) => ({
    model: plan.name,
    types: plan.types,
    options: plan.options,
  })),
});
const file = encodeTagger(parts);
writeFileSync(join(nlpRoot(), 'models', 'tagger.bin.gz'), file);
say(`${parts.features.length} rows of ${parts.columns}, ${(file.length / 1e6).toFixed(2)} MB`);
