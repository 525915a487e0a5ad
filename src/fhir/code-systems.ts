import type { Resource } from '../core/resource.js';
import { readTable } from './tables.js';

type ConceptRow = readonly [
  code: string,
  display?: string | 0,
  nested?: readonly ConceptRow[] | 0,
  children?: readonly string[] | 0,
];
type SystemRow = readonly [
  url: string,
  name: string,
  version: string,
  flags: string,
  concepts: readonly ConceptRow[],
];

let rows: ReadonlyMap<string, SystemRow> | undefined;

/**
 * The CodeSystem of HL7's that R4 (4.0.1) lists completely, with the codes' displays and hierarchy, made of our table:
 * FHIR's own, those of v3 and the tables of v2. Undefined for another, and for another version.
 */
export function codeSystemOfR4(url: string, version?: string): Resource | undefined {
  rows ??= new Map(readTable<SystemRow[]>('code-systems.json').map((row) => [row[0], row]));
  const row = rows.get(url);
  if (!row || (version !== undefined && version !== row[2])) return undefined;
  const [, name, itsVersion, flags, concepts] = row;
  return {
    resourceType: 'CodeSystem',
    url,
    name,
    version: itsVersion,
    status: 'active',
    content: 'complete',
    caseSensitive: !flags.includes('i'),
    concept: concepts.map(conceptOf),
  };
}

function conceptOf([code, display, nested, children]: ConceptRow): Record<string, unknown> {
  return {
    code,
    ...(display ? { display } : {}),
    ...(children ? { property: children.map((child) => ({ code: 'child', valueCode: child })) } : {}),
    ...(nested ? { concept: nested.map(conceptOf) } : {}),
  };
}
