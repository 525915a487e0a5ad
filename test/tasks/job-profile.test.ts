import { describe, expect, it } from 'vitest';
import { profileHtml, profileText } from '../../src/cli/job-profile.js';
import { Lane, noTimes, PHASES, type PhaseTimes } from '../../src/core/profile.js';
import { diagnose } from '../../src/jobs/diagnosis.js';
import { type JobProfile, Profiler } from '../../src/jobs/profile.js';

const worker = (ms: Partial<PhaseTimes>, name = 'worker 1') => ({
  name,
  ms: { ...noTimes(), ...ms },
  overTime: [{ ...noTimes(), ...ms }],
  bucketMs: 1_000,
});
const profile = (over: Partial<JobProfile>): JobProfile => ({
  seconds: 10,
  resources: 1_000,
  documents: 10,
  cpuSeconds: 9,
  workers: [worker({ parse: 1_000, validate: 1_000, index: 1_000, commit: 1_000, nlp: 1_000 })],
  slowFiles: [],
  slowDocuments: [],
  heapMb: [100],
  peakRssMb: 300,
  ...over,
});
const slowFile = { file: 'a.ndjson', ms: 8_000, size: 1, resources: 900 };

describe('a job profile names what held the job up', () => {
  it.each<[string, string, Partial<JobProfile>]>([
    ['parsing', 'parser-bound', { workers: [worker({ parse: 5_000, commit: 2_000 })] }],
    ['validation', 'validator-bound', { workers: [worker({ validate: 5_000, commit: 2_000 })] }],
    ['references', 'resolver-bound', { workers: [worker({ resolve: 5_000, commit: 2_000 })] }],
    ['index rows', 'index-bound', { workers: [worker({ index: 3_000, seal: 2_000, commit: 2_000 })] }],
    ['the database', 'commit-bound', { workers: [worker({ commit: 5_000, parse: 2_000 })] }],
    ['notes', 'nlp-bound', { workers: [worker({ nlp: 5_000, parse: 2_000 })] }],
    ['idle workers', 'workers-idle', { workers: [worker({ wait: 5_000, parse: 2_000 })] }],
    [
      'one large file',
      'skewed-files',
      { workers: [worker({}), worker({}, 'worker 2')], slowFiles: [slowFile, { ...slowFile, ms: 10 }] },
    ],
    [
      'a slow document',
      'slow-document',
      { slowDocuments: [{ file: 'n.jsonl', line: 7, ms: 4_000, size: 9 }] },
    ],
    ['memory', 'heap-growth', { heapMb: [90, 100, 100, 200, 300, 400, 500, 600, 700] }],
  ])('%s', (_, rule, over) => {
    const found = diagnose(profile(over));
    expect(found.map((f) => f.rule)).toContain(rule);
    for (const { what, remedy, gain } of found) {
      expect(what).toMatch(/\.$/);
      expect(remedy.length).toBeGreaterThan(20);
      expect(gain).toBeLessThanOrEqual(1);
    }
  });

  it('and nothing where nothing stands out', () => expect(diagnose(profile({}))).toEqual([]));

  it('names the slow document by file and line', () => {
    const profiler = new Profiler();
    profiler.place('d1', 'notes.jsonl', 12, 50_000);
    profiler.document('d1', 3_000);
    profiler.document('unknown', 9_000);
    expect(profiler.profile(1, 1).slowDocuments).toEqual([
      { file: 'notes.jsonl', line: 12, ms: 3_000, size: 50_000 },
    ]);
  });
});

it('a lane keeps the time of all its life in a bounded number of buckets', () => {
  const started = performance.now() - 10 * 60_000;
  const lane = new Lane('worker', started);
  lane.add('commit', 9 * 60_000);
  lane.add('parse', 1_000);
  const { ms, buckets } = lane.overTime();
  expect(buckets.length).toBeLessThanOrEqual(120);
  expect(buckets.length * ms).toBeGreaterThanOrEqual(10 * 60_000);
  const sum = PHASES.reduce((all, phase) => all + buckets.reduce((n, b) => n + b[phase], 0), 0);
  expect(Math.round(sum)).toBe(9 * 60_000 + 1_000);
  for (const bucket of buckets)
    for (const phase of PHASES) expect(bucket[phase]).toBeLessThanOrEqual(ms + 1_000);
});

it('the page holds everything it needs and escapes names of files', () => {
  const html = profileHtml(profile({ slowFiles: [{ ...slowFile, file: '<img src=x>.ndjson' }] }), 'job-1');
  expect(html).toContain('<rect');
  expect(html).toContain('&lt;img');
  expect(html).not.toMatch(/<img|https?:|<script|<link/);
  expect(profileText(profile({ workers: [worker({ nlp: 5_000 })] }))).toMatch(/nlp-bound: 100 %/);
});
