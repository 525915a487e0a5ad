import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { createClinicalPipeline } from '../../nlp/index.js';
import { createNlpPool } from '../../src/tasks/nlp-pool.js';
import { line } from './support/figure.js';
import { generatedNotes } from './support/generated-notes.js';

const NOTES = 400;
const ROUNDS = 2;
const POOL_ROUNDS = 4;
const MEGABYTE = 1_000_000;

/**
 * `cenote bench annotate [NOTES.jsonl[.gz]] [--all]`: notes and characters read per second on one core, and with a thread
 * per core, over notes of our own or those of a file with a `text` per line (400 spread
 * over it, or all). The best of several rounds after a warm-up.
 */
export async function run(args: readonly string[]): Promise<void> {
  const path = args.find((argument) => !argument.startsWith('--'));
  const texts = path
    ? spread(textsOf(path), args.includes('--all') ? Number.POSITIVE_INFINITY : NOTES)
    : generatedNotes(NOTES);
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  const data = `${texts.length} notes of ${Math.round(length / texts.length)} characters${path ? '' : ', generated'}`;
  const load = performance.now();
  const pipeline = createClinicalPipeline();
  pipeline.annotate(texts[0]!, { id: 'first' });
  line('annotate', 'ready, first note read', performance.now() - load, 'ms', data);

  let best = Number.POSITIVE_INFINITY;
  let mentions = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const cpu = process.cpuUsage();
    mentions = 0;
    for (const text of texts) mentions += pipeline.annotate(text, { id: 'note' }).mentions.length;
    const used = process.cpuUsage(cpu);
    if (round > 0) best = Math.min(best, (used.user + used.system) / 1e6);
  }
  line('annotate', 'notes per second and core', texts.length / best, '1/s', data, 'CPU time, one thread');
  line('annotate', 'characters per second and core', length / best, '1/s', data, 'CPU time, one thread');
  line('annotate', 'mentions per note', mentions / texts.length, '1', data);
  for (const [stage, seconds] of stageSeconds(pipeline, texts)) {
    line('annotate', `stage ${stage}`, (seconds * 1e6) / texts.length, 'us/note', data);
  }

  const started = performance.now();
  const pool = await createNlpPool();
  line('annotate', 'thread pool ready', performance.now() - started, 'ms', data);
  let wallMs = Number.POSITIVE_INFINITY;
  let poolCpu = Number.POSITIVE_INFINITY;
  // Every thread compiles for itself, so each needs as many notes to warm up as the one above had.
  for (let round = 0; round < POOL_ROUNDS; round++) {
    const from = performance.now();
    const cpu = process.cpuUsage();
    await Promise.all(texts.map((text, i) => pool.annotate(text, { id: `${i}` })));
    const used = process.cpuUsage(cpu);
    wallMs = Math.min(wallMs, performance.now() - from);
    poolCpu = Math.min(poolCpu, (used.user + used.system) / 1e6);
  }
  line('annotate', 'notes per second, all cores', (texts.length * 1000) / wallMs, '1/s', data);
  line(
    'annotate',
    'notes per second and core, thread pool',
    texts.length / poolCpu,
    '1/s',
    data,
    'CPU time of all threads, hand-over included',
  );
  await pool.close();

  const long = texts.join('\n').slice(0, MEGABYTE);
  const half = long.slice(0, long.length / 2);
  const timed = (text: string) => {
    const cpu = process.cpuUsage();
    pipeline.annotate(text, { id: 'long' });
    const used = process.cpuUsage(cpu);
    return (used.user + used.system) / 1e3;
  };
  timed(half);
  const halfMs = timed(half);
  const longMs = timed(long);
  line(
    'annotate',
    `one note of ${long.length} characters`,
    longMs,
    'ms',
    data,
    `half of it: ${Math.round(halfMs)} ms`,
  );
  line(
    'annotate',
    'memory',
    process.memoryUsage.rss() / 1_048_576,
    'MiB',
    data,
    'resident, this process with its threads gone',
  );
}

function stageSeconds(
  pipeline: ReturnType<typeof createClinicalPipeline>,
  texts: readonly string[],
): Map<string, number> {
  const seconds = new Map<string, number>();
  for (const text of texts) {
    let state: Parameters<(typeof pipeline.stages)[number]['run']>[0] = {
      context: { id: 'note' },
      text,
      sections: [],
      sentences: [],
      tokens: [],
      mentions: [],
    };
    for (const stage of pipeline.stages) {
      const from = process.cpuUsage();
      state = stage.run(state);
      const used = process.cpuUsage(from);
      seconds.set(stage.name, (seconds.get(stage.name) ?? 0) + (used.user + used.system) / 1e6);
    }
  }
  return seconds;
}

/** Every n-th of them, so that a part is like the whole. */
function spread(texts: readonly string[], limit: number): string[] {
  const step = Math.max(1, Math.ceil(texts.length / limit));
  return texts.filter((_, i) => i % step === 0);
}

function textsOf(path: string): string[] {
  const bytes = readFileSync(path);
  const lines = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').split('\n');
  return lines
    .filter((text) => text.trim() !== '')
    .map((text) => (JSON.parse(text) as { text: string }).text);
}
