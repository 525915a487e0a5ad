import { describe, expect, it } from 'vitest';
import { readyViews } from '../../src/export/ready-views.js';
import { type BatchEncoder, ownThread, type TableSpec } from '../../src/export/table-batch.js';
import { TableFile } from '../../src/export/table-file.js';
import { createTablePool } from '../../src/tasks/table-pool.js';

/** Tables made in threads, which run from `dist/`. */
const observation = (i: number) =>
  JSON.stringify({
    resourceType: 'Observation',
    id: `o${i}`,
    meta: { versionId: '1', lastUpdated: '2024-01-01T00:00:00Z' },
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '29463-7' }], text: `Wéight ${i % 5}` },
    subject: { reference: `Patient/p${i % 9}` },
    effectiveDateTime: `20${10 + (i % 10)}-05-01T10:00:00Z`,
    ...(i % 2 ? { valueQuantity: { value: 61.5 + (i % 7), unit: 'kg' } } : {}),
  });
const BATCHES = 7;

async function made(spec: TableSpec, encoder: BatchEncoder) {
  const chunks: Buffer[] = [];
  const sink = { write: async (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk)) };
  const file = new TableFile(spec, sink, encoder);
  for (let i = 0; i < BATCHES * 100; i++) {
    file.add(observation(i));
    if (i % 100 === 99) await file.flush();
  }
  const totals = await file.close();
  return { totals, bytes: Buffer.concat(chunks) };
}

describe('tables made in threads', () => {
  it.each(['parquet', 'csv', 'ndjson', 'json'] as const)(
    'are those made in one, byte for byte: %s',
    async (format) => {
      for (const source of [
        { kind: 'flat', type: 'Observation' },
        { kind: 'view', definition: readyViews().get('observation')! },
      ] as const) {
        const pool = createTablePool({ threads: 2, worthThreadsBytes: 0 });
        try {
          const alone = await made({ source, format }, ownThread);
          const together = await made({ source, format }, pool);
          expect(together.totals).toEqual(alone.totals);
          expect(together.bytes.equals(alone.bytes)).toBe(true);
          expect(alone.totals.rows).toBe(BATCHES * 100);
        } finally {
          await pool.close();
        }
      }
    },
  );

  it('tell what is wrong with a view as this one does, and the next table is made all the same', async () => {
    const pool = createTablePool({ threads: 1, worthThreadsBytes: 0 });
    const definition = {
      resourceType: 'ViewDefinition',
      resource: 'Observation',
      status: 'active',
      select: [{ column: [{ name: 'value', path: 'code.coding.code | subject.reference' }] }],
    };
    try {
      await expect(made({ source: { kind: 'view', definition }, format: 'csv' }, pool)).rejects.toMatchObject(
        {
          category: 'invalid',
          at: 'ViewDefinition.select[0].column[0].path',
        },
      );
      const { totals } = await made({ source: { kind: 'flat', type: 'Observation' }, format: 'csv' }, pool);
      expect(totals.rows).toBe(BATCHES * 100);
    } finally {
      await pool.close();
    }
  });
});
