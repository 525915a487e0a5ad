import { ownCopy } from '../1-segment/own-copy.js';

/**
 * What was worked out for words, kept for those that were asked for last: for the last `least` of them at any time and for
 * twice as many at most. Dropping half, and never all, keeps what every note asks for at hand however many rare words pass by.
 */
export class Recent<V> {
  private young = new Map<string, V>();
  private old = new Map<string, V>();

  constructor(private readonly least: number) {}

  /** What was kept for a word; undefined where nothing is. */
  get(word: string): V | undefined {
    const value = this.young.get(word);
    if (value !== undefined) return value;
    const older = this.old.get(word);
    if (older !== undefined) this.set(word, older);
    return older;
  }

  /** Keeps `value` under a copy of `word`, so that the text the word was cut from is not kept with it. */
  set(word: string, value: V): void {
    if (this.young.size >= this.least) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(ownCopy(word), value);
  }
}
