import { counted, countText } from '../ui/format.js';
import { isLive, type Job } from './jobs-api.js';

/** What a part of the progress is out of: each counts up to its partner. */
const PAIRS: readonly (readonly [done: string, all: string, unit: string])[] = [
  ['bytesDone', 'bytes', 'bytes'],
  ['partsDone', 'parts', 'parts'],
  ['filesDone', 'files', 'files'],
  ['done', 'total', ''],
];

/** Share that is done, 0 to 1; undefined where nobody knows the whole. */
export function shareOf({ state, progress }: Job): number | undefined {
  if (state === 'done') return 1;
  for (const [done, all] of PAIRS) {
    const whole = progress[all] ?? 0;
    if (whole > 0) return Math.min((progress[done] ?? 0) / whole, 1);
  }
  return undefined;
}

const COUNTED: readonly (readonly [key: string, one: string, many: string])[] = [
  ['resources', 'resource', 'resources'],
  ['documents', 'note', 'notes'],
  ['rewritten', 'rewritten', 'rewritten'],
  ['resealed', 'sealed anew', 'sealed anew'],
  ['rejected', 'refused', 'refused'],
];

/** `1,234 resources, 3 notes, 2 refused, 4 of 9 files`. */
export function progressText({ progress }: Job): string {
  const said = COUNTED.flatMap(([key, one, many]) => {
    const n = progress[key];
    return n === undefined || (n === 0 && key !== 'resources') ? [] : [counted(n, one, many)];
  });
  for (const [done, all, unit] of PAIRS)
    if (unit !== 'bytes' && (progress[all] ?? 0) > 1)
      said.push(`${countText(progress[done] ?? 0)} of ${countText(progress[all]!)} ${unit}`.trim());
  return said.join(', ');
}

interface Sample {
  readonly at: number;
  readonly share: number | undefined;
  readonly resources: number;
}

/** The last samples that say how fast a job is now, in ms. */
const WINDOW_MS = 30_000;
/** Below this the samples are too near each other to say anything, in ms. */
const LEAST_MS = 3_000;

/** Remembers what jobs said lately, so that rate and remaining time are of now rather than of the whole run. */
export class Gauge {
  private readonly samples = new Map<string, Sample[]>();

  see(jobs: readonly Job[], now = Date.now()): void {
    const live = new Set(jobs.filter(isLive).map(({ id }) => id));
    for (const id of this.samples.keys()) if (!live.has(id)) this.samples.delete(id);
    for (const job of jobs) {
      if (!live.has(job.id)) continue;
      const list = this.samples.get(job.id) ?? [];
      list.push({ at: now, share: shareOf(job), resources: job.progress.resources ?? 0 });
      while (list.length > 2 && now - list[0]!.at > WINDOW_MS) list.shift();
      this.samples.set(job.id, list);
    }
  }

  /** Resources a second now, or over the job's life. */
  rate(job: Job): number | undefined {
    const [first, last] = this.ends(job);
    if (first && last && last.resources > first.resources)
      return Math.round((last.resources - first.resources) / ((last.at - first.at) / 1000));
    return job.resourcesPerSecond;
  }

  /** Seconds that are left, where the samples or the whole run tell. */
  left(job: Job, now = Date.now()): number | undefined {
    if (job.state !== 'running') return undefined;
    const share = shareOf(job);
    if (share === undefined || share <= 0 || share >= 1) return undefined;
    const [first, last] = this.ends(job);
    if (first?.share !== undefined && last?.share !== undefined && last.share > first.share)
      return ((1 - share) / (last.share - first.share)) * ((last.at - first.at) / 1000);
    if (!job.started) return undefined;
    return ((now - new Date(job.started).getTime()) / 1000) * ((1 - share) / share);
  }

  private ends({ id }: Job): [Sample?, Sample?] {
    const list = this.samples.get(id) ?? [];
    const [first] = list;
    const last = list.at(-1);
    return first && last && last.at - first.at >= LEAST_MS ? [first, last] : [];
  }
}
