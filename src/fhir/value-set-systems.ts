import { readTable } from './tables.js';

let table: Record<string, string[]> | undefined;

/** The code systems of a value set that elements of type code are bound to; empty for one that is not known. */
export function systemsOfValueSet(valueSet: string): readonly string[] {
  table ??= readTable<Record<string, string[]>>('value-set-systems.json');
  return table[valueSet] ?? [];
}
