import type { SearchRequest } from '../../../src/search/request.js';
import type { Search } from '../../../src/search/search.js';
import type { Tenant } from '../../../src/tenancy/tenant.js';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly PlanNode[];
}

/** What PostgreSQL did for one search. */
export interface Work {
  /** 8 kB blocks touched, which no other load on the machine changes. */
  readonly blocks: number;
  /** Tables read from end to end. */
  readonly whole: readonly string[];
  /** Most rows that one scan looked at, whether they matched or not. */
  readonly examined: number;
  /** Bodies opened. */
  readonly opened: number;
}

/** A table of fewer rows is read from end to end because that is quickest. */
const SMALL_TABLE = 1_000;

/** Does a search with every statement explained as well; `show` is given each with its plan. */
export async function workOf(
  search: Search,
  tenant: Tenant,
  request: SearchRequest,
  show?: (text: string, plan: string) => void,
): Promise<Work> {
  let blocks = 0;
  let examined = 0;
  let opened = 0;
  const whole = new Set<string>();
  const visit = (node: PlanNode) => {
    const table = node['Relation Name'];
    if (table !== undefined) {
      const rows =
        (node['Actual Rows'] +
          (node['Rows Removed by Filter'] ?? 0) +
          (node['Rows Removed by Index Recheck'] ?? 0)) *
        node['Actual Loops'];
      if (table === 'segment') opened += rows;
      else examined = Math.max(examined, rows);
      if (node['Node Type'] === 'Seq Scan' && rows >= SMALL_TABLE) whole.add(table);
    }
    for (const inner of node.Plans ?? []) visit(inner);
  };
  const explain = async (text: string, values: unknown[] | undefined) => {
    const { rows } = await tenant.pool.query(`explain (analyze, buffers, format json) ${text}`, values);
    const [{ Plan }] = rows[0]['QUERY PLAN'] as [{ Plan: PlanNode }];
    blocks += Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
    visit(Plan);
    if (!show) return;
    const plain = await tenant.pool.query(`explain (analyze, buffers) ${text}`, values);
    show(text, plain.rows.map((r) => `  ${r['QUERY PLAN']}`).join('\n'));
  };
  const pool = new Proxy(tenant.pool, {
    get(target, property) {
      if (property !== 'query') return Reflect.get(target, property);
      return async (...args: [string | { text: string; values?: unknown[] }, unknown[]?]) => {
        const [first, second] = args;
        const text = typeof first === 'string' ? first : first.text;
        if (/^\s*(select|with)\b/i.test(text))
          await explain(text, typeof first === 'string' ? second : first.values);
        return target.query(...(args as [string, unknown[]]));
      };
    },
  });
  await search.search({ ...tenant, pool }, request);
  return { blocks, whole: [...whole], examined: Math.round(examined), opened: Math.round(opened) };
}

/** Rows of a type, from which on reading half of them is a full scan. */
const SMALL_TYPE = 500;

/**
 * Whether a search read all there is: a table from end to end, or half of the rows or of the bodies of its type where
 * it found but few.
 */
export function isFullScan(work: Work, rowsOfType: number): boolean {
  if (work.whole.length > 0) return true;
  return rowsOfType >= SMALL_TYPE && Math.max(work.examined, work.opened) >= rowsOfType / 2;
}
