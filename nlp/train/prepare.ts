import { segmentText } from '../1-segment/index.js';
import { drugMarks } from '../2-mention/drug-marks.js';
import { matchLexicon } from '../2-mention/lexicon.js';
import { SENTENCE_MAX_TOKENS, sectionHash, type TaggerSentence } from '../2-mention/tagger.js';
import type { GoldDocument, GoldSpan } from '../eval/corpora.js';

/** A gold document cut into sentences by the product's own segmentation. */
export interface PreparedDocument {
  readonly id: string;
  readonly text: string;
  readonly gold: readonly GoldSpan[];
  readonly sentences: readonly TaggerSentence[];
}

export function prepareText(text: string): TaggerSentence[] {
  const { sections, sentences, tokens } = segmentText(text);
  return sentences.map((sentence) => {
    const words = tokens.slice(
      sentence.firstToken,
      Math.min(sentence.lastToken, sentence.firstToken + SENTENCE_MAX_TOKENS),
    );
    return {
      tokens: words,
      section: sectionHash(sections[sentence.section]?.kind ?? 'none'),
      listItem: sentence.listItem,
      drugs: drugMarks(words, matchLexicon(words)),
    };
  });
}

export function prepare(document: GoldDocument): PreparedDocument {
  return {
    id: document.id,
    text: document.text,
    gold: document.spans,
    sentences: prepareText(document.text),
  };
}

/**
 * BIO labels of each sentence. `typeOf` maps a gold type to its index, -1 for types to pass over. Where two spans
 * overlap, the one that begins first (then the longer) stands; a token that a span covers in part belongs to it.
 */
export function labelsOf(document: PreparedDocument, typeOf: (type: string) => number): Int32Array[] {
  const spans = document.gold
    .filter((span) => typeOf(span.type) >= 0)
    .sort((a, b) => a.start - b.start || b.end - a.end);
  return document.sentences.map(({ tokens }) => {
    const labels = new Int32Array(tokens.length);
    let from = 0;
    for (const span of spans) {
      while (from < tokens.length && tokens[from]!.end <= span.start) from++;
      let begun = false;
      for (let t = from; t < tokens.length && tokens[t]!.start < span.end; t++) {
        if (labels[t] !== 0) {
          if (begun) break;
          continue;
        }
        labels[t] = 2 * typeOf(span.type) + (begun ? 2 : 1);
        begun = true;
      }
    }
    return labels;
  });
}
