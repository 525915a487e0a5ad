import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClinicalPipeline } from '../../nlp/index.js';
import { createNlpPool, type NlpPool } from '../../src/tasks/nlp-pool.js';

const notes = Array.from({ length: 60 }, (_, i) => ({
  id: `n${i}`,
  text: `ASSESSMENT:\nHypertension. No pneumonia. Takes lisinopril ${i + 1} mg daily.\nDenies: fever, cough\n`.repeat(
    1 + (i % 4),
  ),
}));

describe('the pool of reader threads', () => {
  let pool: NlpPool;
  let readyMs = 0;
  beforeAll(async () => {
    const started = performance.now();
    pool = await createNlpPool({ workers: 2, maxTextLength: 100_000 });
    readyMs = performance.now() - started;
  });
  afterAll(() => pool.close());

  it('is ready soon and names the pipeline', () => {
    expect(readyMs).toBeLessThan(10_000);
    expect(pool.version).toBe(createClinicalPipeline().version);
  });

  it('finds in parallel exactly what one pipeline finds in turn', async () => {
    const pipeline = createClinicalPipeline();
    const found = await Promise.all(notes.map(({ id, text }) => pool.annotate(text, { id })));
    expect(found).toEqual(
      notes.map(({ id, text }) => JSON.parse(JSON.stringify(pipeline.annotate(text, { id })))),
    );
  });

  it('refuses a note over the limit without reading it', async () => {
    await expect(pool.annotate('x'.repeat(100_001), { id: 'long' })).rejects.toMatchObject({
      category: 'too-large',
    });
  });
});

describe('a pool under pressure', () => {
  it('replaces the thread of a note that takes too long and reads the others', async () => {
    const pool = await createNlpPool({ workers: 1, noteTimeoutMs: 400 });
    try {
      const endless = 'No fever, cough or chest pain, possible pneumonia, takes aspirin. '.repeat(60_000);
      const slow = pool.annotate(endless, { id: 'slow' });
      const after = pool.annotate('Takes aspirin.', { id: 'after' });
      await expect(slow).rejects.toMatchObject({ category: 'timeout' });
      expect((await after).mentions.map((mention) => mention.text)).toEqual(['aspirin']);
    } finally {
      await pool.close();
    }
  });

  it('blames no note that was read before the one that takes too long, though it was not answered yet', async () => {
    const pool = await createNlpPool({ workers: 1, noteTimeoutMs: 1_000 });
    try {
      const endless = 'No fever, cough or chest pain, possible pneumonia, takes aspirin. '.repeat(60_000);
      // The first is handed over alone, the others together while it is read.
      const notes = ['Takes aspirin. '.repeat(200), 'Takes aspirin.', endless, 'Takes metformin.'];
      const found = await Promise.allSettled(notes.map((text, i) => pool.annotate(text, { id: `${i}` })));
      expect(found.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
      expect(found[2]).toMatchObject({ reason: { category: 'timeout' } });
      expect(found[1]).toMatchObject({ value: { id: '1', mentions: [{ text: 'aspirin' }] } });
      expect(found[3]).toMatchObject({ value: { id: '3', mentions: [{ text: 'metformin' }] } });
    } finally {
      await pool.close();
    }
  });

  it('refuses more notes than may wait', async () => {
    const pool = await createNlpPool({ workers: 1, maxQueued: 2 });
    try {
      const results = await Promise.allSettled(
        Array.from({ length: 30 }, (_, i) => pool.annotate('Takes aspirin.', { id: `${i}` })),
      );
      const refused = results.filter((result) => result.status === 'rejected');
      expect(refused.length).toBeGreaterThan(0);
      for (const result of refused) expect(result.reason).toMatchObject({ category: 'too-many' });
      expect(results.length - refused.length).toBeGreaterThan(0);
    } finally {
      await pool.close();
    }
  });

  it('fails what waits when it is closed, and anything after', async () => {
    const pool = await createNlpPool({ workers: 1 });
    const waiting = pool.annotate('Takes aspirin. '.repeat(1000), { id: 'a' });
    const outcome = expect(waiting).rejects.toMatchObject({ category: 'unavailable' });
    await pool.close();
    await outcome;
    await expect(pool.annotate('x', { id: 'b' })).rejects.toMatchObject({ category: 'unavailable' });
  });
});
