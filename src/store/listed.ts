import { Fault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { RowKey } from './contract.js';

/**
 * A rule of visibility that the index alone does not decide, as at the levels of index privacy below `exact`: what it
 * shows is found by opening the candidates, once for a request, and is a list of versions from then on. What is written
 * meanwhile is not in it.
 */
export interface UnsureRule {
  /** SQL predicate on the row `r` of `resource` that everything it may show meets. */
  candidates(bind: { readonly values: unknown[] }): string;
  holds(resource: Resource): boolean;
  /** Undefined until it is listed. */
  shown: readonly RowKey[] | undefined;
}

/** Where candidates are read: the tenant's pool, or a snapshot of it. */
export interface Reads {
  query(text: string, values: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  open(rows: readonly RowKey[]): Promise<StoredResource[]>;
}

const BATCH = 1_000;
/** Most resources that one rule shows in a request, and most that are opened for it. */
const MAX_SHOWN = 50_000;
const MAX_OPENED = 200_000;

/** @throws Fault `too-large` */
export async function listShown(rules: readonly UnsureRule[], reads: Reads): Promise<void> {
  for (const rule of rules) rule.shown ??= await shownBy(rule, reads);
}

async function shownBy(rule: UnsureRule, reads: Reads): Promise<RowKey[]> {
  const shown: RowKey[] = [];
  let opened = 0;
  let after: readonly [rtype: number, rid: bigint] = [-1, 0n];
  for (;;) {
    const values: unknown[] = [after[0], String(after[1])];
    const text =
      'select r.part, r.rtype, r.rid, r.ver, r.sid, r.slot from resource r where not r.deleted' +
      ` and (r.rtype, r.rid) > ($1::smallint, $2::bigint) and (${rule.candidates({ values })})` +
      ` order by r.rtype, r.rid limit ${BATCH}`;
    const rows = (await reads.query(text, values)) as unknown as RowKey[];
    const resources = await reads.open(rows);
    resources.forEach((resource, i) => {
      if (rule.holds(resource)) shown.push(rows[i]!);
    });
    opened += rows.length;
    if (shown.length > MAX_SHOWN || opened > MAX_OPENED)
      throw new Fault(
        'too-large',
        'Too many resources would have to be opened to tell what the scope shows.',
        {
          remedy: 'Ask with a scope without a query, or with a patient.',
          issueCode: 'too-costly',
        },
      );
    const last = rows.at(-1);
    if (rows.length < BATCH || !last) return shown;
    after = [last.rtype, last.rid];
  }
}
