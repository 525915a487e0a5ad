import { ByForm } from '../1-segment/forms.js';
import { sharedArray } from '../2-mention/shared-array.js';
import type { Token } from '../model.js';

/**
 * Phrases as a deterministic automaton over numbered words, the smallest there is: phrases with choices in them stand for
 * many that share their beginnings and their ends. Plain data on shared memory: threads that are sent it share it.
 */
export interface PhraseAutomaton {
  /** The words by their numbers, a line each. */
  readonly words: string;
  /** Transitions of state s: `edgeWords` and `edgeTo` from `edgeStart[s]` to `edgeStart[s + 1]`, by rising word. */
  readonly edgeStart: Int32Array;
  readonly edgeWords: Uint16Array;
  readonly edgeTo: Int32Array;
  /** Number of what the phrases that end in a state say; 0 where none ends. */
  readonly ends: Int32Array;
  readonly start: number;
}

/** No state. */
export const NOWHERE = -1;
const WORDS_MAX = 0xffff;

/** The phrases while they are being collected: a tree, in which what ends at a node can still be changed. */
export class PhraseTree {
  private readonly numbers = new Map<string, number>();
  private count = 1;
  private ends = new Int32Array(1 << 10);
  /** Parent's other children, for the walk over all. */
  private firstChild = new Int32Array(1 << 10).fill(NOWHERE);
  private sibling = new Int32Array(1 << 10).fill(NOWHERE);
  private wordTo = new Uint16Array(1 << 10);
  /** Open addressing over node and word: the child there, 0 where free (the root is no child). */
  private slots = new Int32Array(1 << 11);
  private parent = new Int32Array(1 << 10);

  /** Number of a word, a new one where it has none yet. @throws Error where there are too many. */
  number(word: string): number {
    let number = this.numbers.get(word);
    if (number === undefined) {
      number = this.numbers.size;
      if (number > WORDS_MAX) throw new Error('the phrases have too many words');
      this.numbers.set(word, number);
    }
    return number;
  }

  /** The node of a phrase, which is made where there is none. */
  plant(words: readonly number[]): number {
    let node = 0;
    for (const word of words) {
      const slot = this.slotOf(node, word);
      const child = this.slots[slot]!;
      node = child !== 0 ? child : this.addChild(node, word, slot);
    }
    return node;
  }

  /** The node of `words[from, to)`; `NOWHERE` where no phrase begins so. */
  find(words: ArrayLike<number>, from: number, to: number): number {
    let node = 0;
    for (let i = from; i < to; i++) {
      node = this.slots[this.slotOf(node, words[i]!)]!;
      if (node === 0) return NOWHERE;
    }
    return node;
  }

  endOf(node: number): number {
    return this.ends[node]!;
  }

  setEnd(node: number, end: number): void {
    this.ends[node] = end;
  }

  /** States that accept the same rest of a phrase are one. */
  minimal(): PhraseAutomaton {
    const states = new Map<string, number>();
    const stateOf = new Int32Array(this.count);
    const edges: { word: number; to: number }[][] = [];
    const ends: number[] = [];
    // A child is always younger than its parent.
    for (let node = this.count - 1; node >= 0; node--) {
      const out: { word: number; to: number }[] = [];
      for (let child = this.firstChild[node]!; child !== NOWHERE; child = this.sibling[child]!)
        out.push({ word: this.wordTo[child]!, to: stateOf[child]! });
      if (out.length > 1) out.sort((a, b) => a.word - b.word);
      let key = `${this.ends[node]}`;
      for (const { word, to } of out) key += ` ${word} ${to}`;
      let state = states.get(key);
      if (state === undefined) {
        state = states.size;
        states.set(key, state);
        edges.push(out);
        ends.push(this.ends[node]!);
      }
      stateOf[node] = state;
    }
    const total = edges.reduce((sum, out) => sum + out.length, 0);
    const edgeStart = sharedArray(Int32Array, edges.length + 1);
    const edgeWords = sharedArray(Uint16Array, total);
    const edgeTo = sharedArray(Int32Array, total);
    let at = 0;
    edges.forEach((out, state) => {
      for (const { word, to } of out) {
        edgeWords[at] = word;
        edgeTo[at++] = to;
      }
      edgeStart[state + 1] = at;
    });
    const sharedEnds = sharedArray(Int32Array, ends.length);
    sharedEnds.set(ends);
    return {
      words: [...this.numbers.keys()].join('\n'),
      edgeStart,
      edgeWords,
      edgeTo,
      ends: sharedEnds,
      start: stateOf[0]!,
    };
  }

  private slotOf(node: number, word: number): number {
    const mask = this.slots.length - 1;
    let hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(word + 1, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    for (;;) {
      const child = this.slots[slot]!;
      if (child === 0 || (this.parent[child] === node && this.wordTo[child] === word)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  private addChild(node: number, word: number, slot: number): number {
    const child = this.count++;
    if (child === this.ends.length) this.enlarge();
    this.parent[child] = node;
    this.wordTo[child] = word;
    this.sibling[child] = this.firstChild[node]!;
    this.firstChild[node] = child;
    this.slots[slot] = child;
    if (this.count * 2 > this.slots.length) this.rehash();
    return child;
  }

  private enlarge(): void {
    const size = this.ends.length * 2;
    const copy = <T extends Int32Array | Uint16Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.ends = copy(new Int32Array(size), this.ends);
    this.firstChild = copy(new Int32Array(size).fill(NOWHERE), this.firstChild);
    this.sibling = copy(new Int32Array(size).fill(NOWHERE), this.sibling);
    this.wordTo = copy(new Uint16Array(size), this.wordTo);
    this.parent = copy(new Int32Array(size), this.parent);
  }

  private rehash(): void {
    this.slots = new Int32Array(this.slots.length * 2);
    for (let child = 1; child < this.count; child++)
      this.slots[this.slotOf(this.parent[child]!, this.wordTo[child]!)] = child;
  }
}

/** Reads an automaton by words as they are written. */
export class PhraseReader {
  private readonly numbers = new Map<string, number>();
  private readonly byForm = new ByForm(({ norm }) => this.numbers.get(norm) ?? NOWHERE);
  /** Where each word leads from the start. */
  private readonly first: Int32Array;

  constructor(private readonly data: PhraseAutomaton) {
    data.words.split('\n').forEach((word, number) => {
      this.numbers.set(word, number);
    });
    this.first = new Int32Array(this.numbers.size).fill(NOWHERE);
    const { edgeStart, edgeWords, edgeTo, start } = data;
    for (let edge = edgeStart[start]!; edge < edgeStart[start + 1]!; edge++)
      this.first[edgeWords[edge]!] = edgeTo[edge]!;
  }

  /** The number of a token's word; `NOWHERE` where no phrase has it. */
  number(token: Token): number {
    return this.byForm.get(token);
  }

  /** Where a numbered word leads from the start. */
  begin(number: number): number {
    return number === NOWHERE ? NOWHERE : this.first[number]!;
  }

  /** Where a numbered word leads from a state. */
  next(state: number, number: number): number {
    if (state === NOWHERE || number === NOWHERE) return NOWHERE;
    const { edgeStart, edgeWords, edgeTo } = this.data;
    let low = edgeStart[state]!;
    let high = edgeStart[state + 1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const word = edgeWords[middle]!;
      if (word === number) return edgeTo[middle]!;
      if (word < number) low = middle + 1;
      else high = middle;
    }
    return NOWHERE;
  }

  /** What the phrases say that end in this state; 0 where none does. */
  endOf(state: number): number {
    return this.data.ends[state]!;
  }

  goesOn(state: number): boolean {
    return this.data.edgeStart[state]! < this.data.edgeStart[state + 1]!;
  }
}
