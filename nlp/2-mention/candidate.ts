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
  /** The plain name of what the words say here, where that is not their usual meaning; codes are found by it. */
  readonly reads?: string;
  readonly source: 'lexicon' | 'tagger' | 'both';
}
