import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { createClinicalPipeline } from '../../nlp/index.js';
import { Fault } from '../../src/core/fault.js';
import { createNlpPool } from '../../src/tasks/nlp-pool.js';
import { hardNotes } from '../fuzz/hard-notes.js';
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
/** Characters of a text that nobody would write. */
const HARD_LENGTH = 8_000;

/** A figure as a process of its own sends it. */
interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly note?: string | undefined;
}
type Say = (name: string, value: number, unit: string, note?: string) => void;

/** What the processes need of each other. */
interface Before {
  /** Notes per second on one core, and processor time of one note in ms: warm, by one thread alone. */
  readonly perSecond: number;
  readonly cpuMs: number;
}

interface Result {
  readonly figures: readonly Figure[];
  readonly before?: Before | undefined;
}

/** What is measured, each in a process of its own, so that the memory of one says nothing of another. */
const PHASES = ['one', 'long', 'pool', 'hard'] as const;
type Phase = (typeof PHASES)[number];

/**
 * `cenote bench annotate [NOTES.jsonl[.gz]] [--sample]`: notes and characters read per second on one core and with a
 * thread per core, a note of a megabyte, texts that nobody would write, and the memory of each, over notes of our own
 * or all those of a file with a `text` per line (`--sample`: 400 spread over it). The first pass is what a process reads
 * at first, while its code is still being compiled; warm is the best of several passes after it.
 */
export async function run(args: readonly string[]): Promise<void> {
  const path = pathOf(args);
  const texts = textsFor(path, args.includes('--sample'));
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  const data = `${texts.length} notes of ${Math.round(length / texts.length)} characters${path ? '' : ', generated'}`;
  let before: Before | undefined;
  for (const phase of PHASES) {
    const result = await inOwnProcess(phase, before, args);
    before ??= result.before;
    for (const { name, value, unit, note } of result.figures)
      line('annotate', name, value, unit, phase === 'hard' ? 'hard texts' : data, note);
  }
}

async function inOwnProcess(
  phase: Phase,
  before: Before | undefined,
  args: readonly string[],
): Promise<Result> {
  const child = fork(fileURLToPath(import.meta.url), [phase, JSON.stringify(before ?? null), ...args]);
  const [result] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`the process of "${phase}" ended early`))),
  ]);
  return result as Result;
}

function measureOne(texts: readonly string[], say: Say): Before {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
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
  say('memory, one thread', peakMiB(), 'MiB', 'resident at most');
  return { perSecond: texts.length / warm, cpuMs: (warm * 1000) / texts.length };
}

/** A quarter, a half and the whole of a megabyte of notes. */
function measureLong(texts: readonly string[], say: Say): void {
  const pipeline = createClinicalPipeline();
  const long = texts.join('\n').slice(0, MEGABYTE);
  const timed = (part: number): number => {
    const text = long.slice(0, long.length * part);
    return cpuSeconds(() => pipeline.annotate(text, { id: 'long' })) * 1000;
  };
  timed(1 / 2);
  const [quarter, half, whole] = [timed(1 / 4), timed(1 / 2), timed(1)] as const;
  say(
    `one note of ${long.length} characters`,
    whole,
    'ms',
    `CPU time; a quarter of it ${Math.round(quarter)} ms, half ${Math.round(half)} ms`,
  );
  say('memory, one long note', peakMiB(), 'MiB', 'resident at most, three such notes read before');
}

async function measurePool(texts: readonly string[], before: Before | undefined, say: Say): Promise<void> {
  const threads = availableParallelism();
  const from = performance.now();
  const pool = await createNlpPool({ workers: threads });
  say('thread pool ready', performance.now() - from, 'ms');
  say('memory, thread pool ready', peakMiB(), 'MiB', 'resident at most');
  let wallS = Number.POSITIVE_INFINITY;
  let cpuS = Number.POSITIVE_INFINITY;
  for (let round = 0; round < POOL_ROUNDS; round++) {
    const started = performance.now();
    const cpu = process.cpuUsage();
    let next = 0;
    const flow = async (): Promise<void> => {
      for (let i = next++; i < texts.length; i = next++)
        await pool.annotateJson(texts[i]!, { id: `${i}` }, false);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT * threads }, flow));
    const used = process.cpuUsage(cpu);
    const took = (performance.now() - started) / 1000;
    if (round === 0) say('notes per second, all cores, first pass', texts.length / took, '1/s');
    wallS = Math.min(wallS, took);
    cpuS = Math.min(cpuS, (used.user + used.system) / 1e6);
  }
  const ratio = before && `: ${(texts.length / wallS / before.perSecond).toFixed(2)} × one core`;
  say('notes per second, all cores', texts.length / wallS, '1/s', `${threads} threads, warm${ratio ?? ''}`);
  const extra = before && `: ${((cpuS * 1000) / texts.length / before.cpuMs).toFixed(2)} × a note's alone`;
  say(
    'notes per second and core, thread pool',
    texts.length / cpuS,
    '1/s',
    `CPU time of all threads, hand-over included${extra ?? ''}`,
  );
  await pool.annotateJson(texts.join('\n').slice(0, MEGABYTE), { id: 'long' }, false);
  say(
    'memory, thread pool',
    peakMiB(),
    'MiB',
    `resident at most, ${threads} threads, a note of 1 MB at the end`,
  );
  await pool.close();
}

/** Texts that nobody would write, each by how much of its limit (50 ms and 5 ms a kB) it takes: at first, and at best. */
function measureHard(say: Say): void {
  const pipeline = createClinicalPipeline();
  pipeline.annotate('No chest pain. Takes aspirin 81 mg daily.', { id: 'first' });
  const notes = hardNotes().map(({ textOf }) => textOf(HARD_LENGTH));
  const read = (text: string): number => cpuSeconds(() => pipeline.annotate(text, { id: 'hard' })) * 1000;
  const limitOf = (text: string): number => 50 + (5 * text.length) / 1000;
  const worst = (what: string, times: readonly number[]): void => {
    const shares = times.map((ms, i) => ms / limitOf(notes[i]!));
    const at = shares.indexOf(Math.max(...shares));
    const over = shares.filter((share) => share > 1).length;
    say(
      `hardest of ${notes.length} texts, ${what}`,
      times[at]!,
      'ms',
      `CPU time; limit ${Math.round(limitOf(notes[at]!))} ms, ${over} beyond theirs`,
    );
  };
  worst('each read for the first time', notes.map(read));
  worst(
    'warm',
    notes.map((text) => Math.min(read(text), read(text), read(text))),
  );
  say('memory, hard texts', peakMiB(), 'MiB', 'resident at most');
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
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new Fault('not-found', 'There is no file of notes of that name.', {
      remedy: 'Name one with a JSON object with a "text" on each line, gzipped or not.',
    });
  const bytes = readFileSync(path);
  const lines = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').split('\n');
  const texts = lines
    .filter((one) => one.trim() !== '')
    .map((one) => (JSON.parse(one) as { text: string }).text);
  const step = sample ? Math.max(1, Math.ceil(texts.length / NOTES)) : 1;
  return texts.filter((_, i) => i % step === 0);
}

function pathOf(args: readonly string[]): string | undefined {
  return args.find((argument) => !argument.startsWith('--'));
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  const [phase, before, ...args] = process.argv.slice(2);
  const figures: Figure[] = [];
  const say: Say = (name, value, unit, note) => {
    figures.push({ name, value, unit, note });
  };
  const known = JSON.parse(before ?? 'null') as Before | null;
  const texts = phase === 'hard' ? [] : textsFor(pathOf(args), args.includes('--sample'));
  let measured: Before | undefined;
  if (phase === 'one') measured = measureOne(texts, say);
  else if (phase === 'long') measureLong(texts, say);
  else if (phase === 'pool') await measurePool(texts, known ?? undefined, say);
  else measureHard(say);
  process.send({ figures, before: measured } satisfies Result);
  process.disconnect();
}
