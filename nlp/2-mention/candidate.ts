import type { MentionType } from '../model.js';

/** A possible mention within one sentence, by token indices of the sentence. */
export interface Candidate {
  readonly first: number;
  readonly last: number;
  readonly type: MentionType;
  readonly score: number;
  readonly because: string;
  readonly source: 'lexicon' | 'tagger' | 'both';
}
