import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { isDangling } from '../store/integrity.js';
import { applyBundle } from './bundle.js';
import type { FileImport } from './import-apply.js';
import type { FileState } from './import-ledger.js';

/** Resources of one import that wait in memory for what they refer to; further ones are refused. */
export const MAX_POSTPONED = 50_000;

interface Item {
  readonly state: FileState;
  readonly line: number;
  readonly resource: Resource;
}

/**
 * Resources whose references point to what is not here yet, in a tenant that asks for integrity: lines that come later
 * in their file, files that come later, files that refer to each other. They are written together in one transaction
 * when everything else is in; what points to nothing even then is refused. A file with resources that wait is not
 * noted as read, so that an import that is stopped meets them again.
 */
export class Postponed {
  private readonly items = new Map<string, Item>();
  private readonly waiting = new Set<FileState>();

  /** Whether it may wait. False for other faults, and where no more fit. */
  take(state: FileState, line: number | undefined, resource: Resource | undefined, fault: Fault): boolean {
    if (!isDangling(fault) || line === undefined || resource?.id === undefined) return false;
    if (this.items.size >= MAX_POSTPONED) return false;
    // Of an id that comes again the last one counts, as in a file.
    this.items.set(`${resource.resourceType}/${resource.id}`, { state, line, resource });
    this.waiting.add(state);
    return true;
  }

  /** Whether resources of a file wait. */
  has(state: FileState): boolean {
    return this.waiting.has(state);
  }

  /** Writes what now refers to what is here or to each other, and hands the rest to `refuse`. */
  async settle(
    run: FileImport,
    count: (state: FileState, outcome: 'created' | 'updated' | 'deleted' | 'unchanged', type: string) => void,
    refuse: (state: FileState, line: number, fault: Fault) => void,
  ): Promise<readonly FileState[]> {
    let rest = [...this.items.values()];
    while (rest.length > 0) {
      const outcomes: Parameters<typeof count>[] = [];
      const bundle: Resource = {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: rest.map(({ resource }) => ({ resource })),
      };
      const { errors } = await applyBundle(run.deps, run.tenant, bundle, {
        mode: 'import',
        actor: run.actor,
        base: run.base,
        cache: run.cache,
        check: run.check,
        written: ({ outcome, type, id }) => {
          const item = this.items.get(`${type}/${id}`);
          if (item) outcomes.push([item.state, outcome, type]);
        },
      });
      if (errors.length === 0) {
        for (const outcome of outcomes) count(...outcome);
        break;
      }
      const refused = new Map(errors.map(({ entry, fault }) => [entry, fault]));
      const kept = rest.filter((_, entry) => !refused.has(entry));
      if (kept.length === rest.length)
        throw new Fault('internal', 'A postponed resource was refused unnamed.');
      for (const [entry, fault] of refused) {
        const item = rest[entry];
        if (item) refuse(item.state, item.line, fault);
      }
      rest = kept;
    }
    const settled = [...this.waiting];
    this.items.clear();
    this.waiting.clear();
    return settled;
  }
}
