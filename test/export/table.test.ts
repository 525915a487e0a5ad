import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parse } from 'csv-parse/sync';
import { afterAll, describe, expect, it } from 'vitest';
import { Decimal } from '../../src/core/json.js';
import { createTableWriter, type TableColumn, type TableFormat } from '../../src/export/table.js';

const COLUMNS: TableColumn[] = [
  { name: 'text', type: 'string' },
  { name: 'flag', type: 'boolean' },
  { name: 'small', type: 'integer' },
  { name: 'large', type: 'integer64' },
  { name: 'amount', type: 'decimal' },
  { name: 'ratio', type: 'double' },
  { name: 'day', type: 'date' },
  { name: 'moment', type: 'instant' },
  { name: 'whole', type: 'json' },
  { name: 'names', type: 'string', collection: true },
  { name: 'days', type: 'date', collection: true },
];
const ROWS: unknown[][] = [
  [
    'Zoë, "the" \r\n 😀',
    true,
    -7,
    9_007_199_254_740_993n,
    new Decimal('7.10'),
    0.5,
    '2021-03-04',
    '2021-03-04T05:06:07+01:00',
    { resourceType: 'Patient', n: new Decimal('1.10') },
    ['a', null, 'c'],
    ['2020-01-01'],
  ],
  ['', false, 0, '12', '6.5', 2, '2021-03', '2021', '{"a":1}', [], null],
  [null, null, null, null, null, null, null, null, null, null, null],
  [
    '=1+1',
    true,
    2_147_483_648,
    '99999999999999999999',
    'many',
    3,
    '2021-13-40',
    new Date(0),
    'x',
    undefined,
    [],
  ],
];

const folder = mkdtempSync(join(tmpdir(), 'cenote-table-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function table(
  format: TableFormat,
  columns: readonly TableColumn[],
  rows: readonly unknown[][],
  csv = {},
) {
  const chunks: Uint8Array[] = [];
  const writer = createTableWriter({
    format,
    columns,
    csv,
    sink: {
      async write(chunk) {
        chunks.push(chunk);
      },
    },
  });
  await writer.write(rows);
  const totals = await writer.close();
  const bytes = Buffer.concat(chunks);
  expect(totals).toEqual({
    rows: rows.length,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  return bytes;
}

async function duck(bytes: Buffer, sql: string): Promise<Record<string, unknown>[]> {
  const path = join(folder, `${createHash('md5').update(bytes).digest('hex')}.parquet`);
  writeFileSync(path, bytes);
  const db = await (await DuckDBInstance.create()).connect();
  const read = await db.runAndReadAll(sql.replace('TABLE', `'${path}'`));
  return read.getRowObjectsJson();
}

describe('a table as Parquet, read back by DuckDB', () => {
  it('has typed columns', async () => {
    const types = await duck(await table('parquet', COLUMNS, ROWS), 'describe select * from TABLE');
    expect(Object.fromEntries(types.map((t) => [t.column_name, t.column_type]))).toEqual({
      text: 'VARCHAR',
      flag: 'BOOLEAN',
      small: 'INTEGER',
      large: 'BIGINT',
      amount: 'DOUBLE',
      ratio: 'DOUBLE',
      day: 'DATE',
      moment: 'TIMESTAMP WITH TIME ZONE',
      whole: 'VARCHAR',
      names: 'VARCHAR[]',
      days: 'DATE[]',
    });
  });

  it('keeps every value, and leaves absent what does not fit its column', async () => {
    const rows = await duck(
      await table('parquet', COLUMNS, ROWS),
      'select * replace (epoch_ms(moment) as moment) from TABLE',
    );
    expect(rows.map((r) => Object.values(r))).toEqual([
      [
        'Zoë, "the" \r\n 😀',
        true,
        -7,
        '9007199254740993',
        7.1,
        0.5,
        '2021-03-04',
        String(Date.parse('2021-03-04T04:06:07Z')),
        '{"resourceType":"Patient","n":1.10}',
        ['a', null, 'c'],
        ['2020-01-01'],
      ],
      ['', false, 0, '12', 6.5, 2, '2021-03-01', String(Date.parse('2021-01-01')), '{"a":1}', [], null],
      [null, null, null, null, null, null, null, null, null, null, null],
      ['=1+1', true, null, null, null, 3, null, '0', 'x', null, []],
    ]);
  });

  it('keeps values of every kind over row groups, pages and dictionaries, with bounds that prune rightly', async () => {
    const columns: TableColumn[] = [
      { name: 'n', type: 'integer' },
      { name: 'few', type: 'string' },
      { name: 'many', type: 'string' },
      { name: 'long', type: 'json' },
      { name: 'seldom', type: 'instant' },
      { name: 'never', type: 'string' },
      { name: 'flag', type: 'boolean' },
      { name: 'amount', type: 'decimal' },
      { name: 'list', type: 'string', collection: true },
    ];
    const rows = Array.from({ length: 70_000 }, (_, i) => [
      i,
      i % 3 === 0 ? null : `näme ${i % 7}`,
      `id-${(i * 2_654_435_761) % 4_294_967_296}`,
      i % 100 === 0 ? 'x'.repeat(3_000 + (i % 977)) : null,
      i % 1_000 < 3 ? `20${10 + (i % 13)}-01-01T00:00:0${i % 10}Z` : null,
      null,
      i % 5 === 0 ? null : i % 2 === 0,
      i % 11 === 0 ? null : String((i % 4_001) / 4),
      i % 4 === 0 ? null : Array.from({ length: i % 4 }, (_, k) => (k === 1 ? null : `v${(i * k) % 50}`)),
    ]);
    const bytes = await table('parquet', columns, rows);
    const read = await duck(bytes, 'select * replace (epoch_ms(seldom) as seldom) from TABLE order by n');
    const expected = rows.map((row) => [
      ...row.slice(0, 4),
      row[4] === null ? null : String(Date.parse(row[4] as string)),
      ...row.slice(5, 7),
      row[7] === null ? null : Number(row[7]),
      row[8],
    ]);
    const differing = read.filter((r, i) => JSON.stringify(Object.values(r)) !== JSON.stringify(expected[i]));
    expect([read.length, differing.length]).toEqual([70_000, 0]);
    const pruned = await duck(
      bytes,
      "select count(*)::int c from TABLE where few = 'näme 4' and amount >= 900 and many >= 'id-4' and n > 60000",
    );
    const matching = rows.filter(
      (r) =>
        r[1] === 'näme 4' && Number(r[7] ?? -1) >= 900 && String(r[2]) >= 'id-4' && Number(r[0]) > 60_000,
    );
    expect(pruned).toEqual([{ c: matching.length }]);
    expect(matching.length).toBeGreaterThan(0);
  });

  it('is one whole table over many row groups, compressed with zstd', async () => {
    const columns: TableColumn[] = [
      { name: 'n', type: 'integer' },
      { name: 'text', type: 'string' },
    ];
    const rows = Array.from({ length: 150_000 }, (_, i) => [i, `row ${i % 1000}`]);
    const bytes = await table('parquet', columns, rows);
    expect(await duck(bytes, 'select count(*)::int c, sum(n)::double s from TABLE')).toEqual([
      { c: 150_000, s: (150_000 * 149_999) / 2 },
    ]);
    const groups = await duck(
      bytes,
      'select count(distinct row_group_id)::int g, any_value(compression) z from parquet_metadata(TABLE)',
    );
    expect(groups).toEqual([{ g: 3, z: 'ZSTD' }]);
  });

  it('is a whole table without rows, too', async () => {
    expect(await duck(await table('parquet', COLUMNS, []), 'select count(*)::int c from TABLE')).toEqual([
      { c: 0 },
    ]);
  });
});

describe('a table as CSV', () => {
  it('reads back as RFC 4180, with null and the empty text apart', async () => {
    const text = (await table('csv', COLUMNS, ROWS)).toString('utf8');
    const lines = parse(text, { relax_column_count: false }) as string[][];
    expect(lines[0]).toEqual(COLUMNS.map((c) => c.name));
    expect(lines[1]).toEqual([
      'Zoë, "the" \r\n 😀',
      'true',
      '-7',
      '9007199254740993',
      '7.10',
      '0.5',
      '2021-03-04',
      '2021-03-04T05:06:07+01:00',
      '{"resourceType":"Patient","n":1.10}',
      '["a",null,"c"]',
      '["2020-01-01"]',
    ]);
    expect(text.split('\r\n')).toContain(',,,,,,,,,,');
    expect(text).toContain('\r\n"",false,0,12,6.5,2,2021-03,2021,');
  });

  const FORMULAS: [string, string][] = [
    ['=1+1', "'=1+1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\tx', "'\tx"],
    ['＝1+1', "'＝1+1"],
    ['＠x', "'＠x"],
    ['+cmd|calc', "'+cmd|calc"],
    ['-2+3', "'-2+3"],
    ['-A1', "'-A1"],
    ['－A1', "'－A1"],
    ['- smokes', "'- smokes"],
    // Numbers, telephone numbers, ranges: they call nothing, and programs read them.
    ['+1', '+1'],
    ['-1.5', '-1.5'],
    ['+1 (555) 010-0199', '+1 (555) 010-0199'],
    ['-', '-'],
    ['plain', 'plain'],
    ['a=b', 'a=b'],
  ];
  it.each(FORMULAS)('keeps a spreadsheet from running %j, unless told not to', async (value, written) => {
    const columns: TableColumn[] = [
      { name: 'text', type: 'string' },
      { name: 'n', type: 'decimal' },
    ];
    const safe = await table('csv', columns, [[value, '-1']], { noHeader: true });
    expect(safe.toString()).toBe(`${written},-1\r\n`);
    const plain = await table('csv', columns, [[value, '-1']], { formulaSafe: false, noHeader: true });
    expect(plain.toString()).toBe(`${value},-1\r\n`);
  });
});

describe('a table as NDJSON', () => {
  it('writes one object a line, numbers digit for digit', async () => {
    const lines = (await table('ndjson', COLUMNS, ROWS)).toString().trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toContain('"amount":7.10');
    expect(lines[0]).toContain('"large":9007199254740993');
    expect(JSON.parse(lines[0]!)).toMatchObject({ text: 'Zoë, "the" \r\n 😀', names: ['a', null, 'c'] });
    expect(JSON.parse(lines[2]!)).toEqual(Object.fromEntries(COLUMNS.map((c) => [c.name, null])));
  });
});
