import type pg from 'pg';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { Tenant } from '../tenancy/tenant.js';
import { listShown, type Reads, type UnsureRule } from './listed.js';
import { readRows } from './read.js';

/**
 * What one caller sees of a tenant. A narrowed tenant is a `Tenant` like any other, so whatever is built on tenants is
 * narrowed with it: its pool answers as a database would that lacks the hidden rows, and refuses everything else.
 */

/** What may be done, in the letters of SMART: create, read, update, delete, search. */
export type Letter = 'c' | 'r' | 'u' | 'd' | 's';

/** Takes values and gives the placeholder of each. */
export interface Binds {
  readonly values: unknown[];
}

export interface Visibility {
  /** Whether it may be done to a resource in this state. */
  allows(letter: Letter, resource: Resource): boolean;
  /** Whether it may be done to everything. */
  allowsAll(letter: Letter): boolean;
  /** SQL predicate on the row `r` of `resource` that may be read or found; its values are bound to the statement. */
  rows(letter: 'r' | 's', bind: Binds): string;
  /**
   * SQL predicate on the row `r` that everything meets to which one of these may be done; where the index does not decide
   * it, other rows meet it too.
   */
  reach(letters: readonly Letter[], bind: Binds): string;
  /** Rules whose rows must be listed before `rows` is asked for. */
  unsure?(letter: 'r' | 's'): readonly UnsureRule[];
  /** What it was made from, so that a job can be narrowed as its caller was. */
  readonly grants: unknown;
}

interface Narrowed {
  readonly raw: Tenant;
  readonly visibility: Visibility;
  /** Of rows that statements find. */
  readonly letter: 'r' | 's';
}

const narrowed = new WeakMap<Tenant, Narrowed>();

/** The tenant as the caller sees it; statements find what may be read (`r`) or searched (`s`). */
export function narrow(tenant: Tenant, visibility: Visibility, letter: 'r' | 's'): Tenant {
  const raw = rawOf(tenant);
  const pool = visibility.allowsAll(letter) ? raw.pool : narrowedPool(raw, visibility, letter);
  const seen: Tenant = { record: raw.record, keys: raw.keys, pool };
  narrowed.set(seen, { raw, visibility, letter });
  return seen;
}

/** How the tenant was narrowed; undefined where all of it is seen. */
export function narrowedOf(tenant: Tenant): Narrowed | undefined {
  return narrowed.get(tenant);
}

/** The whole tenant: for the store, which checks what it gives out, and for what holds no record of anybody. */
export function rawOf(tenant: Tenant): Tenant {
  return narrowed.get(tenant)?.raw ?? tenant;
}

export function refusedToNarrowed(): Fault {
  return new Fault('forbidden', 'This is not done for a token that sees a part of the tenant only.', {
    remedy: 'Use a token whose scopes cover every type without restriction.',
  });
}

/** A pool that runs statements which read, on the visible rows; what needs a connection of its own is refused. */
function narrowedPool(raw: Tenant, visibility: Visibility, letter: 'r' | 's'): pg.Pool {
  const query = async (given: string | pg.QueryConfig, values: readonly unknown[] = []) => {
    const text = typeof given === 'string' ? given : given.text;
    const bound = typeof given === 'string' ? values : (given.values ?? []);
    const { text: shadowed, values: all } = await narrowedStatement(raw, visibility, letter, text, bound);
    // Without the statement's name: prepared under it is the text that sees everything.
    return raw.pool.query(shadowed, all as unknown[]);
  };
  const refuse = () => {
    throw refusedToNarrowed();
  };
  return new Proxy({} as pg.Pool, {
    get: (_target, name) => (name === 'query' ? query : name === 'then' ? undefined : refuse),
  });
}

/** Rows of these tables belong to one resource each and are seen with it. */
const OF_A_ROW = new Set(['locator', 'version', 'idx_date', 'idx_quantity', 'idx_reference', 'idx_sorted']);
/** Of no patient's record. */
const OPEN = new Set(['idempotency', 'tenant_epoch', 'own_parameters', 'schema_migration']);

/** Names of the tables of a tenant's database, kept as long as its pool. */
const tables = new WeakMap<pg.Pool, Promise<readonly string[]>>();

function tablesOf({ pool }: Tenant): Promise<readonly string[]> {
  let found = tables.get(pool);
  if (!found) {
    found = pool
      .query<{ relname: string }>(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')",
      )
      .then(({ rows }) => rows.map((row) => row.relname));
    found.catch(() => tables.delete(pool));
    tables.set(pool, found);
  }
  return found;
}

const READS = /^\s*(?:explain\s*\(format json\)\s*)?(?=[(]|select\b|with\b)/i;
const CURSOR = /^\s*declare \w+ no scroll cursor for\s+/i;
/** The one table that is written outside of the store's own statements: answers kept for a caller's own key. */
const OWN_ANSWERS = /^\s*(?:insert into|delete from) idempotency\b/i;

/**
 * The statement over visible rows alone: each table it names is shadowed by a query of the same name (WITH), so that
 * chains, counts, sort keys and whatever else the statement says run where hidden rows do not exist. A table that has no
 * rule is empty.
 * @throws Fault `forbidden` for a statement that does more than read
 */
export async function narrowedStatement(
  raw: Tenant,
  visibility: Visibility,
  letter: 'r' | 's',
  text: string,
  values: readonly unknown[],
  reads: Reads = poolReads(raw),
): Promise<{ text: string; values: readonly unknown[] }> {
  if (OWN_ANSWERS.test(text)) return { text, values };
  if (visibility.allowsAll(letter)) return { text, values };
  const head = CURSOR.exec(text)?.[0] ?? READS.exec(text)?.[0];
  // One statement that reads. Ours end without a semicolon, and hold none.
  if (head === undefined || text.includes(';')) throw refusedToNarrowed();
  const body = text.slice(head.length);
  if (/\bpublic\s*\.|"/.test(body)) throw refusedToNarrowed();
  const named = (await tablesOf(raw)).filter((table) => new RegExp(`\\b${table}\\b`).test(body));
  const unsure = visibility.unsure?.(letter) ?? [];
  if (unsure.length > 0) await listShown(unsure, reads);
  const bind: Binds = { values: [...values] };
  const shadows = [
    // With the transaction that wrote each row: pages of one moment ask for it (`search/moment.ts`).
    `resource as not materialized (select r.*, r.xmin from public.resource r where not r.deleted and (${visibility.rows(letter, bind)}))`,
    ...named
      .filter((table) => table !== 'resource' && !OPEN.has(table))
      .map((table) => `${table} as not materialized (${shadow(table)})`),
  ].join(', ');
  if (named.every((table) => OPEN.has(table))) return { text, values };
  const rest = /^with\s+recursive\b/i.test(body)
    ? `with ${shadows} select * from (${body}) as all_rows`
    : /^with\b/i.test(body)
      ? `with ${shadows}, ${body.slice('with'.length)}`
      : `with ${shadows} ${body}`;
  return { text: head + rest, values: bind.values };
}

function poolReads(raw: Tenant): Reads {
  return {
    query: async (text, values) => (await raw.pool.query(text, values as unknown[])).rows,
    open: (rows) => readRows(raw, raw.pool, rows),
  };
}

function shadow(table: string): string {
  const seen = (on: string) =>
    `select x.*${table === 'version' ? ', x.xmin' : ''} from public.${table} x where exists (select 1 from resource v where ${on})`;
  if (OF_A_ROW.has(table)) return seen('v.part = x.part and v.rtype = x.rtype and v.rid = x.rid');
  if (table === 'annotation')
    return seen(`v.part = x.part and v.rid = x.rid and v.rtype = ${typeNumber('DocumentReference')}`);
  return `select x.* from public.${table} x where false`;
}
