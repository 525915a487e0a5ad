import { readTable } from './tables.js';

/** One type an element may have: a FHIR type, or the path of a backbone element such as `Observation.component`. */
export interface ElementType {
  readonly code: string;
  /** For Reference and canonical: the resource types it may point at; empty means any. */
  readonly targets: readonly string[];
}

/** An element as R4 defines it. */
export interface ElementRow {
  /** The name without `[x]`. */
  readonly name: string;
  readonly min: number;
  /** `Infinity` for `*`. */
  readonly max: number;
  readonly types: readonly ElementType[];
  /** The JSON name carries the type: `value` is written `valueQuantity`. */
  readonly choice: boolean;
  /** Value set of a required or extensible binding, without the HL7 base where it has it. */
  readonly binding?: { readonly strength: 'required' | 'extensible'; readonly valueSet: string };
  readonly summary: boolean;
  readonly modifier: boolean;
}

/** A JSON member of a type: the element it is, and the one type that its name says. */
export interface Member {
  readonly element: ElementRow;
  readonly type: ElementType;
}

/** A type with everything it inherits. */
export interface TypeDefinition {
  readonly name: string;
  readonly base: string | undefined;
  /** By JSON name, choices written out. */
  readonly members: ReadonlyMap<string, Member>;
  /** In the order of the definition, the inherited ones first. */
  readonly elements: readonly ElementRow[];
  readonly byName: ReadonlyMap<string, ElementRow>;
}

type Line = [name: string, cardinality: string, types: string, binding?: string, flags?: string];
type Table = Record<string, { base?: string; elements: Line[] }>;

let table: Table | undefined;
const definitions = new Map<string, TypeDefinition | undefined>();

/** The JSON name of a choice element with one of its types: `value` and `dateTime` give `valueDateTime`. */
export function choiceName(name: string, type: string): string {
  return name + type[0]!.toUpperCase() + type.slice(1);
}

/** The definition of a resource, data type or backbone element (by path); undefined for primitives and unknown names. */
export function typeDefinition(name: string): TypeDefinition | undefined {
  if (!definitions.has(name)) definitions.set(name, build(name));
  return definitions.get(name);
}

/** Whether `type` is `ancestor` or specialises it (Age is a Quantity, Patient is a DomainResource). */
export function isKindOf(type: string, ancestor: string): boolean {
  for (let t: string | undefined = type; t !== undefined; t = typeDefinition(t)?.base)
    if (t === ancestor) return true;
  return false;
}

function build(name: string): TypeDefinition | undefined {
  // R4's types from the official package, and those of ours (SQL on FHIR's ViewDefinition), written by hand.
  table ??= { ...readTable<Table>('elements.json'), ...readTable<Table>('own-types.json') };
  const entry = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!entry) return undefined;
  const inherited = entry.base ? typeDefinition(entry.base) : undefined;
  const elements = [...(inherited?.elements ?? []), ...entry.elements.map(elementRow)];
  const members = new Map<string, Member>();
  for (const element of elements) {
    for (const type of element.types) {
      members.set(element.choice ? choiceName(element.name, type.code) : element.name, { element, type });
    }
  }
  const byName = new Map(elements.map((e) => [e.name, e]));
  return { name, base: entry.base, members, elements, byName };
}

function elementRow([name, cardinality, types, binding, flags]: Line): ElementRow {
  const [min, max] = cardinality.split('..') as [string, string];
  return {
    name,
    min: Number(min),
    max: max === '*' ? Number.POSITIVE_INFINITY : Number(max),
    types: types.trim().split(' ').map(elementType),
    choice: types.includes(' '),
    ...(binding
      ? {
          binding: {
            strength: binding[0] === 'r' ? 'required' : 'extensible',
            valueSet: binding.slice(2),
          } as const,
        }
      : {}),
    summary: flags?.includes('s') ?? false,
    modifier: flags?.includes('m') ?? false,
  };
}

function elementType(text: string): ElementType {
  const open = text.indexOf('(');
  if (open < 0) return { code: text, targets: [] };
  return { code: text.slice(0, open), targets: text.slice(open + 1, -1).split('|') };
}
