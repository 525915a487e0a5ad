import { patientsOf } from '../../fhir/compartment.js';
import type { Row, View, ViewColumn } from '../../fhir/views/view.js';
import { eventTimeOf, type FlatColumn } from '../flat.js';
import { tableColumnsOf } from '../view-table.js';
import type { QualityTable } from './quality.js';

/** What a column of a view is to whoever looks over it, by its name; the first that fits, else by its type. */
const NAMED: readonly (readonly [name: RegExp, role: FlatColumn['role'], example: string])[] = [
  [/(^|_)system$/, 'system', 'code_system'],
  [/(^|_)units?(_code)?$/, 'unit', 'value_unit'],
  [/(^|_)(code|status|gender|class)$/, 'code', 'clinical_status'],
];
const TYPED: Readonly<Record<string, FlatColumn['role']>> = {
  boolean: 'flag',
  integer: 'number',
  integer64: 'number',
  decimal: 'number',
  double: 'number',
  date: 'date',
  instant: 'date',
};

/** A view as a quality report looks at it: whose a row is and when it happened is asked of the resource. */
export function viewQualityTable(name: string, view: View): QualityTable {
  const shown = tableColumnsOf(view.columns).map(
    (column, i): FlatColumn => ({ ...column, role: roleOf(view.columns[i]!, column.type) }),
  );
  const hidden: FlatColumn[] = [
    { name: 'patient_id', type: 'string', role: 'patient' },
    { name: 'event_time', type: 'instant', role: 'event' },
    { name: 'last_updated', type: 'instant', role: 'updated' },
  ];
  return {
    type: name,
    columns: [...shown, ...hidden],
    hidden: hidden.length,
    rows(resource) {
      const rows: Row[] = [];
      view.rows(resource, rows);
      const beside = [patientsOf(resource)[0] ?? null, eventTimeOf(resource), resource.meta.lastUpdated];
      for (const row of rows) row.push(...beside);
      return rows;
    },
  };
}

function roleOf({ name, type }: ViewColumn, stored: string): FlatColumn['role'] {
  if (type === 'code') return 'code';
  return TYPED[stored] ?? NAMED.find(([pattern]) => pattern.test(name))?.[1] ?? 'text';
}
