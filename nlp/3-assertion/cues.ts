import type { MentionType, Token } from '../model.js';
import { readRules } from '../rules/load.js';
import { NOWHERE, PhraseReader } from './cue-automaton.js';
import { AUXILIARIES, type CuePhrases, collectPhrases } from './cue-phrases.js';

export type { CuePhrases };

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

/**
 * One row of `rules/cues.json`: phrases of one effect, tried in the example at `%`; its mention stands in braces.
 * A phrase may hold choices, of which the empty one is allowed: `{has|had|} resolved` (see `spelledOut` in `cue-phrases`), and
 * verbs that stand for all their forms: `<opt> against` (see `inflected`).
 */
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
  /** True where the cue speaks of `it`, across `but he` and the like. */
  readonly crosses?: boolean;
}

export interface Cue {
  /** Range of token indices, half-open. */
  readonly first: number;
  readonly last: number;
  readonly rows: readonly CueRow[];
  readonly text: string;
}

let phrases: CuePhrases | undefined;
let opened: { reader: PhraseReader; sets: readonly (readonly CueRow[])[] } | undefined;

/** The phrases of all cues, collected once. Threads that are sent them need not do it again. */
export function loadCuePhrases(): CuePhrases {
  phrases ??= collectPhrases(readRules<CueRow[]>('cues.json'));
  return phrases;
}

/** Takes the phrases as another thread has collected them. */
export function takeCuePhrases(given: CuePhrases): void {
  phrases = given;
  opened = undefined;
}

function openPhrases(): NonNullable<typeof opened> {
  const { automaton, sets } = loadCuePhrases();
  const rows = readRules<CueRow[]>('cues.json');
  opened = { reader: new PhraseReader(automaton), sets: sets.map((set) => set.map((row) => rows[row]!)) };
  return opened;
}

const asides = readRules<{ words: string[]; endingButNot: string[] }>('asides.json');
const asideWords = new Set(asides.words);
const noAsides = new Set(asides.endingButNot);

/**
 * Words that may stand within a cue and change nothing: `has since resolved`, `was clinically excluded`. Right after
 * `not` an adverb does: `not formally excluded`, `has not been fully treated`.
 */
export function isAside(norm: string, before: string): boolean {
  if (norm === '-' || asideWords.has(norm)) return true;
  if (norm.length <= 4 || !norm.endsWith('ly') || noAsides.has(norm)) return false;
  return before !== 'not' && before !== "n't" && before !== 'been';
}

const DENIALS = new Set(['not', 'never', 'no']);

/** All cues among `tokens[first..last)`, the longest at each place, not overlapping, in order. */
export function findCues(tokens: readonly Token[], first: number, last: number): Cue[] {
  const cues: Cue[] = [];
  let at = first;
  while (at < last) {
    let found = longestAt(tokens, at, last);
    if (found && AUXILIARIES.has(tokens[at]!.norm)) {
      // `was advised to avoid` holds a longer phrase than the `was advised` it begins with.
      const inner = at + 1 < last ? longestAt(tokens, at + 1, last) : undefined;
      if (inner && inner.end > found.end) {
        at++;
        found = inner;
      }
    }
    if (!found) {
      at++;
      continue;
    }
    // `but not` ends where `not taking` goes on.
    for (let k = at + 1; k < found.end; k++) {
      if (!DENIALS.has(tokens[k]!.norm)) continue;
      const inner = longestAt(tokens, k, last);
      if (!inner || inner.end <= found.end) continue;
      at = k;
      found = inner;
    }
    const text = tokens
      .slice(at, found.end)
      .map((token) => token.norm)
      .join(' ');
    cues.push({ first: at, last: found.end, rows: found.rows, text });
    at = found.end;
  }
  return cues;
}

function longestAt(
  tokens: readonly Token[],
  at: number,
  last: number,
): { rows: readonly CueRow[]; end: number } | undefined {
  const { reader, sets } = opened ?? openPhrases();
  let state = reader.begin(reader.number(tokens[at]!));
  if (state === NOWHERE) return undefined;
  let said = reader.endOf(state);
  let end = at + 1;
  // Where an aside is also a word of a phrase both readings go on: `has since resolved`, `has since`.
  let passed = NOWHERE;
  for (let i = at + 1; i < last && (state !== NOWHERE || passed !== NOWHERE); i++) {
    const word = reader.number(tokens[i]!);
    const next = reader.next(state, word);
    const other = reader.next(passed, word);
    const ended =
      (next === NOWHERE ? 0 : reader.endOf(next)) || (other === NOWHERE ? 0 : reader.endOf(other));
    if (ended !== 0) {
      said = ended;
      end = i + 1;
    }
    if (other !== NOWHERE) {
      // A phrase taken up again behind its aside wins over one in which the aside is a word.
      passed = next;
      state = other;
    } else {
      const waits = state !== NOWHERE && reader.goesOn(state) ? state : passed;
      passed = waits !== NOWHERE && isAside(tokens[i]!.norm, tokens[i - 1]!.norm) ? waits : NOWHERE;
      state = next;
    }
  }
  return said === 0 ? undefined : { rows: sets[said]!, end };
}
