import type { AnnotatedText, Mention } from '../model.js';
import type { NlpStage } from '../pipeline.js';

/** Stage `core`: marks of each mention what the tagger marked of it, now that the whole name has been read. */
export const core: NlpStage = {
  name: 'core',
  needs: ['mentions', 'mentions.accepted'],
  adds: [],
  run: (input) =>
    input.mentions.some((mention) => mention.core)
      ? { ...input, mentions: markCores(input.mentions, input.text) }
      : input,
};

/** The mentions with their cores as places, the words that were read as `name`. */
export function markCores(mentions: readonly Mention[], text: AnnotatedText['text']): Mention[] {
  return mentions.map((mention) => {
    if (!mention.core) return mention;
    const { core: marked, ...rest } = mention;
    return { ...rest, ...marked, text: text.slice(marked.start, marked.end), name: mention.text };
  });
}
