import pg from 'pg';
import { Fault } from '../core/fault.js';
import { Semaphore } from './semaphore.js';

/** How long a caller waits for a connection before it is told that all are busy. */
const WAIT_MS = 15_000;

type Connected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: unknown) => void,
) => void;

/**
 * How many connections this process may have to the server, over all tenants: many small pools would otherwise use
 * up the server's slots with idle ones. A connection in use holds a permit; where a new one is wanted and all are
 * open, an idle one of another pool is closed first. There is one, since not all can be in use by permit holders.
 */
export class ConnectionBudget {
  readonly permits: Semaphore;
  /** In order of opening. Weak: a pool that nobody holds any more counts for nothing once it is gone. */
  private readonly pools = new Set<WeakRef<CleanPool>>();

  constructor(readonly max: number) {
    this.permits = new Semaphore(max);
  }

  add(pool: CleanPool): void {
    for (const ref of this.pools) if (!ref.deref()) this.pools.delete(ref);
    this.pools.add(new WeakRef(pool));
  }

  /** Connections open now, those being made included. */
  get open(): number {
    let sum = 0;
    for (const ref of this.pools) sum += ref.deref()?.connections ?? 0;
    return sum;
  }

  /** Closes an idle connection of some pool; waits a moment where those that are not in use are still on their way. */
  async closeOneIdle(): Promise<void> {
    for (const ref of this.pools) if ((await ref.deref()?.closeOneIdle()) === true) return;
    await new Promise((done) => setImmediate(done));
  }
}

/**
 * A pool that closes a connection given back in the middle of a transaction, rather than hand it on: the next one to
 * use it would work inside somebody else's transaction, or find it aborted. With a budget it opens connections only
 * as that allows.
 */
export class CleanPool extends pg.Pool {
  /** One permit for each connection of this pool that is in use: who waits for this pool takes nothing of others. */
  private readonly own: Semaphore;
  /** Idle connections promised to callers that get them in the next tick. */
  private promised = 0;

  constructor(
    private readonly budget: ConnectionBudget | undefined,
    settings: pg.PoolConfig & { max: number },
  ) {
    super(settings);
    this.own = new Semaphore(settings.max);
    budget?.add(this);
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.PoolClient> | undefined {
    if (callback && this.budget && this.connectAtOnce(this.budget, callback)) return undefined;
    const connected = this.budget ? this.connectWithin(this.budget) : super.connect().then(closeIfDirty);
    if (!callback) return connected;
    connected.then(
      (client) => callback(undefined, client, client.release as (release?: unknown) => void),
      (error: Error) => callback(error, undefined, () => {}),
    );
    return undefined;
  }

  /** The common case, that nobody has to wait, without promises: it is a tenth of what a short query costs. */
  private connectAtOnce(budget: ConnectionBudget, callback: Connected): boolean {
    const idle = this.hasIdle();
    if (!idle && budget.open >= budget.max) return false;
    if (!this.own.tryAcquire()) return false;
    if (!budget.permits.tryAcquire()) {
      this.own.release();
      return false;
    }
    if (idle) this.promised += 1;
    super.connect((error, client) => {
      if (idle) this.promised -= 1;
      if (!client) {
        this.giveBack(budget);
        callback(error, undefined, () => {});
        return;
      }
      closeIfDirty(client, () => this.giveBack(budget));
      callback(undefined, client, client.release as (release?: unknown) => void);
    });
    return true;
  }

  private async connectWithin(budget: ConnectionBudget): Promise<pg.PoolClient> {
    const deadline = Date.now() + WAIT_MS;
    if (!this.own.tryAcquire() && !(await this.own.acquire(deadline))) throw busy();
    if (!budget.permits.tryAcquire() && !(await budget.permits.acquire(deadline))) {
      this.own.release();
      throw busy();
    }
    try {
      return closeIfDirty(await this.take(budget), () => this.giveBack(budget));
    } catch (error) {
      this.giveBack(budget);
      throw error;
    }
  }

  private giveBack(budget: ConnectionBudget): void {
    budget.permits.release();
    this.own.release();
  }

  private async take(budget: ConnectionBudget): Promise<pg.PoolClient> {
    for (;;) {
      // Nothing may happen between these checks and `connect`, from which on the new connection counts.
      if (this.hasIdle()) return this.takeIdle();
      if (budget.open < budget.max) return super.connect();
      await budget.closeOneIdle();
    }
  }

  private async takeIdle(): Promise<pg.PoolClient> {
    this.promised += 1;
    try {
      return await super.connect();
    } finally {
      this.promised -= 1;
    }
  }

  /** Connections open and being made, with those that the pool makes in the next tick for callers queued in this one. */
  get connections(): number {
    return this.totalCount + Math.max(0, this.waitingCount - this.idleCount);
  }

  private hasIdle(): boolean {
    return this.idleCount > this.promised;
  }

  /** Closes one idle connection; false where there is none. */
  async closeOneIdle(): Promise<boolean> {
    if (!this.hasIdle() || this.ending) return false;
    (await this.takeIdle()).release(true);
    return true;
  }
}

function closeIfDirty(client: pg.PoolClient, after?: () => void): pg.PoolClient {
  const release = client.release;
  client.release = (destroy) => {
    const status = client.getTransactionStatus();
    // Throws where it was released before; then nothing is given back twice.
    release(destroy || (status !== 'I' && status !== null) ? destroy || true : undefined);
    after?.();
  };
  return client;
}

function busy(): Fault {
  return new Fault('unavailable', 'The database has no free connection; all are busy.', {
    remedy: 'Try again later.',
  });
}
