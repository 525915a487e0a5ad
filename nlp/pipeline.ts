import type { AnnotatedText, Annotation, DocumentContext } from './model.js';

/** The parts of an AnnotatedText (and of its mentions) that stages can need or add. */
export type Layer =
  | 'sections'
  | 'sentences'
  | 'tokens'
  | 'mentions'
  | 'mentions.assertion'
  | 'mentions.attributes'
  | 'mentions.concepts'
  | 'mentions.accepted';

/** One step of the pipeline: a pure function of the text and what earlier steps found. */
export interface NlpStage {
  readonly name: string;
  readonly needs: readonly Layer[];
  readonly adds: readonly Layer[];
  run(input: AnnotatedText): AnnotatedText;
}

export interface Pipeline {
  /** Name and version, recorded with every annotation; a change of rules or weights changes it. */
  readonly version: string;
  readonly stages: readonly NlpStage[];
  annotate(text: string, context: DocumentContext): Annotation;
}

/**
 * Joins stages into a pipeline and refuses, at construction, an order that cannot work: every layer a stage
 * needs must be added by an earlier one.
 * @throws Error naming the stage and the missing layer.
 */
export function createPipeline(version: string, stages: readonly NlpStage[]): Pipeline {
  const have = new Set<Layer>();
  for (const stage of stages) {
    for (const layer of stage.needs) {
      if (!have.has(layer)) {
        throw new Error(`stage "${stage.name}" needs "${layer}", which no earlier stage adds`);
      }
    }
    for (const layer of stage.adds) have.add(layer);
  }
  return {
    version,
    stages,
    annotate(text, context) {
      let state: AnnotatedText = { context, text, sections: [], sentences: [], tokens: [], mentions: [] };
      for (const stage of stages) state = stage.run(state);
      return {
        id: context.id,
        pipeline: version,
        sections: state.sections.map(({ kind, title, start, end }) => ({ kind, title, start, end })),
        mentions: state.mentions,
      };
    },
  };
}
