import { Fault } from '../core/fault.js';
import type { WriteOutcome } from './contract.js';
import type { Current } from './current.js';
import type { PreparedWrite } from './prepare.js';

/** What will be written for one prepared write, or that nothing will. */
export interface Decision {
  readonly write: PreparedWrite;
  readonly outcome: WriteOutcome;
  /** The version that results; for `unchanged` the one that stands. */
  readonly version: number;
  readonly lastUpdated: number;
  /** The row that is replaced; undefined for an id met for the first time. */
  readonly current: Current | undefined;
  /** See `Write.holdFormer`. */
  readonly former?: boolean;
}

/**
 * The rules of versions, without I/O: versions are dense and start at 1, a deletion is a version, an id that was
 * deleted goes on counting, and time never runs backwards within a resource.
 * @throws Fault `conflict` | `precondition` | `not-found` | `gone`
 */
export function decide(write: PreparedWrite, current: Current | undefined, now: number): Decision {
  const { at } = write;
  if (current && current.chk !== write.chk)
    throw new Fault('conflict', 'The storage key of this id is taken by another id.', {
      at,
      remedy: 'Use another id for this resource.',
    });
  const standing = current && !current.deleted ? current.ver : 0;
  if (write.ifMatch !== undefined && write.ifMatch !== standing) throw notCurrent(standing, at);
  const next = {
    write,
    version: (current?.ver ?? 0) + 1,
    lastUpdated: Math.max(now, current?.lu ?? 0),
    current,
  };
  switch (write.op) {
    case 'create':
      if (standing > 0)
        throw new Fault('conflict', 'A resource with this id exists already.', {
          at,
          remedy: 'Update it instead, or create it under another id.',
        });
      return { ...next, outcome: 'created' };
    case 'update':
      if (standing === 0) return { ...next, outcome: 'created' };
      if (write.skipUnchanged && current!.digest === write.body!.digest)
        return { write, outcome: 'unchanged', version: standing, lastUpdated: current!.lu, current };
      return { ...next, outcome: 'updated' };
    case 'delete':
      if (standing > 0) return { ...next, outcome: 'deleted' };
      if (write.skipUnchanged)
        return {
          write,
          outcome: 'unchanged',
          version: current?.ver ?? 0,
          lastUpdated: current?.lu ?? now,
          current,
        };
      if (current) throw new Fault('gone', 'The resource was deleted before.', { at });
      throw new Fault('not-found', 'There is no resource with this id.', { at });
  }
}

/** @param standing the version that stands, 0 where none does */
export function notCurrent(standing: number, at: string | undefined): Fault {
  return new Fault(
    'precondition',
    standing === 0
      ? 'The version asked for is not current: the resource does not exist.'
      : `The version asked for is not current: version ${standing} is.`,
    { at, remedy: 'Read the resource again and repeat the change on its current version.' },
  );
}
