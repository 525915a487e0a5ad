import { Lane, noTimes, PHASES, type Phase, type PhaseTimes } from '../core/profile.js';

/** Files and documents a profile names. */
const MAX_NAMED = 10;
/** Documents remembered by id, so that a slow one can be named by its file and line. */
const MAX_PLACES = 500;

/** Where something stands that took long. */
export interface Slow {
  readonly file: string;
  readonly line?: number;
  readonly ms: number;
  /** Characters or bytes. */
  readonly size: number;
}

/** Where a job's time went; part of its sealed result. */
export interface JobProfile {
  readonly seconds: number;
  readonly resources: number;
  readonly documents: number;
  /** CPU of the process while the job ran, in seconds; other work of the process included. */
  readonly cpuSeconds: number;
  readonly workers: readonly {
    readonly name: string;
    readonly ms: PhaseTimes;
    readonly overTime: readonly PhaseTimes[];
    readonly bucketMs: number;
  }[];
  readonly slowFiles: readonly (Slow & { readonly resources: number })[];
  readonly slowDocuments: readonly Slow[];
  /** Megabytes of heap in use, at equal distances. */
  readonly heapMb: readonly number[];
  readonly peakRssMb: number;
}

/** Gathers a job's profile while it runs. */
export class Profiler {
  private readonly started = performance.now();
  private readonly cpu = process.cpuUsage();
  private readonly lanes: Lane[] = [];
  private readonly files: (Slow & { resources: number })[] = [];
  private readonly documents: Slow[] = [];
  private readonly places = new Map<string, { file: string; line?: number; size: number }>();
  private smallest = 0;
  private heap: number[] = [];
  private rss = 0;

  lane(name: string): Lane {
    const lane = new Lane(name, this.started);
    this.lanes.push(lane);
    return lane;
  }

  /** A file was finished. */
  file(file: string, ms: number, size: number, resources: number): void {
    keepSlowest(this.files, { file, ms, size, resources });
  }

  /** Remembers where a long document came from. */
  place(id: string, file: string, line: number | undefined, size: number): void {
    if (this.places.size >= MAX_PLACES) {
      if (size <= this.smallest) return;
      const [least] = [...this.places].sort((a, b) => a[1].size - b[1].size);
      this.places.delete(least![0]);
      this.smallest = least![1].size;
    }
    this.places.set(id, { file, size, ...(line === undefined ? {} : { line }) });
  }

  /** A document was read. Those of no known place are not named. */
  document(id: string, ms: number): void {
    const place = this.places.get(id);
    if (place) keepSlowest(this.documents, { ...place, ms });
  }

  /** A line took this long to be parsed and checked. */
  line(file: string, line: number, ms: number, size: number): void {
    keepSlowest(this.documents, { file, line, ms, size });
  }

  /** Looks at the memory; called at every sign of life. */
  sample(): void {
    const { heapUsed, rss } = process.memoryUsage();
    this.heap.push(Math.round(heapUsed / 1024 ** 2));
    this.rss = Math.max(this.rss, rss);
    if (this.heap.length > 200) this.heap = this.heap.filter((_, i) => i % 2 === 0);
  }

  profile(resources: number, documents: number): JobProfile {
    this.sample();
    const used = process.cpuUsage(this.cpu);
    return {
      seconds: round((performance.now() - this.started) / 1000),
      resources,
      documents,
      cpuSeconds: round((used.user + used.system) / 1e6),
      workers: this.lanes.map((lane) => {
        const { ms, buckets } = lane.overTime();
        return { name: lane.name, ms: rounded(lane.total), overTime: buckets.map(rounded), bucketMs: ms };
      }),
      slowFiles: this.files,
      slowDocuments: this.documents,
      heapMb: this.heap,
      peakRssMb: Math.round(this.rss / 1024 ** 2),
    };
  }
}

function keepSlowest<T extends Slow>(list: T[], one: T): void {
  if (list.length >= MAX_NAMED && one.ms <= list.at(-1)!.ms) return;
  list.push({ ...one, ms: Math.round(one.ms) });
  list.sort((a, b) => b.ms - a.ms);
  list.length = Math.min(list.length, MAX_NAMED);
}

const round = (n: number) => Math.round(n * 100) / 100;

function rounded(times: PhaseTimes): PhaseTimes {
  const out = noTimes();
  for (const phase of PHASES) out[phase] = Math.round(times[phase]);
  return out;
}

/** Milliseconds of all workers by phase. */
export function totals(profile: JobProfile): Record<Phase, number> {
  const out = noTimes();
  for (const { ms } of profile.workers) for (const phase of PHASES) out[phase] += ms[phase];
  return out;
}
