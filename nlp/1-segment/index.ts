import type { AnnotatedText } from '../model.js';
import type { NlpStage } from '../pipeline.js';
import { splitLines } from './lines.js';
import { findSections } from './sections.js';
import { findSentences } from './sentences.js';
import { tokenize } from './tokens.js';

/** Stage `segment`: sections, sentences and tokens of the note, with exact offsets. */
export const segment: NlpStage = {
  name: 'segment',
  needs: [],
  adds: ['sections', 'sentences', 'tokens'],
  run(input) {
    return { ...input, ...segmentText(input.text) };
  },
};

/** Sections, sentences and tokens of a text, without a pipeline. Linear in its length; never throws. */
export function segmentText(text: string): Pick<AnnotatedText, 'sections' | 'sentences' | 'tokens'> {
  const lines = splitLines(text);
  const tokens = tokenize(text);
  const sections = findSections(text, lines);
  const sentences = findSentences(text, lines, sections, tokens);
  return { sections, sentences, tokens };
}
