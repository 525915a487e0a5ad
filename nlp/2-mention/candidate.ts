import type { MentionType } from '../model.js';

/** A possible mention within one sentence, by token indices of the sentence. */
export interface Candidate {
  readonly first: number;
  readonly last: number;
  readonly type: MentionType;
  readonly score: number;
  readonly because: string;
  /** What is marked of it in the text, where that is not all of it or more. */
  readonly core?: { readonly first: number; readonly last: number };
  readonly source: 'lexicon' | 'tagger' | 'both';
}
