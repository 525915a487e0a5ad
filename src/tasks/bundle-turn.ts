/** The last one in the queue of each name. */
const queues = new Map<string, Promise<unknown>>();

/**
 * Runs work of one name one after the other within this process. Conditional writes of the same criteria wait for
 * each other at a lock of the database; those of this process wait here instead, where waiting holds no connection.
 *
 * @param work is told whether it had to wait.
 */
export async function inTurn<T>(name: string, work: (waited: boolean) => Promise<T>): Promise<T> {
  const before = queues.get(name);
  const mine = before === undefined ? work(false) : before.then(() => work(true));
  const settled = mine.then(
    () => undefined,
    () => undefined,
  );
  queues.set(name, settled);
  try {
    return await mine;
  } finally {
    if (queues.get(name) === settled) queues.delete(name);
  }
}
