import { isFault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import type { WriteResult } from '../store/contract.js';
import { type FileImport, reject } from './import-apply.js';
import type { FileState } from './import-ledger.js';

/** Records that are held at a time; what is met beyond is written at once. */
const MAX_HELD = 10_000;
/** Records with several versions whose place is remembered; of others it is as if no file had said them. */
const MAX_SAID = 500_000;
/** Records written in one commit. */
const PER_COMMIT = 1_000;
/** Lines or entries of one file, more than any has. */
const PLACES = 2 ** 32;

interface Held {
  readonly state: FileState;
  readonly line: number | undefined;
  readonly rank: number;
  readonly resource: Resource;
}

/**
 * Records that two files of one import say differently. Of such an id the later file counts, and the earlier one's
 * form is an older version. Imported again, that form is not what stands and would be written as a new version, and
 * what stands after it as another. So a record that returns to the form of an earlier version is held until all
 * files are read: where a later one says what stands now, nothing is written; else the record is meant to return.
 *
 * A file with held records is not noted as read, so that an import that is stopped meets them again. What the files
 * noted as read before had said is not known then; what stands is taken to be theirs where they come later.
 */
export class Contested {
  private readonly held = new Map<string, Held>();
  private readonly waiting = new Set<FileState>();
  /** By key, since a commit under way counts in a copy of the state. */
  private readonly files: ReadonlyMap<bigint, { readonly state: FileState; readonly order: number }>;
  /** The last place where a record with several versions was said, other than by those held. */
  private readonly said = new Map<string, number>();

  /**
   * @param order the files of the job, in the order in which the later one counts
   * @param begun how many of them, counted from the first, may have been read by an earlier run
   */
  constructor(
    order: readonly FileState[],
    private readonly begun: number,
  ) {
    this.files = new Map(order.map((state, at) => [state.fkey, { state, order: at }]));
  }

  get full(): boolean {
    return this.held.size >= MAX_HELD;
  }

  /** Whether records of a file are held. */
  has(state: FileState): boolean {
    return this.waiting.has(state);
  }

  /** Takes note of what became of one record, at its entry of a bundle or line of a file. */
  note(
    { fkey }: FileState,
    entry: number,
    line: number | undefined,
    { type, id, version, former }: WriteResult,
    resource: Resource | undefined,
  ): void {
    const file = this.files.get(fkey);
    if (version < 2 || !file) return;
    const key = `${type}/${id}`;
    const rank = file.order * PLACES + (line ?? entry);
    if (former && resource) {
      const before = this.held.get(key);
      if (before && before.rank > rank) return;
      this.held.set(key, { state: file.state, line, rank, resource });
      this.waiting.add(file.state);
      return;
    }
    const before = this.said.get(key);
    if (before === undefined ? this.said.size < MAX_SAID : before < rank) this.said.set(key, rank);
  }

  /** Writes the records that no later file contradicted. @returns the files that may now be noted as read */
  async settle(run: FileImport): Promise<readonly FileState[]> {
    const open = [...this.held].filter(
      ([key, { rank }]) => rank >= (this.said.get(key) ?? -1) && rank >= this.begun * PLACES,
    );
    for (let i = 0; i < open.length; i += PER_COMMIT) {
      const some = open.slice(i, i + PER_COMMIT).map(([, held]) => held);
      try {
        await this.write(run, some);
      } catch (error) {
        if (!isFault(error) || error.category === 'unavailable') throw error;
        for (const one of some) await this.writeOrRefuse(run, one);
      }
    }
    const settled = [...this.waiting];
    this.held.clear();
    this.waiting.clear();
    return settled;
  }

  private async write({ deps, tenant, actor }: FileImport, some: readonly Held[]): Promise<void> {
    const writes = some.map(({ resource }) => ({
      op: 'update' as const,
      type: resource.resourceType,
      id: resource.id!,
      resource,
      skipUnchanged: true,
    }));
    const results = await deps.store.commit(tenant, writes, actor);
    results.forEach(({ outcome }, i) => {
      // They were counted as unchanged when they were held.
      const { counts } = some[i]!.state;
      counts.unchanged--;
      counts[outcome]++;
    });
  }

  private async writeOrRefuse(run: FileImport, one: Held): Promise<void> {
    try {
      await this.write(run, [one]);
    } catch (error) {
      if (!isFault(error) || error.category === 'unavailable') throw error;
      one.state.counts.unchanged--;
      one.state.counts.resources--;
      reject(one.state, one.line, error, one.line !== undefined);
    }
  }
}
