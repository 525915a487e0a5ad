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

/**
 * One row of `rules/cues.json`: phrases of one effect, tried in the example at `%`; its mention stands in braces.
 * A phrase may hold choices, of which the empty one is allowed: `{has|had|} resolved` (see `spelledOut`).
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

interface Node {
  readonly next: Map<string, Node>;
  rows?: CueRow[];
}

const AUXILIARIES = new Set(['is', 'was', 'were', 'are', 'be', 'been', 'has', 'have', 'had']);

const COPULAS = new Set(['is', 'was', 'are', 'were']);

const root: Node = { next: new Map() };
const phrases: string[][] = [];
for (const row of readRules<CueRow[]>('cues.json')) {
  for (const cue of row.cues.flatMap(spelledOut)) {
    const words = phraseWords(cue);
    plant(words, row);
    if (row.scope !== 'before' || !AUXILIARIES.has(words[0]!)) continue;
    // One form in the row stands for all (`was recommended`, `were recommended`), also after `gout, which …`.
    const rest = words.slice(1);
    const forms = COPULAS.has(words[0]!) ? [...COPULAS].map((copula) => [copula, ...rest]) : [words];
    if (COPULAS.has(words[0]!)) {
      const been = rest[0] === 'not' ? ['not', 'been', ...rest.slice(1)] : ['been', ...rest];
      for (const have of ['has', 'have', 'had']) forms.push([have, ...been]);
    }
    for (const form of forms) {
      plant(form, row);
      plant(['which', ...form], row);
    }
  }
}

/** Every phrase that a phrase with choices stands for: `{has|} {gone|healed}` stands for four. */
export function spelledOut(phrase: string): string[] {
  const choice = /\{([^{}]*)\}/.exec(phrase);
  if (!choice) return [phrase.trim().replace(/ {2,}/g, ' ')];
  const [before, after] = [phrase.slice(0, choice.index), phrase.slice(choice.index + choice[0].length)];
  return choice[1]!.split('|').flatMap((word) => spelledOut(before + word + after));
}

function plant(words: string[], row: CueRow): void {
  phrases.push(words);
  let node = root;
  for (const word of words) {
    let next = node.next.get(word);
    if (!next) {
      next = { next: new Map() };
      node.next.set(word, next);
    }
    node = next;
  }
  if (!node.rows) node.rows = [row];
  else if (!node.rows.includes(row)) node.rows.push(row);
}

// `was not prescribed` looks back only, but holds `not prescribed`, which looks ahead too: the longer phrase must not
// take that away.
for (const words of phrases) {
  const rows = nodeOf(words)!.rows!;
  for (let from = 1; from < words.length && AUXILIARIES.has(words[from - 1]!); from++) {
    const shorter = nodeOf(words.slice(from))?.rows;
    if (!shorter || rows.some((row) => row.scope === 'after')) continue;
    // Not for what was stopped: the passive has no object (`it was stopped and pantoprazole started`).
    rows.push(...shorter.filter((row) => row.scope === 'after' && !row.because && !rows.includes(row)));
    break;
  }
}

// `to avoid` says something of diseases; that it ends in `avoid`, which says something of drugs, stays true.
for (const words of phrases) {
  const rows = nodeOf(words)!.rows!;
  const ahead = rows.filter((row) => row.scope === 'after');
  if (ahead.length === 0 || ahead.some((row) => !row.types || row.effect === 'none')) continue;
  for (let from = 1; from < words.length; from++) {
    const shorter = nodeOf(words.slice(from))?.rows?.filter((row) => row.scope === 'after' && row.types);
    if (!shorter || shorter.length === 0) continue;
    const covered = new Set(ahead.flatMap((row) => row.types!));
    rows.push(
      ...shorter.filter((row) => !rows.includes(row) && row.types!.every((type) => !covered.has(type))),
    );
    break;
  }
}

const PREPOSITIONS = new Set(['for', 'to', 'on', 'with', 'by']);

// `is scheduled for` looks ahead only, but what stands before `is scheduled` is planned all the same.
for (const words of phrases) {
  const rows = nodeOf(words)!.rows!;
  if (!PREPOSITIONS.has(words.at(-1)!) || rows.some((row) => row.scope === 'before')) continue;
  const shorter = nodeOf(words.slice(0, -1))?.rows ?? [];
  rows.push(
    ...shorter.filter(
      (row) => row.scope === 'before' && (row.effect === 'planned' || row.effect === 'current'),
    ),
  );
}

const asides = readRules<{ words: string[]; endingButNot: string[] }>('asides.json');
const asideWords = new Set(asides.words);
const noAsides = new Set(asides.endingButNot);

/**
 * Words that may stand within a cue and change nothing: `has since resolved`, `was clinically excluded`. Right after
 * `not` an adverb does: `not formally excluded`, `has not been fully treated`.
 */
function isAside(norm: string, before: string): boolean {
  if (norm === '-' || asideWords.has(norm)) return true;
  if (norm.length <= 4 || !norm.endsWith('ly') || noAsides.has(norm)) return false;
  return before !== 'not' && before !== "n't" && before !== 'been';
}

function nodeOf(words: readonly string[]): Node | undefined {
  let node: Node | undefined = root;
  for (const word of words) node = node?.next.get(word);
  return node;
}

/** Hyphens between words are as good as spaces: `status-post` is `status post`. */
function phraseWords(phrase: string): string[] {
  const norms = tokenize(phrase).map((token) => token.norm);
  return norms.length > 2 && !norms.includes('(') && !norms.includes('[')
    ? norms.filter((norm, i) => norm !== '-' || i === 0)
    : norms;
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
): { rows: CueRow[]; end: number } | undefined {
  let node: Node | undefined = root.next.get(tokens[at]!.norm);
  if (!node) return undefined;
  let found = node.rows ? { rows: node.rows, end: at + 1 } : undefined;
  // Where an aside is also a word of a phrase both readings go on: `has since resolved`, `has since`.
  let passed: Node | undefined;
  for (let i = at + 1; i < last && (node || passed); i++) {
    const { norm } = tokens[i]!;
    const next: Node | undefined = node?.next.get(norm);
    const other: Node | undefined = passed?.next.get(norm);
    const rows = next?.rows ?? other?.rows;
    if (rows) found = { rows, end: i + 1 };
    if (other) {
      // A phrase taken up again behind its aside wins over one in which the aside is a word.
      passed = next;
      node = other;
    } else {
      const waits = node && node.next.size > 0 ? node : passed;
      passed = waits && isAside(norm, tokens[i - 1]!.norm) ? waits : undefined;
      node = next;
    }
  }
  return found;
}
