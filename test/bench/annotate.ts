import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { createClinicalPipeline } from '../../nlp/index.js';
import { createNlpPool } from '../../src/tasks/nlp-pool.js';
import { line } from './support/figure.js';
import { generatedNotes } from './support/generated-notes.js';

const NOTES = 400;
/** Passes over the notes after the first, on one thread. */
const ROUNDS = 2;
/** Every thread compiles for itself, so each needs as many notes to warm up as the one thread had. */
const POOL_ROUNDS = 4;
/** Notes handed over and not answered, for each thread: as many as keep it busy, not all at once. */
const IN_FLIGHT = 32;
const MEGABYTE = 1_000_000;

/** What the process with the threads measures. */
interface PoolFigures {
  readonly threads: number;
  readonly readyMs: number;
  readonly firstPassMs: number;
  readonly wallMs: number;
  readonly cpuS: number;
  readonly peakMiB: number;
}

/**
 * `cenote bench annotate [NOTES.jsonl[.gz]] [--sample]`: notes and characters read per second on one core and with a
 * thread per core, and the memory of both, each in a process of its own, over notes of our own or all those of a file
 * with a `text` per line (`--sample`: 400 spread over it). The first pass is what a
 * process reads at first, while its code is still being compiled; warm is the best of several passes after it.
 */
export async function run(args: readonly string[]): Promise<void> {
  const path = args.find((argument) => !argument.startsWith('--'));
  const texts = textsFor(path, args.includes('--sample'));
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  const data = `${texts.length} notes of ${Math.round(length / texts.length)} characters${path ? '' : ', generated'}`;
  const say = (figure: string, value: number, unit: string, note?: string) =>
    line('annotate', figure, value, unit, data, note);
  const load = performance.now();
  const pipeline = createClinicalPipeline();
  pipeline.annotate(texts[0]!, { id: 'first' });
  say('ready, first note read', performance.now() - load, 'ms');

  let mentions = 0;
  const pass = (): number => {
    mentions = 0;
    return cpuSeconds(() => {
      for (const text of texts) mentions += pipeline.annotate(text, { id: 'note' }).mentions.length;
    });
  };
  const first = pass();
  say('notes per second and core, first pass', texts.length / first, '1/s', 'CPU time, compiling included');
  let warm = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) warm = Math.min(warm, pass());
  say('notes per second and core', texts.length / warm, '1/s', 'CPU time, one thread, warm');
  say('characters per second and core', length / warm, '1/s', 'CPU time, one thread, warm');
  say('mentions per note', mentions / texts.length, '1');
  for (const [stage, seconds] of stageSeconds(pipeline, texts))
    say(`stage ${stage}`, (seconds * 1e6) / texts.length, 'us/note');

  const long = texts.join('\n').slice(0, MEGABYTE);
  const half = long.slice(0, long.length / 2);
  const timed = (text: string) => cpuSeconds(() => pipeline.annotate(text, { id: 'long' })) * 1000;
  timed(half);
  const halfMs = timed(half);
  say(`one note of ${long.length} characters`, timed(long), 'ms', `half of it: ${Math.round(halfMs)} ms`);
  say('memory, one thread', peakMiB(), 'MiB', 'resident at most, all of the above included');

  const pool = await inOwnProcess(args);
  const rate = (texts.length * 1000) / pool.wallMs;
  const ratio = (rate * warm) / texts.length;
  say('thread pool ready', pool.readyMs, 'ms');
  say('notes per second, all cores, first pass', (texts.length * 1000) / pool.firstPassMs, '1/s');
  say(
    'notes per second, all cores',
    rate,
    '1/s',
    `${pool.threads} threads, warm: ${ratio.toFixed(2)} × one core`,
  );
  say(
    'notes per second and core, thread pool',
    texts.length / pool.cpuS,
    '1/s',
    'CPU time of all threads, hand-over included',
  );
  say('memory, thread pool', pool.peakMiB, 'MiB', `resident at most, ${pool.threads} threads`);
}

/** Reads the notes with a thread per core in a process that has nothing else in its memory. */
async function inOwnProcess(args: readonly string[]): Promise<PoolFigures> {
  const child = fork(fileURLToPath(import.meta.url), [...args]);
  const [figures] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the process with the threads ended early'))),
  ]);
  return figures as PoolFigures;
}

async function measurePool(texts: readonly string[]): Promise<PoolFigures> {
  const threads = availableParallelism();
  const started = performance.now();
  const pool = await createNlpPool({ workers: threads });
  const readyMs = performance.now() - started;
  let firstPassMs = 0;
  let wallMs = Number.POSITIVE_INFINITY;
  let cpuS = Number.POSITIVE_INFINITY;
  for (let round = 0; round < POOL_ROUNDS; round++) {
    const from = performance.now();
    const cpu = process.cpuUsage();
    let next = 0;
    const flow = async (): Promise<void> => {
      for (let i = next++; i < texts.length; i = next++) await pool.annotate(texts[i]!, { id: `${i}` });
    };
    await Promise.all(Array.from({ length: IN_FLIGHT * threads }, flow));
    const used = process.cpuUsage(cpu);
    const took = performance.now() - from;
    if (round === 0) firstPassMs = took;
    wallMs = Math.min(wallMs, took);
    cpuS = Math.min(cpuS, (used.user + used.system) / 1e6);
  }
  await pool.close();
  return { threads, readyMs, firstPassMs, wallMs, cpuS, peakMiB: peakMiB() };
}

const peakMiB = (): number => process.resourceUsage().maxRSS / 1024;

function cpuSeconds(work: () => void): number {
  const from = process.cpuUsage();
  work();
  const used = process.cpuUsage(from);
  return (used.user + used.system) / 1e6;
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
      const took = cpuSeconds(() => {
        state = stage.run(state);
      });
      seconds.set(stage.name, (seconds.get(stage.name) ?? 0) + took);
    }
  }
  return seconds;
}

/** Those of the file, or of our own where none is named; of the file every n-th for a sample, like the whole. */
function textsFor(path: string | undefined, sample: boolean): string[] {
  if (!path) return generatedNotes(NOTES);
  const bytes = readFileSync(path);
  const lines = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').split('\n');
  const texts = lines
    .filter((one) => one.trim() !== '')
    .map((one) => (JSON.parse(one) as { text: string }).text);
  const step = sample ? Math.max(1, Math.ceil(texts.length / NOTES)) : 1;
  return texts.filter((_, i) => i % step === 0);
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const path = args.find((argument) => !argument.startsWith('--'));
  process.send(await measurePool(textsFor(path, args.includes('--sample'))));
  process.disconnect();
}
