/**
 * The rows one transaction writes, table by table, held flat until they are sent either as arrays of one statement
 * (`small-write.ts`) or as COPY streams (`copy-write.ts`). Both read the same columns from here.
 */
export type ColumnType =
  | 'int2'
  | 'int4'
  | 'int8'
  | 'float8'
  | 'bool'
  | 'text'
  | 'uuid'
  | 'bytea'
  | 'int8[]'
  | 'int4[]';

export type ColumnValue =
  | number
  | bigint
  | boolean
  | string
  | Buffer
  | readonly bigint[]
  | readonly number[]
  | null;

export interface TableShape {
  readonly name: string;
  readonly columns: readonly (readonly [name: string, type: ColumnType])[];
  /** What follows the insert in the one-statement path. */
  readonly onConflict?: string;
}

const KEY = [
  ['part', 'int4'],
  ['rtype', 'int2'],
  ['rid', 'int8'],
] as const;

export const TABLES = {
  resource: {
    name: 'resource',
    columns: [
      ...KEY,
      ['ver', 'int4'],
      ['lu', 'int8'],
      ['deleted', 'bool'],
      ['derived', 'bool'],
      ['pkey', 'int8'],
      ['at', 'int8'],
      ['digest', 'int8'],
      ['sid', 'int8'],
      ['slot', 'int2'],
      ['terms', 'int8[]'],
      ['sorted', 'int8[]'],
    ],
    onConflict: `on conflict (part, rtype, rid) do update set ver = excluded.ver, lu = excluded.lu,
      deleted = excluded.deleted, derived = excluded.derived, pkey = excluded.pkey, at = excluded.at,
      digest = excluded.digest, sid = excluded.sid, slot = excluded.slot, terms = excluded.terms,
      sorted = excluded.sorted`,
  },
  version: {
    name: 'version',
    columns: [...KEY, ['ver', 'int4'], ['lu', 'int8'], ['op', 'int2'], ['sid', 'int8'], ['slot', 'int2']],
  },
  segment: {
    name: 'segment',
    columns: [
      ['part', 'int4'],
      ['sid', 'int8'],
      ['kv', 'int2'],
      ['bind', 'int8'],
      ['sealed', 'bytea'],
      ['owner', 'int8'],
    ],
  },
  date: { name: 'idx_date', columns: [...KEY, ['param', 'int8'], ['lo', 'int8'], ['hi', 'int8']] },
  quantity: {
    name: 'idx_quantity',
    columns: [...KEY, ['term', 'int8'], ['unit', 'int8'], ['lo', 'float8'], ['hi', 'float8']],
  },
  reference: {
    name: 'idx_reference',
    columns: [...KEY, ['param', 'int8'], ['ttype', 'int2'], ['target', 'int8']],
  },
  sorted: { name: 'idx_sorted', columns: [...KEY, ['term', 'int8'], ['at', 'int8']] },
  annotation: {
    name: 'annotation',
    columns: [
      ['part', 'int4'],
      ['rid', 'int8'],
      ['ver', 'int4'],
      ['state', 'int2'],
      ['attempts', 'int2'],
      ['lease_until', 'int8'],
      ['updated_at', 'int8'],
    ],
    onConflict: `on conflict (part, rid) do update set ver = excluded.ver, state = excluded.state, attempts = 0,
      lease_until = 0, pipeline = null, error = null, kv = null, sealed = null, owner = null, updated_at = excluded.updated_at`,
  },
  /** Of one statement only: it must fail where another writer made one (`patient-keys.ts`). */
  patientKey: {
    name: 'patient_key',
    columns: [
      ['part', 'int4'],
      ['owner', 'int8'],
      ['wv', 'int4'],
      ['wrapped', 'bytea'],
    ],
  },
  audit: {
    name: 'audit',
    columns: [
      ['part', 'int4'],
      ['at', 'int8'],
      ['aid', 'uuid'],
      ['kv', 'int2'],
      ['sealed', 'bytea'],
      // Not stored: its place in the chain is made of it (`audit-chain.ts`).
      ['mac', 'bytea'],
    ],
  },
} as const satisfies Record<string, TableShape>;

export type TableKey = keyof typeof TABLES;

/** Tables whose rows of a resource are replaced when it gets a new version. */
export const INDEX_TABLES: readonly TableKey[] = ['date', 'quantity', 'reference', 'sorted'];

export const TABLE_KEYS = Object.keys(TABLES) as TableKey[];

export class RowSet {
  /** What a bulk write has in the form of COPY already, by table, besides `values`. */
  readonly bulk: Partial<Record<TableKey, readonly Buffer[]>> = {};
  /** Per table, the values of all rows one after the other. */
  readonly values: Record<TableKey, ColumnValue[]> = {
    resource: [],
    version: [],
    segment: [],
    date: [],
    quantity: [],
    reference: [],
    sorted: [],
    annotation: [],
    patientKey: [],
    audit: [],
  };
  /** (rtype, rid, chk, part) of ids met for the first time, for the locator where it is written in the same statement. */
  readonly claimed: (number | bigint)[] = [];
  /** (part, rtype, rid) of the current rows that get a new version: their index rows go. */
  readonly replaced: (number | bigint)[] = [];
  /** Those of them that leave their part because the compartment changed: their resource row goes too. */
  readonly moved: (number | bigint)[] = [];
  /** (rtype, rid, new part, former parts) for the locator. */
  readonly relocated: (number | bigint | readonly number[])[] = [];

  add(table: TableKey, ...row: ColumnValue[]): void {
    const to = this.values[table];
    for (let i = 0; i < row.length; i++) to.push(row[i]!);
  }

  count(table: TableKey): number {
    return this.values[table].length / TABLES[table].columns.length;
  }
}
