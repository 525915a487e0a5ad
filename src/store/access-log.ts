import { Fault } from '../core/fault.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type Access, sealAccesses } from './audit.js';
import { insertAudit } from './audit-chain.js';
import type { Actor } from './contract.js';

/** Accesses of one row: more at once go into several. */
const MAX_ACCESSES_PER_ROW = 256;
/** Accesses of a tenant that may wait to be written; more are refused until the database has caught up. */
const MAX_WAITING = 20_000;

/** Of the row; who asked stands in each access. */
const SERVER: Actor = { id: 'server', kind: 'job' };

/** Writes down who read what. */
export interface AccessLog {
  /**
   * Resolves once the access stands in the tenant's audit chain: an answer is sent after that, or not at all.
   * @throws Fault `unavailable` when it cannot be written.
   */
  record(tenant: Tenant, access: Access): Promise<void>;
}

export interface AccessLogSettings {
  /**
   * Whether a record waits for the disk. Where not, it survives the end of this process, but what was recorded in the
   * last half second before the database's machine fails may be lost.
   */
  readonly durable: boolean;
}

interface Waiting {
  readonly access: Access;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

interface Queue {
  waiting: Waiting[];
  writing: boolean;
}

/**
 * The log of accesses. While one row is being written those that come wait and go together into the next, so that a
 * busy tenant pays for one statement, not for one a request.
 */
export function createAccessLog({ durable }: AccessLogSettings): AccessLog {
  const queues = new WeakMap<Tenant, Queue>();

  async function drain(tenant: Tenant, queue: Queue): Promise<void> {
    queue.writing = true;
    try {
      while (queue.waiting.length > 0) {
        const batch = queue.waiting.splice(0, MAX_ACCESSES_PER_ROW);
        try {
          await write(
            tenant,
            batch.map((w) => w.access),
            durable,
          );
          for (const w of batch) w.done();
        } catch (error) {
          for (const w of batch) w.failed(error);
        }
      }
    } finally {
      queue.writing = false;
    }
  }

  return {
    record(tenant, access) {
      const queue = queues.get(tenant) ?? { waiting: [], writing: false };
      queues.set(tenant, queue);
      if (queue.waiting.length >= MAX_WAITING)
        return Promise.reject(notWritten(new Error('too many accesses wait to be written')));
      const { waiting } = queue;
      const recorded = new Promise<void>((done, failed) => {
        waiting.push({ access, done, failed: (error) => failed(notWritten(error)) });
      });
      if (!queue.writing) void drain(tenant, queue);
      return recorded;
    },
  };
}

async function write(tenant: Tenant, accesses: readonly Access[], durable: boolean): Promise<void> {
  const row = sealAccesses(tenant.keys, SERVER, accesses);
  const client = await tenant.pool.connect();
  let broken: Error | undefined;
  try {
    await insertAudit(client, [row.part, row.at, row.aid, row.kv, row.sealed, row.mac], durable);
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
}

function notWritten(cause: unknown): Fault {
  return new Fault('unavailable', 'The access could not be written to the audit log, so it is refused.', {
    remedy: 'Try again in a moment; if it goes on, the database of this tenant refuses writes.',
    log: `audit: ${(cause as { code?: string }).code ?? 'not written'}`,
    cause,
  });
}
