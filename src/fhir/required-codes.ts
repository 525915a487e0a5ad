import { readTable } from './tables.js';

type Table = Record<string, Record<string, string[] | 0>>;

let table: Table | undefined;
const sets = new Map<string, ReadonlyMap<string, ReadonlySet<string> | undefined> | undefined>();

/**
 * The codes of a value set that R4 binds elements to as required, by code system; undefined for a system whose codes
 * are not listed here (currencies, UCUM, media types). Undefined for a set that is not known.
 */
export function requiredCodes(
  valueSet: string,
): ReadonlyMap<string, ReadonlySet<string> | undefined> | undefined {
  if (!sets.has(valueSet)) {
    table ??= readTable<Table>('codes.json');
    const systems = Object.hasOwn(table, valueSet) ? table[valueSet] : undefined;
    sets.set(
      valueSet,
      systems &&
        new Map(
          Object.entries(systems).map(([system, codes]) => [
            system,
            codes === 0 ? undefined : new Set(codes),
          ]),
        ),
    );
  }
  return sets.get(valueSet);
}

/** The code systems of a value set that elements of type code are bound to; empty for one that is not known. */
export function systemsOfValueSet(valueSet: string): readonly string[] {
  return [...(requiredCodes(valueSet)?.keys() ?? [])];
}
