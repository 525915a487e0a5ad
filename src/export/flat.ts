import { stringifyJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { clinicalTime, sortInstant } from '../fhir/clinical-time.js';
import { patientsOf } from '../fhir/compartment.js';
import { choiceName, type ElementRow, typeDefinition } from '../fhir/elements.js';
import type { ColumnType, TableColumn } from './table.js';

/**
 * One flat table per resource type, made from R4's own definitions: what stands once at the top of a resource is a
 * column of its type; codes, references, quantities and periods are taken apart; of what repeats, codes and such give
 * their first, plain values and references a list. The last column is the whole resource as JSON, so nothing is lost.
 *
 * | element | columns |
 * |---|---|
 * | `status` (code) | `status` |
 * | `code` (CodeableConcept) | `code_system`, `code_code`, `code_display`, `code_text` |
 * | `valueQuantity` | `value_quantity_value`, `value_quantity_unit`, `value_quantity_code` |
 * | `effectivePeriod` | `effective_period_start`, `effective_period_end` |
 * | `subject` (Reference) | `subject` |
 */
export interface FlatTable {
  readonly type: string;
  readonly columns: readonly FlatColumn[];
  /** One value per column. `text` is the resource as JSON where it is at hand, or as its UTF-8. */
  row(resource: StoredResource, text?: string | Uint8Array): unknown[];
  /** As `row`, telling only the values there are, in no order: most columns of a wide table are empty. */
  each(
    resource: StoredResource,
    put: (column: number, value: unknown) => void,
    text?: string | Uint8Array,
  ): void;
}

export interface FlatColumn extends TableColumn {
  /** What the column is to whoever looks over the data. */
  readonly role:
    | 'id'
    | 'patient'
    | 'updated'
    | 'event'
    | 'reference'
    | 'system'
    | 'code'
    | 'display'
    | 'unit'
    | 'number'
    | 'date'
    | 'flag'
    | 'text'
    | 'whole';
}

type Read = (value: unknown) => unknown;

interface Part {
  readonly suffix: string;
  readonly type: ColumnType;
  readonly role: FlatColumn['role'];
  readonly read: Read;
}

const at =
  (...path: readonly string[]): Read =>
  (value) => {
    let found: unknown = value;
    for (const name of path) {
      if (Array.isArray(found)) found = found[0];
      if (typeof found !== 'object' || found === null) return null;
      found = (found as Record<string, unknown>)[name];
    }
    return Array.isArray(found) ? (found[0] ?? null) : (found ?? null);
  };

const part = (suffix: string, type: ColumnType, role: FlatColumn['role'], ...path: string[]): Part => ({
  suffix,
  type,
  role,
  read: at(...path),
});

const QUANTITY: readonly Part[] = [
  part('_value', 'decimal', 'number', 'value'),
  part('_unit', 'string', 'unit', 'unit'),
  part('_code', 'string', 'unit', 'code'),
];

/** What data types give; a type that is not here stands in the JSON alone. */
const PARTS: Readonly<Record<string, readonly Part[]>> = {
  CodeableConcept: [
    part('_system', 'string', 'system', 'coding', 'system'),
    part('_code', 'string', 'code', 'coding', 'code'),
    part('_display', 'string', 'display', 'coding', 'display'),
    part('_text', 'string', 'text', 'text'),
  ],
  Coding: [
    part('_system', 'string', 'system', 'system'),
    part('_code', 'string', 'code', 'code'),
    part('_display', 'string', 'display', 'display'),
  ],
  Quantity: QUANTITY,
  Age: QUANTITY,
  Duration: QUANTITY,
  Count: QUANTITY,
  Distance: QUANTITY,
  Money: [part('_value', 'decimal', 'number', 'value'), part('_currency', 'string', 'unit', 'currency')],
  Period: [part('_start', 'instant', 'date', 'start'), part('_end', 'instant', 'date', 'end')],
  Range: [
    part('_low', 'decimal', 'number', 'low', 'value'),
    part('_high', 'decimal', 'number', 'high', 'value'),
    part('_unit', 'string', 'unit', 'low', 'unit'),
  ],
  Ratio: [
    part('_numerator', 'decimal', 'number', 'numerator', 'value'),
    part('_denominator', 'decimal', 'number', 'denominator', 'value'),
  ],
  Identifier: [part('_system', 'string', 'text', 'system'), part('_value', 'string', 'text', 'value')],
  HumanName: [
    part('_family', 'string', 'text', 'family'),
    part('_given', 'string', 'text', 'given'),
    part('_text', 'string', 'text', 'text'),
  ],
  Address: [
    part('_city', 'string', 'text', 'city'),
    part('_state', 'string', 'text', 'state'),
    part('_postal_code', 'string', 'text', 'postalCode'),
    part('_country', 'string', 'text', 'country'),
  ],
  ContactPoint: [part('_system', 'string', 'text', 'system'), part('_value', 'string', 'text', 'value')],
  Annotation: [part('_text', 'string', 'text', 'text')],
  Attachment: [
    part('_content_type', 'string', 'text', 'contentType'),
    part('_url', 'string', 'text', 'url'),
    part('_title', 'string', 'text', 'title'),
  ],
  Dosage: [part('_text', 'string', 'text', 'text')],
};

const PRIMITIVES: Readonly<Record<string, readonly [ColumnType, FlatColumn['role']]>> = {
  boolean: ['boolean', 'flag'],
  integer: ['integer', 'number'],
  positiveInt: ['integer', 'number'],
  unsignedInt: ['integer', 'number'],
  decimal: ['decimal', 'number'],
  date: ['date', 'date'],
  dateTime: ['instant', 'date'],
  instant: ['instant', 'date'],
  time: ['string', 'text'],
  code: ['string', 'code'],
  string: ['string', 'text'],
  markdown: ['string', 'text'],
  uri: ['string', 'text'],
  url: ['string', 'text'],
  canonical: ['string', 'reference'],
  oid: ['string', 'text'],
  uuid: ['string', 'text'],
};

/** Elements of every resource that say nothing as a column. */
const LEFT_OUT = new Set([
  'id',
  'meta',
  'implicitRules',
  'text',
  'contained',
  'extension',
  'modifierExtension',
]);
const tables = new Map<string, FlatTable>();

/** The table of a resource type. */
export function flatTable(type: string): FlatTable {
  let table = tables.get(type);
  if (!table) {
    table = build(type);
    tables.set(type, table);
  }
  return table;
}

interface Getter {
  readonly column: FlatColumn;
  readonly member: string;
  readonly read: Read;
}

function build(type: string): FlatTable {
  const getters: Getter[] = [];
  for (const element of typeDefinition(type)?.elements ?? []) {
    if (LEFT_OUT.has(element.name)) continue;
    for (const { code } of element.types) add(getters, element, code);
  }
  const columns: FlatColumn[] = [
    { name: 'id', type: 'string', role: 'id' },
    { name: 'last_updated', type: 'instant', role: 'updated' },
    ...(type === 'Patient' ? [] : [{ name: 'patient_id', type: 'string', role: 'patient' } as const]),
    { name: 'event_time', type: 'instant', role: 'event' },
    ...getters.map((g) => g.column),
    { name: 'resource', type: 'json', role: 'whole' },
  ];
  const isPatient = type === 'Patient';
  const owner = columns.findIndex((c) => c.role === 'patient');
  const event = columns.findIndex((c) => c.role === 'event');
  const whole = columns.length - 1;
  const byMember = new Map<string, { readonly column: number; readonly read: Read }[]>();
  for (const [i, { member, read }] of getters.entries()) {
    const of = byMember.get(member) ?? [];
    of.push({ column: event + 1 + i, read });
    byMember.set(member, of);
  }
  const each: FlatTable['each'] = (resource, put, text) => {
    put(0, resource.id);
    put(1, resource.meta?.lastUpdated ?? null);
    if (!isPatient) put(owner, patientsOf(resource)[0] ?? null);
    put(event, eventTimeOf(resource));
    for (const member in resource) {
      const of = byMember.get(member);
      if (of === undefined) continue;
      const value = resource[member];
      for (let i = 0; i < of.length; i++) put(of[i]!.column, of[i]!.read(value));
    }
    put(whole, text ?? stringifyJson(resource));
  };
  return {
    type,
    columns,
    each,
    row(resource, text) {
      const row: unknown[] = new Array(columns.length).fill(null);
      each(
        resource,
        (column, value) => {
          row[column] = value;
        },
        text,
      );
      return row;
    },
  };
}

/** When what a resource tells happened. */
export function eventTimeOf(resource: Resource): Date | null {
  const time = clinicalTime(resource);
  return time ? new Date(sortInstant(time)) : null;
}

const first: Read = (value) => (Array.isArray(value) ? (value[0] ?? null) : value);
const listOf =
  (read: Read): Read =>
  (value) =>
    Array.isArray(value) ? value.map(read) : [read(value)];

function add(getters: Getter[], element: ElementRow, code: string): void {
  const member = element.choice ? choiceName(element.name, code) : element.name;
  const name = snake(member);
  const many = element.max > 1;
  const primitive = PRIMITIVES[code];
  if (primitive) {
    const [type, role] = primitive;
    const column: FlatColumn = { name, type, role, ...(many ? { collection: true } : {}) };
    getters.push({ column, member, read: many ? listOf((v) => v ?? null) : first });
  } else if (code === 'Reference') {
    const column: FlatColumn = {
      name,
      type: 'string',
      role: 'reference',
      ...(many ? { collection: true } : {}),
    };
    const read = at('reference');
    getters.push({ column, member, read: many ? listOf(read) : read });
  } else {
    for (const p of PARTS[code] ?? [])
      getters.push({ column: { name: name + p.suffix, type: p.type, role: p.role }, member, read: p.read });
  }
}

/** `valueQuantity` → `value_quantity`. */
function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
