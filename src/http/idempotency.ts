import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { parseJson, stringifyJson } from '../core/json.js';
import type { StoreTransaction } from '../store/contract.js';
import { idempotencyName, type KeptAnswer, keepAnswer, keptAnswer } from '../store/idempotency.js';
import type { BundleDeps } from '../tasks/bundle.js';
import { isObject } from '../tasks/bundle-entry.js';
import type { FhirResponse, Handler } from './exchange.js';
import { HttpFault } from './outcome.js';

const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * `Idempotency-Key` on POST: a request that comes again under its key, within a day, gets the first answer again and
 * is not done again. The answer is kept in the very transaction that does the work, so a crash between the two cannot
 * happen. Only successes are kept: what failed may be tried again.
 *
 * @param make the interaction over stores given to it; it is run inside one transaction.
 */
export function idempotentHandler(
  deps: BundleDeps,
  clock: Clock,
  make: (deps: BundleDeps) => Handler,
): Handler {
  const plain = make(deps);
  return async (request) => {
    const key = request.headers['idempotency-key'];
    if (key === undefined) return plain(request);
    if (typeof key !== 'string' || !KEY.test(key)) {
      throw new HttpFault(400, 'The Idempotency-Key is not 1 to 255 visible characters.', {
        issueCode: 'value',
        remedy: 'Send a fresh random value, such as a UUID, for each request that is meant anew.',
      });
    }
    const { tenant, actor } = request;
    const { text, json } = await request.body(['json']);
    const name = idempotencyName(actor.id, key);
    const requestDigest = tenant.keys.digest(
      `${request.at.type ?? ''}\n${request.headers['if-none-exist'] ?? ''}\n${text}`,
    );
    const answered = await keptAnswer(tenant, name, clock.now());
    if (answered) return again(answered, requestDigest);
    if (!fitsOneTransaction(json)) {
      // A batch is no transaction, and searches inside one must see what it committed: the answer is kept after it.
      const response = await plain(request);
      await deps.store.transact(tenant, actor, (tx) =>
        keepAnswer(tenant, tx, name, { requestDigest, text: kept(response) }, clock.now()),
      );
      return response;
    }
    return deps.store.transact(tenant, actor, async (tx) => {
      await tx.lock(name);
      const first = await keptAnswer(tenant, name, clock.now(), tx);
      if (first) return again(first, requestDigest);
      const response = await make(within(deps, tx))(request);
      await keepAnswer(tenant, tx, name, { requestDigest, text: kept(response) }, clock.now());
      return response;
    });
  };
}

function fitsOneTransaction(json: unknown): boolean {
  if (!isObject(json) || json.resourceType !== 'Bundle') return true;
  const entries = Array.isArray(json.entry) ? json.entry : [];
  return (
    json.type === 'transaction' && entries.every((e) => !['GET', 'HEAD'].includes(String(e?.request?.method)))
  );
}

/** The same dependencies, all inside one transaction: none takes a second connection while this one is held. */
function within(deps: BundleDeps, tx: StoreTransaction): BundleDeps {
  return {
    ...deps,
    find: (tenant, criteria, limit) => deps.find(tenant, criteria, limit, tx),
    findMany: (tenant, criteria) => deps.findMany(tenant, criteria, tx),
    store: {
      ...deps.store,
      commit: (_tenant, writes) => tx.write(writes),
      transact: (_tenant, _actor, work) => work(tx),
      read: (_tenant, type, id) => tx.read(type, id),
    },
  };
}

function kept({ status, resource, version, lastUpdated, location, written }: FhirResponse): string {
  return stringifyJson({ status, resource, version, lastUpdated, location, written });
}

function again({ requestDigest, text }: KeptAnswer, digest: bigint): FhirResponse {
  if (requestDigest !== digest) {
    throw new Fault('invalid', 'The Idempotency-Key was used for another request.', {
      issueCode: 'business-rule',
      remedy: 'Send a new key for a new request.',
    });
  }
  return { ...(parseJson(text) as FhirResponse), headers: { 'Idempotency-Replayed': 'true' } };
}
