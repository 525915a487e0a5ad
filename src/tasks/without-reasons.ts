import type { Annotation } from '../../nlp/model.js';

/** What is found, without which rule decided it. */
export function withoutReasons(annotation: Annotation): Annotation {
  return {
    ...annotation,
    mentions: annotation.mentions.map(({ because: _, section: __, name: ___, ...mention }) => mention),
  };
}
