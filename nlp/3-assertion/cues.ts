import { tokenize } from '../1-segment/tokens.js';
import type { MentionType, Token } from '../model.js';
import { readRules } from '../rules/load.js';

export type Effect =
  | 'negated'
  | 'possible'
  | 'past'
  | 'planned'
  | 'current'
  | 'hypothetical'
  | 'conditional'
  | 'family'
  | 'family+negated'
  /** A phrase that holds a cue but is none (`not only`, `no change in`). */
  | 'none'
  /** The end of the scopes before it (`but`). */
  | 'stop';

/** One row of `rules/cues.json`: phrases of one effect, tried in the example at `%`; its mention stands in braces. */
export interface CueRow {
  readonly effect: Effect;
  readonly scope: 'after' | 'before';
  readonly cues: readonly string[];
  readonly example: string;
  /** Mention types it speaks of; all where absent. */
  readonly types?: readonly MentionType[];
  /** Most tokens between cue and mention. */
  readonly limit?: number;
  /** True where no space may stand between cue and mention (`?pneumonia`). */
  readonly adjacent?: boolean;
  /** The mark that must stand between mention and cue (`Diabetes: no`). */
  readonly via?: ':';
  /** The mark that must follow the cue (`Pertinent negatives: `). */
  readonly follow?: ':';
  readonly because?: 'stopped';
}

export interface Cue {
  /** Range of token indices, half-open. */
  readonly first: number;
  readonly last: number;
  readonly rows: readonly CueRow[];
  readonly text: string;
}

interface Node {
  readonly next: Map<string, Node>;
  rows?: CueRow[];
}

const root: Node = { next: new Map() };
for (const row of readRules<CueRow[]>('cues.json')) {
  for (const cue of row.cues) {
    let node = root;
    for (const word of phraseWords(cue)) {
      let next = node.next.get(word);
      if (!next) {
        next = { next: new Map() };
        node.next.set(word, next);
      }
      node = next;
    }
    if (node.rows) node.rows.push(row);
    else node.rows = [row];
  }
}

/** Hyphens between words are as good as spaces: `status-post` is `status post`. */
function phraseWords(phrase: string): string[] {
  const norms = tokenize(phrase).map((token) => token.norm);
  return norms.length > 2 && !norms.includes('(') && !norms.includes('[')
    ? norms.filter((norm) => norm !== '-')
    : norms;
}

/** All cues among `tokens[first..last)`, the longest at each place, not overlapping, in order. */
export function findCues(tokens: readonly Token[], first: number, last: number): Cue[] {
  const cues: Cue[] = [];
  let at = first;
  while (at < last) {
    let node: Node | undefined = root.next.get(tokens[at]!.norm);
    let found: Node | undefined;
    let end = at;
    let i = at;
    while (node) {
      i++;
      if (node.rows) {
        found = node;
        end = i;
      }
      if (i >= last) break;
      const norm = tokens[i]!.norm;
      let next = node.next.get(norm);
      if (!next && norm === '-' && i + 1 < last) {
        next = node.next.get(tokens[i + 1]!.norm);
        if (next) i++;
      }
      node = next;
    }
    if (found) {
      const text = tokens
        .slice(at, end)
        .map((token) => token.norm)
        .join(' ');
      cues.push({ first: at, last: end, rows: found.rows!, text });
      at = end;
    } else at++;
  }
  return cues;
}
