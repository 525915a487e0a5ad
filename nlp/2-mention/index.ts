import type {
  AnnotatedText,
  Assertion,
  Mention,
  MentionType,
  SectionKind,
  Sentence,
  Span,
  Token,
} from '../model.js';
import type { NlpStage } from '../pipeline.js';
import { tagDocument } from './agreement.js';
import type { Candidate } from './candidate.js';
import { categoryOf } from './category.js';
import { chooseRow } from './choose-row.js';
import { ContextJudge } from './context.js';
import { drugMarks } from './drug-marks.js';
import { withHashFractures } from './hash-fractures.js';
import type { LexiconHit } from './lexicon.js';
import { matchLexicon } from './lexicon.js';
import { TITLE_ENDS } from './mention-words.js';
import { mergeCandidates } from './merge.js';
import { isNarrative, mergeNarrative } from './narrative.js';
import { asOperations } from './operations.js';
import { fromOtherModels } from './other-opinions.js';
import { bySense } from './senses.js';
import {
  loadTagger,
  SENTENCE_MAX_TOKENS,
  sectionHash,
  type Tagged,
  type Tagger,
  type TaggerSentence,
} from './tagger.js';
import { SEEN_SCORE } from './trust.js';

const TITLE_MAX_TOKENS = 12;

/** What a mention is taken for until the assertion stage has read its context. */
const PLAIN: Assertion = { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' };

/**
 * Stage `mention`: joins the lexicon (names with codes) and the trained tagger (names by context). Precision
 * first: what is neither in the lexicon nor confidently tagged is no mention.
 */
export const mentionStage: NlpStage = {
  name: 'mention',
  needs: ['sections', 'sentences', 'tokens'],
  adds: ['mentions'],
  run: (input) => ({ ...input, mentions: findMentions(input) }),
};

/** The mentions of a segmented text, in order. `tagger` is the shipped one unless an evaluation brings its own. */
export function findMentions(
  input: Pick<AnnotatedText, 'text' | 'sections' | 'sentences' | 'tokens'>,
  tagger: Tagger = loadTagger(),
): Mention[] {
  const mentions: Mention[] = [];
  const read: { sentence: Sentence; view: TaggerSentence; hits: readonly LexiconHit[] }[] = [];
  for (const sentence of input.sentences) {
    const section = sectionHash(input.sections[sentence.section]?.kind ?? 'none');
    // Broken input can be one endless sentence: pieces keep the work linear in its length.
    for (let first = sentence.firstToken; first < sentence.lastToken; first += SENTENCE_MAX_TOKENS) {
      const tokens = input.tokens.slice(first, Math.min(sentence.lastToken, first + SENTENCE_MAX_TOKENS));
      if (isTitle(tokens)) continue;
      const hits = matchLexicon(tokens);
      const view = { tokens, section, listItem: sentence.listItem, drugs: drugMarks(tokens, hits) };
      read.push({ sentence, view, hits });
    }
  }
  const tagged = tagDocument(
    tagger,
    read.map(({ view }) => view),
  );
  const merge = isNarrative(input) ? mergeNarrative : mergeCandidates;
  const hashed = input.text.includes('#');
  let vaccines = false;
  let listed = false;
  for (const [i, { sentence, view, hits }] of read.entries()) {
    const { tokens } = view;
    const section = input.sections[sentence.section];
    // "The following immunizations:" speaks for the lines under it, in its own section.
    const before = read[i - 1];
    const introduced: boolean =
      vaccines &&
      before?.sentence.section === sentence.section &&
      (endsWithColon(before.view.tokens) || (sentence.listItem && (listed || hasColon(before.view.tokens))));
    const context = new ContextJudge(
      tokens,
      section?.kind ?? 'none',
      sentence.listItem,
      tagged[i]!,
      tagger,
      introduced,
    );
    vaccines = context.aboutVaccines;
    listed = introduced && sentence.listItem;
    for (const candidate of candidatesOf(input.text, hits, tagged[i]!, context, merge, hashed)) {
      const start = tokens[candidate.first]!.start;
      const end = tokens[candidate.last - 1]!.end;
      // The words of a header name the section; only a test or procedure in it ("CXR:") is also a mention.
      if (section && end <= section.bodyStart) {
        if (!isHeaderMention(candidate, section.kind)) continue;
        // "PONV: none"
        const body = input.text.slice(section.bodyStart, section.bodyStart + ABSENT_REACH);
        if (candidate.type !== 'test' && ABSENT.test(body)) continue;
      }
      const category = categoryOf(candidate, context);
      mentions.push({
        start,
        end,
        text: input.text.slice(start, end),
        ...(candidate.reads ? { reads: candidate.reads } : {}),
        ...(candidate.core ? { core: spanOf(tokens, candidate.core) } : {}),
        type: candidate.type,
        ...(category ? { category: category.category } : {}),
        assertion: PLAIN,
        attributes: [],
        concepts: [],
        score: Math.round(candidate.score * 1000) / 1000,
        accepted: true,
        because: {
          mention: candidate.because,
          ...(category ? { category: category.because } : {}),
        },
        section: sentence.section,
      });
    }
  }
  return mentions;
}

function spanOf(tokens: readonly Token[], { first, last }: { first: number; last: number }): Span {
  return { start: tokens[first]!.start, end: tokens[last - 1]!.end };
}

const ABSENT = /^\s*(?:none|nil|no|neg|negative|denie[sd]|absent|n\/a)\b/i;
const ABSENT_REACH = 16;

function endsWithColon(tokens: readonly Token[] | undefined): boolean {
  return tokens?.[tokens.length - 1]?.text === ':';
}

function hasColon(tokens: readonly Token[]): boolean {
  return tokens.some((token) => token.text === ':');
}

/** A line in capitals such as "CARDIAC CATHETERIZATION REPORT". */
function isTitle(tokens: readonly Token[]): boolean {
  if (tokens.length > TITLE_MAX_TOKENS || !TITLE_ENDS.has(tokens[tokens.length - 1]!.norm)) return false;
  return tokens.every((token) => token.text === token.text.toUpperCase());
}

function isHeaderMention(candidate: Candidate, kind: SectionKind): boolean {
  if (candidate.source === 'tagger') return false;
  if (candidate.type === 'social') return kind === 'social-history';
  if (candidate.type === 'test' || candidate.type === 'procedure')
    return kind === 'imaging' || kind === 'results' || kind === 'other';
  return kind === 'other' || kind === 'none';
}

function candidatesOf(
  text: string,
  hits: readonly LexiconHit[],
  tagged: Tagged,
  context: ContextJudge,
  merge: typeof mergeCandidates,
  hashed: boolean,
): Candidate[] {
  const fromLexicon: Candidate[] = [];
  for (const hit of hits) {
    const chosen = chooseRow(hit, context);
    if (chosen) fromLexicon.push(chosen);
  }
  const fromTagger: Candidate[] = tagged.spans.map((span) => ({
    first: span.first,
    last: span.last,
    type: context.typeOfTagged(span),
    score: span.score,
    because: 'model:clinical',
    source: 'tagger',
  }));
  const named = asOperations(bySense(merge(fromLexicon, fromTagger, context), context), context);
  const chosen = hashed ? withHashFractures(named, context) : named;
  const others = fromOtherModels(text, tagged, chosen, context);
  // Narratives are what the last model learned from: there the others are heard where directions bear them out.
  const more = merge === mergeNarrative ? others.filter(({ score }) => score > SEEN_SCORE) : others;
  return more.length === 0 ? chosen : [...chosen, ...more].sort((a, b) => a.first - b.first);
}

export type { LexiconHit, MentionType };
