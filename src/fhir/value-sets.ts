import type { Resource } from '../core/resource.js';
import { readTable } from './tables.js';

type IncludeRow = readonly [
  system?: string | 0,
  codes?: readonly (string | readonly [code: string, display: string])[] | 0,
  filters?: readonly (readonly [property: string, op: string, value: string])[] | 0,
  sets?: readonly string[],
];
type SetRow = readonly [
  url: string,
  name: string,
  version: string,
  include: readonly IncludeRow[],
  exclude?: readonly IncludeRow[],
];

let rows: ReadonlyMap<string, SetRow> | undefined;

/**
 * The ValueSet of HL7's that R4 (4.0.1) defines over code systems which `codeSystemOfR4` has, or by listing codes, made of
 * our table. Undefined for another, and for another version.
 */
export function valueSetOfR4(url: string, version?: string): Resource | undefined {
  rows ??= new Map(readTable<SetRow[]>('value-sets.json').map((row) => [row[0], row]));
  const row = rows.get(url);
  if (!row || (version !== undefined && version !== row[2])) return undefined;
  const [, name, itsVersion, include, exclude] = row;
  return {
    resourceType: 'ValueSet',
    id: url.slice(url.lastIndexOf('/') + 1),
    url,
    name,
    version: itsVersion,
    status: 'active',
    compose: { include: include.map(includeOf), ...(exclude ? { exclude: exclude.map(includeOf) } : {}) },
  };
}

function includeOf([system, codes, filters, sets]: IncludeRow): Record<string, unknown> {
  return {
    ...(system ? { system } : {}),
    ...(codes
      ? { concept: codes.map((c) => (typeof c === 'string' ? { code: c } : { code: c[0], display: c[1] })) }
      : {}),
    ...(filters ? { filter: filters.map(([property, op, value]) => ({ property, op, value })) } : {}),
    ...(sets ? { valueSet: sets } : {}),
  };
}
