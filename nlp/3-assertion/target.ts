import type { MentionType } from '../model.js';
import type { Cue, CueRow } from './cues.js';

/** A mention within its sentence, by token indices. */
export interface Target {
  readonly index: number;
  readonly first: number;
  readonly last: number;
  readonly type: MentionType;
  /** A row of the lexicon: a cue among its words is part of the name (`suspected COVID-19`). */
  readonly named: boolean;
  readonly hits: Hit[];
}

/** One cue that reaches a mention. */
export interface Hit {
  readonly row: CueRow;
  readonly text: string;
  readonly distance: number;
  readonly cue?: Cue;
}

/** Rows that a line ending in a colon hands to the items of the list below it. */
export type Carried = readonly { row: CueRow; text: string }[];

/** What is done or taken, as against found. */
export const ACTS = new Set<MentionType>(['medication', 'procedure', 'test', 'vaccine', 'device']);
export const FINDINGS = new Set<MentionType>(['diagnosis', 'symptom']);
