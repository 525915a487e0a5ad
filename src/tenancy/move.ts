import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { Fault, isFault } from '../core/fault.js';
import { type CatalogContext, type CatalogRow, findRow, noSuchTenant } from './catalog-rows.js';
import { type CopyProgress, catchUp, checkSameSchema, compareTables, copyTables } from './copy-database.js';
import { asAdmin, checkServerVersion, connectFault, isConnectionError } from './database.js';
import { administrator, checkClosed, close, epochOf, fence, hold, reopen } from './move-fence.js';
import { dropPlaces, HOME, serverOf } from './places.js';
import type { ServerAddress } from './postgres/embedded.js';
import { createTenantDatabase, newTenantPlace } from './tenant-database.js';

/** Held for as long as somebody moves the tenant: a move that is written down without it was left by a mover that ended. */
const LOCK = `hashtextextended('cenote moving ' || $1, 0)`;
const LOCK_TIMEOUT = '3s';
const LOCK_NOT_HAD = '55P03';
/** Every process has looked at the catalog by then. Those that have not lose no more than a request. */
const NOTICE_MS = 1_200;

/** What has just been done, in this order. */
export const MOVE_STEPS = [
  'prepared',
  'announced',
  'fenced',
  'copied',
  'compared',
  'switching',
  'closed',
  'caught up',
  'moved',
] as const;
export type MoveStep = (typeof MOVE_STEPS)[number];

export interface MoveOptions {
  /** Name of the place to move to; `home` is the control database's server. */
  readonly to: string;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  /** Told of each step when it is done; the next one waits for it. */
  readonly onStep?: ((step: MoveStep) => void | Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long other processes have to learn of the move before writes are refused, in ms. */
  readonly noticeMs?: number | undefined;
}

/** What the catalog lends a move. */
export interface MoveDeps {
  /** Brings the tenant's database to the current schema where it is now. */
  readonly migrate: (row: CatalogRow) => Promise<unknown>;
  /** The password of the tenant's database role. */
  readonly rolePassword: (row: CatalogRow) => Promise<string>;
}

export interface Moved {
  readonly from: string;
  readonly to: string;
  readonly rows: bigint;
  readonly bytes: number;
  /** How long writes were refused, in ms. */
  readonly writesRefusedMs: number;
  /** How long, of that, reads had to wait. */
  readonly readsHeldMs: number;
}

/**
 * Moves a tenant's database to another place, sealed as it is: nothing is opened on the way, and its keys stay the same.
 * It is copied as of one moment from which on writes are refused (503) and reads go on; rows and digests of every table are
 * compared; then readers wait for a moment, while what reads have written down follows and one transaction of the control
 * database points to the new place. Until that the tenant is where it was, and after any failure it goes on there. A mover
 * that was killed leaves it closed to writers: moving again, or `revertMove`, begins by opening it.
 *
 * One home is writable at any time: the old one is closed, its epoch behind it, before the catalog points to the new one.
 * @throws Fault `conflict` while a job of the tenant runs, another move does, or it is there already; `forbidden` where the
 * administrator of the place may not make databases; `integrity` where the copy is not the same; `unavailable`
 */
export function moveTenant(
  context: CatalogContext,
  name: string,
  options: MoveOptions,
  deps: MoveDeps,
): Promise<Moved> {
  return alone(context, name, async (lock, lost) => {
    const signal = options.signal ? AbortSignal.any([lost, options.signal]) : lost;
    await undo(context, await rowOf(context, name));
    const found = await rowOf(context, name);
    const place = options.to === HOME ? null : options.to;
    if (place === found.place)
      throw new Fault('conflict', 'The tenant is at that place already.', {
        remedy: 'Copies that moves have left are removed by: cenote tenant drop-old NAME',
      });
    const server = serverOf(context, place);
    await asAdmin(server, checkTarget).catch((error: unknown) => {
      if (!isFault(error) || error.category !== 'unavailable') throw error;
      throw new Fault('unavailable', 'The place to move to cannot be reached; nothing was moved.', {
        remedy: 'Check the file of CENOTE_PLACES_FILE and that the server runs.',
        log: error.log ?? '',
        cause: error,
      });
    });
    await deps.migrate(found);
    await refuseWithJobs(context, found.id);
    const password = await deps.rolePassword(found);
    return carry({ context, lock, found, place, server, password, signal, options });
  });
}

/**
 * Ends what a killed mover has left: the tenant works where it is, and what was copied is dropped.
 * @throws Fault `conflict` where a mover is at work, or there is nothing to end
 */
export function revertMove(context: CatalogContext, name: string): Promise<void> {
  return alone(context, name, async () => {
    if (!(await undo(context, await rowOf(context, name))))
      throw new Fault('conflict', 'No move of this tenant is under way; it is at one place and works.', {
        remedy: 'A move that has ended is undone by moving back: cenote tenant move NAME --to PLACE',
      });
  });
}

/** Runs `work` as the only mover of a tenant; its connection holds the lock, and the signal says that it broke. */
async function alone<T>(
  context: CatalogContext,
  name: string,
  work: (lock: pg.PoolClient, lost: AbortSignal) => Promise<T>,
): Promise<T> {
  const { id } = await rowOf(context, name);
  const lock = await context.control.connect();
  const stop = new AbortController();
  const onEnd = () =>
    stop.abort(new Fault('unavailable', 'The connection to the control database was lost.'));
  lock.on('end', onEnd);
  let healthy = false;
  try {
    await lock.query(`set lock_timeout = '${LOCK_TIMEOUT}'`);
    await lock
      .query({ text: `select pg_advisory_lock(${LOCK})`, values: [id] })
      .catch((error: { code?: string }) => {
        if (error.code !== LOCK_NOT_HAD) throw error;
        throw new Fault('conflict', 'This tenant is being moved already.', {
          remedy: 'Let that move end, or end it.',
        });
      });
    // One that loses its machine loses the lock, rather than hold it until TCP gives up.
    await lock.query(
      'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3',
    );
    return await work(lock, stop.signal);
  } finally {
    healthy = await lock.query(`select pg_advisory_unlock(${LOCK})`, [id]).then(
      () => true,
      () => false,
    );
    lock.off('end', onEnd);
    if (healthy) await lock.query('reset all').catch(() => {});
    // Closed in any case: the settings of this connection were changed.
    lock.release(true);
  }
}

async function rowOf(context: CatalogContext, name: string): Promise<CatalogRow> {
  const found = await findRow(context.control, name);
  if (!found) throw noSuchTenant();
  if (found.state === 'shredded') throw new Fault('gone', 'This tenant was erased.');
  return found;
}

async function checkTarget(client: pg.Client): Promise<void> {
  await checkServerVersion(client);
  const { rows } = await client.query<{ may: boolean }>(
    'select rolsuper or (rolcreatedb and rolcreaterole) as may from pg_roles where rolname = current_user',
  );
  if (!rows[0]?.may)
    throw new Fault('forbidden', 'The user of that place may not make databases and roles there.', {
      remedy: 'Give it CREATEDB and CREATEROLE, or name another.',
    });
}

async function refuseWithJobs({ control, clock }: CatalogContext, id: string): Promise<void> {
  const { rowCount } = await control.query(
    `select from job where tenant_id = $1 and state = 'running' and lease_until >= $2 limit 1`,
    [id, clock.now()],
  );
  if (rowCount)
    throw new Fault('conflict', 'A job of this tenant is running; nothing was moved.', {
      remedy: 'Let it end or cancel it (cenote job list), then move the tenant.',
    });
}

interface Carrying {
  readonly context: CatalogContext;
  /** The connection to the control database that holds the lock. */
  readonly lock: pg.PoolClient;
  readonly found: CatalogRow;
  readonly place: string | null;
  readonly server: ServerAddress;
  readonly password: string;
  readonly signal: AbortSignal;
  readonly options: MoveOptions;
}

async function carry(carrying: Carrying): Promise<Moved> {
  const { context, lock, found, place, server, password, signal, options } = carrying;
  const { control, clock } = context;
  const role = found.role ?? found.database;
  const { database } = newTenantPlace();
  const home = { ...serverOf(context, found.place), database: found.database };
  const step = async (done: MoveStep): Promise<void> => {
    await options.onStep?.(done);
    signal.throwIfAborted();
  };
  const opened: pg.Client[] = [];
  const open = async (address: ServerAddress, how: (at: ServerAddress) => Promise<pg.Client>) => {
    const client = await how(address);
    opened.push(client);
    return client;
  };
  await control.query(
    `insert into tenant_place (tenant_id, database, place, state, since) values ($1, $2, $3, 'copying', $4)`,
    [found.id, database, place, clock.now()],
  );
  let gate: pg.Client | undefined;
  let pointing = false;
  let rows = -1n;
  let bytes = 0;
  let fencedAt = 0;
  let closedAt = 0;
  try {
    await createTenantDatabase(server, { database, role, password });
    await step('prepared');
    gate = await open(home, hold);
    await announce(control, found.id, 'copying');
    await step('announced');
    await sleep(options.noticeMs ?? NOTICE_MS, undefined, { signal });
    await refuseWithJobs(context, found.id);
    const source = await open(home, administrator);
    const target = await open({ ...server, database }, administrator);
    await checkSameSchema(source, target);
    fencedAt = performance.now();
    const epoch = await fence(gate, role);
    await step('fenced');
    const onProgress = options.onProgress ?? (() => {});
    bytes = await copyTables(source, target, onProgress, signal);
    await step('copied');
    rows = await compareTables(source, target, onProgress, signal);
    await source.query('commit');
    await target.query('analyze');
    await step('compared');
    closedAt = performance.now();
    await announce(control, found.id, 'switching');
    await step('switching');
    await close(gate, found.database, role);
    await step('closed');
    await catchUp(source, target);
    await step('caught up');
    await checkClosed(gate, role, epoch);
    pointing = true;
    await pointTo(context, lock, found, { database, place, epoch });
    pointing = false;
  } catch (error) {
    // The answer to the last step may be lost, and the step not. Where that cannot be asked nothing is undone.
    if (!(pointing && (await isAt(control, found.id, database)))) {
      for (const client of opened) if (client !== gate) await client.end().catch(() => {});
      await undoNow(context, found, gate);
      throw signal.aborted ? stopped(signal) : failed(error);
    }
  } finally {
    for (const client of opened) await client.end().catch(() => {});
  }
  const now = performance.now();
  await options.onStep?.('moved');
  return {
    from: found.place ?? HOME,
    to: place ?? HOME,
    rows,
    bytes,
    writesRefusedMs: now - fencedAt,
    readsHeldMs: now - closedAt,
  };
}

function stopped(signal: AbortSignal): Fault {
  if (isFault(signal.reason)) return signal.reason;
  return new Fault('unavailable', 'The move was interrupted; the tenant is where it was, and works.', {
    remedy: 'Run the command again: it starts over.',
  });
}

/** What ended a move, in a line. It was undone. */
function failed(error: unknown): unknown {
  if (isFault(error)) return error;
  if (isConnectionError(error)) return connectFault(error);
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return error;
  // disk_full and other limits of the machine.
  const remedy = code.startsWith('53')
    ? 'A server has no room left: make room on its disk, or give it more memory, then run the command again.'
    : 'The log of the server says more; run the command again when that is mended.';
  return new Fault(
    'unavailable',
    `The copy failed (SQL state ${code}); the tenant is where it was, and works.`,
    {
      remedy,
      log: `database error ${code}`,
      cause: error,
    },
  );
}

/** Says how far the move is, to every process within a second. @throws Fault `gone` | `conflict` */
async function announce(control: pg.Pool, id: string, moving: 'copying' | 'switching'): Promise<void> {
  const { rowCount } = await control.query(
    `update tenant set moving = $2 where id = $1 and state <> 'shredded' and moving is not distinct from $3`,
    [id, moving, moving === 'copying' ? null : 'copying'],
  );
  if (rowCount !== 1) throw withdrawn();
}

const withdrawn = (): Fault =>
  new Fault('conflict', 'The move was withdrawn meanwhile, or the tenant erased.', {
    remedy: 'See: cenote tenant show NAME',
  });

/** The one step that moves the tenant: from here on the other place counts. On the connection that holds the lock. */
async function pointTo(
  { clock }: CatalogContext,
  lock: pg.PoolClient,
  found: CatalogRow,
  to: { readonly database: string; readonly place: string | null; readonly epoch: number },
): Promise<void> {
  await lock.query('begin');
  try {
    const { rowCount } = await lock.query(
      `with gone as (
         delete from tenant_place where tenant_id = $1 and database = $3 and state = 'copying' returning database),
       moved as (
         update tenant set database = $3, place = $4, epoch = $5, moving = null from gone
         where id = $1 and tenant.database = $2 and moving = 'switching' and state <> 'shredded' returning id)
       insert into tenant_place (tenant_id, database, place, state, since)
       select id, $2, $6, 'former', $7 from moved`,
      [found.id, found.database, to.database, to.place, to.epoch, found.place, clock.now()],
    );
    if (rowCount !== 1) throw withdrawn();
    await lock.query('commit');
  } catch (error) {
    await lock.query('rollback').catch(() => {});
    throw error;
  }
}

/** Whether the last step was taken, whatever became of its answer. */
async function isAt(control: pg.Pool, id: string, database: string): Promise<boolean> {
  try {
    const { rowCount } = await control.query('select from tenant where id = $1 and database = $2', [
      id,
      database,
    ]);
    return rowCount !== 0;
  } catch (cause) {
    throw new Fault(
      'unavailable',
      'Whether the tenant was moved is not known: the catalog does not answer.',
      {
        remedy: 'When it can be reached: cenote tenant move NAME --revert, which also tells.',
        cause,
      },
    );
  }
}

/** @throws Fault `unavailable` that says what is left to be done, where it could not be undone now */
async function undoNow(context: CatalogContext, found: CatalogRow, gate: pg.Client | undefined) {
  try {
    const now = await findRow(context.control, found.name);
    if (now && now.state !== 'shredded') await undo(context, now, gate);
  } catch (cause) {
    throw new Fault(
      'unavailable',
      'The move failed, and the tenant could not be opened again at its place.',
      {
        remedy: 'When its server and the catalog can be reached: cenote tenant move NAME --revert',
        log: isFault(cause) ? (cause.log ?? cause.message) : 'not undone',
        cause,
      },
    );
  }
}

/**
 * Opens the place of a tenant again, and drops what was copied, by whoever holds the lock: nobody points to the copy
 * meanwhile. @returns whether there was anything to undo
 */
async function undo(context: CatalogContext, found: CatalogRow, held?: pg.Client): Promise<boolean> {
  const { control } = context;
  if (found.moving !== null) {
    const home = { ...serverOf(context, found.place), database: found.database };
    const alive = held !== undefined && (await held.query('rollback').catch(() => undefined)) !== undefined;
    const gate = alive ? held : await hold(home);
    try {
      await reopen(gate, home, found.role ?? found.database);
      await control.query('update tenant set moving = null, epoch = $3 where id = $1 and database = $2', [
        found.id,
        found.database,
        await epochOf(gate),
      ]);
    } finally {
      if (!alive) await gate.end().catch(() => {});
    }
  }
  const { rowCount } = await control.query(
    `update tenant_place set state = 'abandoned' where tenant_id = $1 and state = 'copying'`,
    [found.id],
  );
  // What cannot be reached now goes with the next move, or with drop-old.
  await dropPlaces(context, found, ['abandoned']);
  return found.moving !== null || rowCount !== 0;
}
