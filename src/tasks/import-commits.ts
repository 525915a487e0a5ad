import type { FileState } from './import-ledger.js';
import { addCounts } from './import-report.js';

/** Commits of one file under way: while the database writes one, the next is parsed, checked and sealed. */
export const COMMITS_AT_ONCE = 2;

/** A commit that was begun, with what must wait until the ones before it are done. */
interface Begun<K> {
  /** What it writes. */
  readonly keys: ReadonlySet<K>;
  /** Whether it is done, and all before it; false when the file must wait. */
  readonly done: Promise<boolean>;
}

/**
 * The commits of one file, noted in the order of its lines. One that writes what another under way writes waits for it:
 * of an id that comes again the last one counts.
 */
export class Commits<K> {
  private begun: Begun<K>[] = [];

  constructor(private readonly atOnce: number) {}

  /**
   * Begins a commit once few enough are under way.
   * @param commit gets whether those before it are done, to be awaited before it is noted
   * @returns false where one before it has to wait, or where this one has, being the only one at a time
   */
  async begin(
    keys: ReadonlySet<K>,
    commit: (before: Promise<boolean>) => Promise<boolean>,
  ): Promise<boolean> {
    const room = Math.max(this.begun.length - this.atOnce + 1, 0);
    const meets = this.begun.some((other) => [...keys].some((key) => other.keys.has(key)));
    for (const earlier of meets ? this.begun : this.begun.slice(0, room))
      if (!(await earlier.done)) return false;
    this.begun = meets ? [] : this.begun.slice(room);
    const done = commit(this.begun.at(-1)?.done ?? Promise.resolve(true));
    // Looked at when its turn comes; until then its failure is nobody's.
    done.catch(() => undefined);
    this.begun.push({ keys, done });
    return this.atOnce > 1 || done;
  }

  /** Waits for all. @returns false where one has to wait */
  async all(): Promise<boolean> {
    for (const { done } of this.begun) if (!(await done)) return false;
    this.begun = [];
    return true;
  }

  /** Waits until none is under way, however they end. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.begun.map(({ done }) => done));
  }
}

/** Adds what was counted apart, since an earlier commit might have had to wait. */
export function addCounted(state: FileState, counted: Pick<FileState, 'counts' | 'errors'>): void {
  const { byType, ...numbers } = counted.counts;
  addCounts(state.counts.byType, byType);
  addCounts(state.counts as unknown as Record<string, number>, numbers as unknown as Record<string, number>);
  state.errors.push(...counted.errors);
}
