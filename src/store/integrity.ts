import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { parseReference, visitReferences } from '../fhir/references.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { rowKey } from './current.js';
import { intArray, type Queryable, run } from './database.js';
import type { Decision } from './decide.js';
import { checkOf, type PreparedWrite } from './prepare.js';

/**
 * Referential integrity (R4 `reference-handling-policy` `enforced`) for tenants that ask for it: what a transaction
 * leaves behind refers to nothing that is not here. Looked at after the transaction's own writes, so that these may
 * refer to each other in any order.
 */

/** One literal reference to a resource of the tenant. */
export interface LocalReference {
  readonly type: string;
  readonly id: string;
  /** A reference to a version stays good when the resource is deleted: the version is kept. */
  readonly versioned: boolean;
  /** Within the resource: `.subject.reference`. */
  readonly path: string;
}

/** References between the entries of a stored Bundle are the Bundle's own (R4 bundle.html#references). */
const HOLDS_ITS_OWN = new Set(['Bundle']);

/** The literal references to resources of this tenant, contained resources' included; `base` is the tenant's own. */
export function localReferences(resource: Resource, base: string): LocalReference[] {
  if (HOLDS_ITS_OWN.has(resource.resourceType)) return [];
  const found: LocalReference[] = [];
  visitReferences(resource, (text, where) => {
    const hash = text.indexOf('#');
    const parsed = parseReference(hash > 0 ? text.slice(0, hash) : text, base);
    if (parsed.kind !== 'local') return;
    const path = where().slice(resource.resourceType.length);
    found.push({ type: parsed.type, id: parsed.id, versioned: parsed.version !== undefined, path });
  });
  return found;
}

/** Whether a write by itself needs the checks below. */
export function needsIntegrity({ op, body }: PreparedWrite, base: string): boolean {
  return op === 'delete' || (body !== undefined && localReferences(body.resource!, base).length > 0);
}

/** Whether a fault says that a reference points to nothing: it may be tried again once the target is there. */
export function isDangling(fault: Fault): boolean {
  return fault.category === 'precondition' && fault.issueCode === 'business-rule';
}

/**
 * Checks what one set of writes leaves behind; called after they are written and before they are committed.
 * @throws Fault `precondition` (issue `business-rule`) at `writes[3].subject.reference`, `conflict` at `writes[3]`; the first
 * fault of each write, those after the first in `also`.
 */
export async function checkIntegrity(
  keys: TenantKeys,
  db: Queryable,
  base: string,
  changes: readonly Decision[],
): Promise<void> {
  const faults = [...(await danglingOf(keys, db, base, changes)), ...(await stillReferred(db, changes))];
  const [first, ...also] = faults;
  if (!first) return;
  const { category, message, at, remedy, issueCode } = first;
  throw new Fault(category, message, { at, remedy, issueCode, also });
}

interface Target {
  readonly rtype: number;
  readonly rid: bigint;
  readonly chk: number;
}

async function danglingOf(
  keys: TenantKeys,
  db: Queryable,
  base: string,
  changes: readonly Decision[],
): Promise<Fault[]> {
  const targets = new Map<string, Target>();
  const pointing: { write: PreparedWrite; reference: LocalReference; target: string }[] = [];
  const names = new Map<string, string>();
  const written = new Set(
    changes.filter(({ write }) => write.body).map(({ write }) => `${write.type}/${write.id}`),
  );
  for (const { write } of changes) {
    if (!write.body) continue;
    for (const reference of localReferences(write.body.resource!, base)) {
      const name = `${reference.type}/${reference.id}`;
      if (written.has(name)) continue;
      let target = names.get(name);
      if (target === undefined) {
        const rtype = typeNumber(reference.type);
        const rid = keys.rid(reference.type, reference.id);
        target = rowKey(rtype, rid);
        names.set(name, target);
        targets.set(target, { rtype, rid, chk: checkOf(keys, reference.type, reference.id) });
      }
      pointing.push({ write, reference, target });
    }
  }
  if (pointing.length === 0) return [];
  const here = await lockTargets(db, [...targets.values()]);
  const faults = new Map<PreparedWrite, Fault>();
  for (const { write, reference, target } of pointing) {
    const state = here.get(target);
    if (state === 'here' || (state === 'deleted' && reference.versioned) || faults.has(write)) continue;
    faults.set(
      write,
      new Fault(
        'precondition',
        state === 'deleted'
          ? 'The reference points to a resource that was deleted.'
          : 'The reference points to a resource that is not here.',
        {
          at: `${write.at}${reference.path}`,
          issueCode: 'business-rule',
          remedy: 'Write what it refers to first or in the same transaction, or correct the reference.',
        },
      ),
    );
  }
  return [...faults.values()];
}

/**
 * What is there of the targets. Their locator rows are locked against deletion until the transaction ends, in the order
 * of their keys; whoever merely updates one takes a lock that does not collide with this.
 *
 * The lock and the look are two statements, for the reason given at `lockCurrent`.
 */
async function lockTargets(
  db: Queryable,
  targets: readonly Target[],
): Promise<Map<string, 'here' | 'deleted'>> {
  const wanted = [
    intArray(targets.map((t) => t.rtype)),
    intArray(targets.map((t) => t.rid)),
    intArray(targets.map((t) => t.chk)),
  ];
  const located = await run<{ part: number; rtype: number; rid: bigint }>(
    db,
    `select l.part, l.rtype, l.rid from locator l
       join unnest($1::smallint[], $2::bigint[], $3::int[]) as k (rtype, rid, chk)
       on l.rtype = k.rtype and l.rid = k.rid and l.chk = k.chk
       order by l.rtype, l.rid for key share of l`,
    wanted,
    'store-lock-targets',
  );
  const here = new Map<string, 'here' | 'deleted'>();
  if (located.length === 0) return here;
  const rows = await run<{ rtype: number; rid: bigint; deleted: boolean }>(
    db,
    `select r.rtype, r.rid, r.deleted from resource r
       join unnest($1::int[], $2::smallint[], $3::bigint[]) as k (part, rtype, rid)
       on r.part = k.part and r.rtype = k.rtype and r.rid = k.rid`,
    [
      intArray(located.map((l) => l.part)),
      intArray(located.map((l) => l.rtype)),
      intArray(located.map((l) => l.rid)),
    ],
    'store-look-targets',
  );
  for (const row of rows) here.set(rowKey(row.rtype, row.rid), row.deleted ? 'deleted' : 'here');
  return here;
}

/**
 * Deleted resources that others still refer to. Found by the reference search parameters: an element that none of them
 * reads (decision 0008) does not keep its target.
 */
async function stillReferred(db: Queryable, changes: readonly Decision[]): Promise<Fault[]> {
  const deleted = changes.filter(({ outcome }) => outcome === 'deleted').map(({ write }) => write);
  if (deleted.length === 0) return [];
  const rows = await run<{ ttype: number; target: bigint }>(
    db,
    `select k.ttype, k.target from unnest($1::smallint[], $2::bigint[]) as k (ttype, target)
       where exists (select from idx_reference i where i.target = k.target and i.ttype = k.ttype
         and not (i.rtype = k.ttype and i.rid = k.target))`,
    [intArray(deleted.map((w) => w.rtype)), intArray(deleted.map((w) => w.rid))],
    'store-referrers',
  );
  const referred = new Set(rows.map((row) => rowKey(row.ttype, row.target)));
  return deleted
    .filter((write) => referred.has(rowKey(write.rtype, write.rid)))
    .map(
      (write) =>
        new Fault('conflict', 'Other resources refer to this one.', {
          at: write.at,
          remedy: 'Delete or change those first, or all in one transaction.',
        }),
    );
}
