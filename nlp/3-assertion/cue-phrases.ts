import { tokenize } from '../1-segment/tokens.js';
import { NOWHERE, type PhraseAutomaton, PhraseTree } from './cue-automaton.js';
import type { CueRow } from './cues.js';
import { inflected } from './inflect.js';

/** The cues as phrases, and which rows each of them stands for. */
export interface CuePhrases {
  readonly automaton: PhraseAutomaton;
  /** By `endOf` of a state: places of rows in `rules/cues.json`. */
  readonly sets: readonly (readonly number[])[];
}

const AUXILIARY_WORDS = ['is', 'was', 'were', 'are', 'be', 'been', 'has', 'have', 'had'];
export const AUXILIARIES: ReadonlySet<string> = new Set(AUXILIARY_WORDS);
const COPULAS = ['is', 'was', 'are', 'were'];
const PREPOSITIONS = ['for', 'to', 'on', 'with', 'by'];

const HOLDS_VERB = /<[a-z]/;

/** More than there are sets of rows, for keys of two of them. */
const SETS_MAX = 1_000_000;

/** Every phrase that a phrase with choices stands for: `{has|} {gone|healed}` stands for four. */
export function spelledOut(phrase: string): string[] {
  if (HOLDS_VERB.test(phrase)) return spelledOut(inflected(phrase));
  const choice = /\{([^{}]*)\}/.exec(phrase);
  if (!choice) return [phrase.trim().replace(/ {2,}/g, ' ')];
  const [before, after] = [phrase.slice(0, choice.index), phrase.slice(choice.index + choice[0].length)];
  return choice[1]!.split('|').flatMap((word) => spelledOut(before + word + after));
}

/**
 * The words of each phrase that a phrase with choices stands for, in the order of `spelledOut`. What stands between
 * choices and in them is split into words once, not once for each of the thousands of phrases.
 */
export function wordsSpelledOut(phrase: string): string[][] {
  return spelledOutAs(phrase, (word) => word);
}

/** The same with each word as something else, asked for once for each part. */
function spelledOutAs<T>(given: string, as: (word: string) => T): T[][] {
  const phrase = HOLDS_VERB.test(given) ? inflected(given) : given;
  let found: T[][] = [[]];
  for (const part of phrase.split(/(\{[^{}]*\})/)) {
    const choices = part.startsWith('{') ? part.slice(1, -1).split('|') : [part];
    const words = choices.map((choice) => tokenize(choice.trim()).map(({ norm }) => as(norm)));
    const more: T[][] = [];
    for (const before of found) for (const after of words) more.push(before.concat(after));
    found = more;
  }
  if (!phrase.includes('-')) return found;
  const [hyphen, round, square] = [as('-'), as('('), as('[')];
  return found.map((words) =>
    // Hyphens between words are as good as spaces: `status-post` is `status post`.
    words.length > 2 && !words.includes(round) && !words.includes(square)
      ? words.filter((word, i) => word !== hyphen || i === 0)
      : words,
  );
}

/** Reads the cues of all rows. Takes a moment: done once, and shared with other threads. */
export function collectPhrases(rows: readonly CueRow[]): CuePhrases {
  const tree = new PhraseTree();
  const sets: (readonly number[])[] = [[]];
  const numberOfSet = new Map<string, number>();
  const numbered = (list: readonly number[]): number => {
    const key = list.join(' ');
    let number = numberOfSet.get(key);
    if (number === undefined) {
      number = sets.push(list) - 1;
      numberOfSet.set(key, number);
    }
    return number;
  };
  /** Set and row to the set with the row: few, and asked for with every phrase. */
  const extended = new Map<number, number>();
  const withRow = (set: number, row: number): number => {
    const key = set * rows.length + row;
    let result = extended.get(key);
    if (result === undefined) {
      const before = sets[set]!;
      result = before.includes(row) ? set : numbered([...before, row]);
      extended.set(key, result);
    }
    return result;
  };
  const numbersOf = (words: readonly string[]): number[] => words.map((word) => tree.number(word));
  const auxiliaries = new Set(numbersOf(AUXILIARY_WORDS));
  const copulas = numbersOf(COPULAS);
  const isCopula = new Set(copulas);
  const prepositions = new Set(numbersOf(PREPOSITIONS));
  const perfect = numbersOf(['has', 'have', 'had']);
  const [not, been, which] = numbersOf(['not', 'been', 'which']) as [number, number, number];

  const all = new NumberLists();
  const nodes = new NumberList();
  const plant = (words: readonly number[], row: number): void => {
    const node = tree.plant(words);
    all.add(words);
    nodes.add(node);
    tree.setEnd(node, withRow(tree.endOf(node), row));
  };
  rows.forEach(({ cues, scope }, row) => {
    for (const cue of cues) {
      for (const words of spelledOutAs(cue, (word) => tree.number(word))) {
        plant(words, row);
        if (scope !== 'before' || !auxiliaries.has(words[0]!)) continue;
        // One form in the row stands for all (`was recommended`, `were recommended`), also after `gout, which …`.
        const rest = words.slice(1);
        const forms = isCopula.has(words[0]!) ? copulas.map((copula) => [copula, ...rest]) : [words];
        if (isCopula.has(words[0]!)) {
          const past = rest[0] === not ? [not, been, ...rest.slice(1)] : [been, ...rest];
          for (const have of perfect) forms.push([have, ...past]);
        }
        for (const form of forms) {
          plant(form, row);
          plant([which, ...form], row);
        }
      }
    }
  });

  const { numbers } = all;
  /**
   * Adds to a phrase what `rule` takes from a shorter phrase within it; true where it takes anything, which ends the
   * search. What two sets of rows make is asked for once.
   */
  const taking = (
    rule: (own: readonly number[], shorter: readonly number[]) => readonly number[] | undefined,
  ): ((node: number, from: number, to: number) => boolean) => {
    const known = new Map<number, number>();
    return (node, from, to) => {
      const shorter = tree.find(numbers, from, to);
      const end = shorter === NOWHERE ? 0 : tree.endOf(shorter);
      if (end === 0) return false;
      const own = tree.endOf(node);
      const key = own * SETS_MAX + end;
      let made = known.get(key);
      if (made === undefined) {
        const more = rule(sets[own]!, sets[end]!);
        made = more === undefined ? NOWHERE : more.length === 0 ? own : numbered([...sets[own]!, ...more]);
        known.set(key, made);
      }
      if (made === NOWHERE) return false;
      tree.setEnd(node, made);
      return true;
    };
  };
  const ahead = (row: number): boolean => rows[row]!.scope === 'after';

  // `was not prescribed` looks back only, but holds `not prescribed`, which looks ahead too: the longer phrase must not
  // take that away. Not for what was stopped: the passive has no object (`it was stopped and pantoprazole started`).
  const passive = taking((own, shorter) =>
    own.some(ahead)
      ? undefined
      : shorter.filter((row) => ahead(row) && !rows[row]!.because && !own.includes(row)),
  );
  nodes.forEach((node, p) => {
    const to = all.end(p);
    for (let from = all.start(p) + 1; from < to && auxiliaries.has(numbers[from - 1]!); from++)
      if (passive(node, from, to)) break;
  });

  // `to avoid` says something of diseases; that it ends in `avoid`, which says something of drugs, stays true.
  const ending = taking((own, shorter) => {
    const mine = own.filter(ahead);
    const typed = shorter.filter((row) => ahead(row) && rows[row]!.types);
    if (mine.length === 0 || mine.some((row) => !rows[row]!.types || rows[row]!.effect === 'none')) return [];
    if (typed.length === 0) return undefined;
    const covered = new Set(mine.flatMap((row) => rows[row]!.types!));
    return typed.filter((row) => !own.includes(row) && rows[row]!.types!.every((type) => !covered.has(type)));
  });
  nodes.forEach((node, p) => {
    const to = all.end(p);
    for (let from = all.start(p) + 1; from < to; from++) if (ending(node, from, to)) break;
  });

  // `is scheduled for` looks ahead only, but what stands before `is scheduled` is planned all the same.
  const leading = taking((own, shorter) =>
    own.some((row) => !ahead(row))
      ? undefined
      : shorter.filter(
          (row) => !ahead(row) && (rows[row]!.effect === 'planned' || rows[row]!.effect === 'current'),
        ),
  );
  nodes.forEach((node, p) => {
    const to = all.end(p) - 1;
    if (prepositions.has(numbers[to]!)) leading(node, all.start(p), to);
  });
  return { automaton: tree.minimal(), sets };
}

/** Numbers without an object for each. */
class NumberList {
  numbers = new Int32Array(1 << 12);
  length = 0;
  add(value: number): void {
    if (this.length === this.numbers.length) {
      const larger = new Int32Array(2 * this.length);
      larger.set(this.numbers);
      this.numbers = larger;
    }
    this.numbers[this.length++] = value;
  }
  forEach(visit: (value: number, i: number) => void): void {
    for (let i = 0; i < this.length; i++) visit(this.numbers[i]!, i);
  }
  at(i: number): number {
    return this.numbers[i]!;
  }
}

/** Lists of numbers, one after the other. */
class NumberLists {
  private readonly list = new NumberList();
  private readonly ends = new NumberList();
  get numbers(): Int32Array {
    return this.list.numbers;
  }
  add(values: readonly number[]): void {
    for (const value of values) this.list.add(value);
    this.ends.add(this.list.length);
  }
  start(i: number): number {
    return i === 0 ? 0 : this.ends.at(i - 1);
  }
  end(i: number): number {
    return this.ends.at(i);
  }
}
