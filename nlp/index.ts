import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { segment } from './1-segment/index.js';
import { mentionStage } from './2-mention/index.js';
import { loadLexiconData, setLexiconFile, takeLexiconData } from './2-mention/lexicon.js';
import type { LexiconData } from './2-mention/lexicon-file.js';
import { loadWeights, takeWeights } from './2-mention/tagger.js';
import type { TaggerFile } from './2-mention/tagger-file.js';
import { type CuePhrases, loadCuePhrases, takeCuePhrases } from './3-assertion/cues.js';
import { headerless } from './3-assertion/headerless.js';
import { assertion } from './3-assertion/index.js';
import { attributeStage } from './4-attribute/index.js';
import { core } from './5-code/core.js';
import { gate } from './5-code/gate.js';
import { codeStage } from './5-code/index.js';
import { createPipeline, type NlpStage, type Pipeline } from './pipeline.js';
import { nlpRoot } from './rules/load.js';

export type { AnnotatedText, Annotation, DocumentContext, Mention } from './model.js';
export type { Pipeline } from './pipeline.js';

export interface ClinicalPipelineOptions {
  /** Stages to use in place of the shipped ones of the same name, for evaluation. */
  readonly replace?: readonly NlpStage[];
  /** File of a site's lexicon (`cenote terminology load`); the shipped one where not given. */
  readonly lexicon?: string | undefined;
  /** Of another thread (`sharedWeights` of the same lexicon), so that memory holds them once; read from the package where not given. */
  readonly weights?: SharedWeights | undefined;
  /** Number of this thread, by which what it takes of the weights' memory is freed once it has ended (`freeAreas`). */
  readonly thread?: number;
}

/** What may be sent to threads, which then share its memory and need not read it themselves. */
export interface SharedWeights {
  readonly tagger: TaggerFile;
  readonly lexicon: LexiconData;
  readonly cues: CuePhrases;
  readonly version: string;
}

/** The weights that the package ships and the lexicon of this file, for the pipelines of other threads. */
export function sharedWeights(lexicon?: string): SharedWeights {
  setLexiconFile(lexicon);
  return {
    tagger: loadWeights(),
    lexicon: loadLexiconData(),
    cues: loadCuePhrases(),
    version: pipelineVersion(),
  };
}

/** Stages in the order in which they run. */
const STAGES: readonly NlpStage[] = [
  segment,
  mentionStage,
  assertion,
  attributeStage,
  codeStage,
  gate,
  core,
  headerless,
];

/**
 * The clinical pipeline: sections, mentions, assertion, attributes, codes and the gate that decides what may become
 * a fact. Reads its rules and weights once per process; pure and deterministic afterwards.
 */
export function createClinicalPipeline(options: ClinicalPipelineOptions = {}): Pipeline {
  setLexiconFile(options.lexicon);
  if (options.weights) {
    takeWeights(options.weights.tagger, options.thread ?? 1);
    takeLexiconData(options.weights.lexicon);
    takeCuePhrases(options.weights.cues);
    version = options.weights.version;
  }
  const replace = new Map(options.replace?.map((stage) => [stage.name, stage]));
  return createPipeline(
    options.lexicon === undefined
      ? pipelineVersion()
      : `${pipelineVersion()}+site.${digestOf(options.lexicon)}`,
    STAGES.map((stage) => replace.get(stage.name) ?? stage),
  );
}

/** Raised when the code of a stage changes what it finds; rules and weights are in the version by their content. */
const CODE_VERSION = '1';

let version: string | undefined;

/**
 * `cenote-nlp/1+` and 12 hexadecimal digits over the content of every rule and weight file: two processes with the
 * same version find the same in the same text.
 */
export function pipelineVersion(): string {
  if (version) return version;
  const hash = createHash('sha256');
  for (const folder of ['rules', 'models']) {
    for (const name of filesBelow(join(nlpRoot(), folder), '')) {
      hash.update(`${folder}/${name}\0`);
      hash.update(readFileSync(join(nlpRoot(), folder, name)));
    }
  }
  version = `cenote-nlp/${CODE_VERSION}+${hash.digest('hex').slice(0, 12)}`;
  return version;
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12);
}

const DATA_FILE = /\.(?:json|tsv|txt|bin|gz)$/;

function filesBelow(root: string, below: string): string[] {
  const found: string[] = [];
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    if (statSync(join(root, path)).isDirectory()) found.push(...filesBelow(root, path));
    else if (DATA_FILE.test(name)) found.push(path);
  }
  return found;
}
