import { TABLES, type TableKey } from './row-set.js';

/**
 * Statements that delete a table's rows of some resources.
 * @param from a source `k` of their keys (part, rtype, rid), perhaps joined with a gate
 */
export function deletionsOf(table: TableKey, from: string): readonly string[] {
  const { name } = TABLES[table];
  const ofKey = (alias: string) =>
    `${alias}.part = k.part and ${alias}.rtype = k.rtype and ${alias}.rid = k.rid`;
  if (table !== 'sorted') return [`delete from ${name} t using ${from} where ${ofKey('t')}`];
  return [
    `delete from ${name} t using resource r, ${from} where ${ofKey('r')} and ${SORTED_OF_RESOURCE}`,
    `delete from ${name} t using ${from} where t.by_row and ${ofKey('t')}`,
  ];
}

/** Rows `t` of idx_sorted that the resource `r` says it has; those of before it did are marked `by_row`. */
export const SORTED_OF_RESOURCE =
  't.term = any (r.sorted) and t.at = r.at and t.rid = r.rid and t.rtype = r.rtype and t.part = r.part';
