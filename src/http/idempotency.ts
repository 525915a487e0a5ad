import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { parseJson, stringifyJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import type { StoreTransaction } from '../store/contract.js';
import { isRetriable } from '../store/database.js';
import { idempotencyName, type KeptAnswer, keepAnswer, keptAnswer } from '../store/idempotency.js';
import type { BundleDeps } from '../tasks/bundle.js';
import { isObject } from '../tasks/bundle-entry.js';
import type { BundlePart } from '../tasks/bundle-options.js';
import type { FhirResponse, Handler } from './exchange.js';
import { HttpFault } from './outcome.js';

const BYTES = ['bytes'] as const;
const KEY = /^[\x21-\x7e]{1,255}$/;

/** Makes the interaction over stores given to it; of a bundle a part of it alone, where one is named. */
type Make = (deps: BundleDeps, part?: BundlePart) => Handler;

/**
 * `Idempotency-Key` on POST: a request that comes again under its key, within a day, gets the first answer again and
 * is not done again. The answer is kept in the very transaction that does the work, so a crash between the two cannot
 * happen. Only successes are kept: what failed may be tried again.
 *
 * A batch under a key is one transaction too, each entry behind a savepoint of its own. What a bundle reads is read when
 * its writes are committed and the answer so far is kept; where a crash comes between, the retry reads.
 */
export function idempotentHandler(deps: BundleDeps, clock: Clock, make: Make): Handler {
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
    const { tenant, actor, at } = request;
    const { text, json, bytes } = await request.body(['json', ...(at.type === 'Binary' ? BYTES : [])]);
    const name = idempotencyName(actor.id, key);
    const requestDigest = tenant.keys.digest(
      `${at.type ?? ''}\n${request.headers['if-none-exist'] ?? ''}\n${bytes?.toString('base64') ?? text}`,
    );
    const shape = shapeOf(at.type === undefined ? json : undefined);
    const completed = async ({ response, replayed }: Answered): Promise<FhirResponse> => {
      const headers = replayed ? { headers: { 'Idempotency-Replayed': 'true' } } : {};
      if (!response.readsOpen) return { ...response, ...headers };
      const reads = await make(deps, 'reads')(request);
      if (failedForNow(reads.resource))
        return { ...response, resource: merged(response.resource, reads.resource), ...headers };
      const whole = { ...response, resource: merged(response.resource, reads.resource), readsOpen: false };
      await deps.store.transact(tenant, actor, (tx) =>
        keepAnswer(tenant, tx, name, { requestDigest, text: kept(whole) }, clock.now()),
      );
      return { ...whole, ...headers };
    };
    const answered = await keptAnswer(tenant, name, clock.now());
    if (answered) return completed(again(answered, requestDigest));
    if (shape.reads) await make(deps, 'searches')(request);
    const done = await deps.store.transact(tenant, actor, async (tx): Promise<Answered> => {
      await tx.lock(name);
      const first = await keptAnswer(tenant, name, clock.now(), tx);
      if (first) return again(first, requestDigest);
      const inside = within(deps, tx, shape.batch);
      const response = await make(inside.deps, shape.reads ? 'writes' : undefined)(request);
      inside.rethrow();
      const answer = { ...response, readsOpen: shape.reads };
      await keepAnswer(tenant, tx, name, { requestDigest, text: kept(answer) }, clock.now());
      return { response: answer, replayed: false };
    });
    return completed(done);
  };
}

/** An answer of which the reads may be missing still. */
type PartAnswer = FhirResponse & { readonly readsOpen?: boolean };

interface Answered {
  readonly response: PartAnswer;
  readonly replayed: boolean;
}

/** Whether a body is a batch, and whether it holds entries that are answered by other interactions. */
function shapeOf(json: unknown): { batch: boolean; reads: boolean } {
  if (!isObject(json) || json.resourceType !== 'Bundle') return { batch: false, reads: false };
  const entries = Array.isArray(json.entry) ? json.entry : [];
  const reads = entries.some(
    (e) => ['GET', 'HEAD'].includes(String(e?.request?.method)) || String(e?.request?.url).includes('$'),
  );
  return { batch: json.type === 'batch', reads };
}

/** Whether something could not be read just now: then the retry reads again. */
function failedForNow(reads: Resource | undefined): boolean {
  const entries: { response?: { status?: string } }[] = Array.isArray(reads?.entry) ? reads.entry : [];
  return entries.some(({ response }) => response?.status?.startsWith('5'));
}

/** What a bundle wrote and what it read, entry by entry: each is empty in the half that is not its own. */
function merged(writes: Resource | undefined, reads: Resource | undefined): Resource | undefined {
  if (!writes || !Array.isArray(writes.entry) || !reads || !Array.isArray(reads.entry)) return writes;
  const answers: unknown[] = reads.entry;
  const entry = writes.entry.map((own: object, i) => (Object.keys(own).length > 0 ? own : answers[i]));
  return { ...writes, entry };
}

/**
 * The same dependencies, all inside one transaction: none takes a second connection while this one is held.
 * @param apart each write behind a savepoint, so that one that fails leaves the others
 */
function within(
  deps: BundleDeps,
  tx: StoreTransaction,
  apart: boolean,
): { deps: BundleDeps; rethrow: () => void } {
  let lost: unknown;
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!apart) return work();
    await tx.query('savepoint entry', []);
    try {
      const result = await work();
      await tx.query('release savepoint entry', []);
      return result;
    } catch (error) {
      // What asks for the transaction to be run again is not the entry's fault.
      if (isRetriable(error)) lost ??= error;
      await tx.query('rollback to savepoint entry', []);
      throw error;
    }
  };
  return {
    deps: {
      ...deps,
      find: (tenant, criteria, limit) => deps.find(tenant, criteria, limit, tx),
      findMany: (tenant, criteria) => deps.findMany(tenant, criteria, tx),
      store: {
        ...deps.store,
        commit: (_tenant, writes) => step(() => tx.write(writes)),
        transact: (_tenant, _actor, work) => step(() => work(tx)),
        read: (_tenant, type, id) => tx.read(type, id),
      },
    },
    rethrow: () => {
      if (lost !== undefined) throw lost;
    },
  };
}

function kept({ status, resource, version, lastUpdated, location, written, readsOpen }: PartAnswer): string {
  return stringifyJson({ status, resource, version, lastUpdated, location, written, readsOpen });
}

function again({ requestDigest, text }: KeptAnswer, digest: bigint): Answered {
  if (requestDigest !== digest) {
    throw new Fault('invalid', 'The Idempotency-Key was used for another request.', {
      issueCode: 'business-rule',
      remedy: 'Send a new key for a new request.',
    });
  }
  return { response: parseJson(text) as PartAnswer, replayed: true };
}
