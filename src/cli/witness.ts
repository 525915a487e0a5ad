import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { isFault } from '../core/fault.js';
import type { System } from '../system.js';
import type { AdminAct } from '../tenancy/admin-audit.js';

/** The user of the operating system, as audit logs name whoever works on the command line. */
export function operator(): string {
  try {
    return `cli/${userInfo().username}`;
  } catch {
    // A user id without an entry in the machine's list, as in some containers.
    return `cli/${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Commands that administer, by their words; what only lists or shows is left out. */
const ACTS: Readonly<Record<string, 'tenant' | 'option' | 'all'>> = {
  'tenant create': 'tenant',
  'tenant set': 'tenant',
  'tenant suspend': 'tenant',
  'tenant resume': 'tenant',
  'tenant rotate-key': 'tenant',
  'tenant shred': 'tenant',
  'tenant move': 'tenant',
  'tenant drop-old': 'tenant',
  'client register': 'option',
  'client revoke': 'option',
  token: 'option',
  migrate: 'all',
  'job cancel': 'option',
  'job resume': 'option',
  'job reindex': 'option',
};

let running: Omit<AdminAct, 'outcome'> | undefined;

/** Takes note of which command is about to run; called before its action. */
export function witness(command: Command): void {
  const words: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) words.unshift(at.name());
  const kind = ACTS[words.join(' ')];
  const [first] = command.args;
  const { tenant } = command.opts<{ tenant?: string }>();
  running =
    kind === undefined
      ? undefined
      : {
          subject: operator(),
          action: words.join('-'),
          ...(kind === 'tenant'
            ? { tenant: first }
            : { tenant, ...(first === undefined ? {} : { target: first }) }),
        };
}

/**
 * Runs the work of a command; of one that administers it is written down that it begins and how it ends, in the chain of
 * administration and in the log of the tenant it concerns, as long as that is open.
 */
export async function witnessed<T>(system: System, work: () => Promise<T>): Promise<T> {
  const act = running;
  if (!act) return work();
  const { administration } = system;
  await administration.record({ ...act, outcome: 'begun' });
  // Of what closes the tenant it is told before.
  const closes = act.action === 'tenant-suspend' || act.action === 'tenant-shred';
  if (closes) await tell(system, act, 202);
  let result: T;
  try {
    result = await work();
  } catch (error) {
    const refused = isFault(error) && error.category !== 'internal' && error.category !== 'integrity';
    await administration.record({ ...act, outcome: refused ? 'refused' : 'failed' }).catch(() => undefined);
    throw error;
  }
  await administration.record({ ...act, outcome: 'done' });
  if (!closes) await tell(system, act, 200);
  return result;
}

async function tell(
  { tenants, audit, clock }: System,
  { subject, action, tenant }: Omit<AdminAct, 'outcome'>,
  status: number,
): Promise<void> {
  const record = tenant === undefined ? undefined : await tenants.find(tenant);
  if (record?.state !== 'active') return;
  await audit.record(await tenants.open(record.name), {
    actor: { id: subject, kind: 'user' },
    at: clock.now(),
    interaction: `$admin-${action}`,
    status,
  });
}
