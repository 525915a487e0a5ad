/** What a job's time goes into. `wait`: for its turn, for another file, for nothing to do. */
export const PHASES = [
  'read',
  'parse',
  'validate',
  'resolve',
  'index',
  'seal',
  'commit',
  'nlp',
  'wait',
] as const;
export type Phase = (typeof PHASES)[number];

/** Buckets of time a profile has at most; then two become one. */
const MAX_BUCKETS = 120;
const FIRST_BUCKET_MS = 500;

/** Milliseconds by phase. */
export type PhaseTimes = Readonly<Record<Phase, number>>;

/** One worker's time: in all, and over the life of the job. */
export class Lane {
  readonly total: Record<Phase, number> = noTimes();
  private buckets: Record<Phase, number>[] = [];
  private bucketMs = FIRST_BUCKET_MS;

  constructor(
    readonly name: string,
    private readonly started: number,
  ) {}

  /** Adds milliseconds that ended now. */
  add(phase: Phase, ms: number): void {
    this.total[phase] += ms;
    let at = Math.floor((performance.now() - this.started) / this.bucketMs);
    while (at >= MAX_BUCKETS) {
      this.coarsen();
      at = Math.floor(at / 2);
    }
    while (this.buckets.length <= at) this.buckets.push(noTimes());
    // What took long is spread over the buckets it took.
    for (let rest = ms, i = at; rest > 0 && i >= 0; i--) {
      const part = i === 0 ? rest : Math.min(rest, this.bucketMs);
      this.buckets[i]![phase] += part;
      rest -= part;
    }
  }

  /** Runs something and counts its time. */
  async during<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
    const from = performance.now();
    try {
      return await work();
    } finally {
      this.add(phase, performance.now() - from);
    }
  }

  /** As `during`, for what does not wait. */
  busy<T>(phase: Phase, work: () => T): T {
    const from = performance.now();
    try {
      return work();
    } finally {
      this.add(phase, performance.now() - from);
    }
  }

  /** Times by bucket of `ms` each. */
  overTime(): { readonly ms: number; readonly buckets: readonly PhaseTimes[] } {
    return { ms: this.bucketMs, buckets: this.buckets };
  }

  private coarsen(): void {
    const merged: Record<Phase, number>[] = [];
    this.buckets.forEach((bucket, i) => {
      if (i % 2 === 0) merged.push(bucket);
      else for (const phase of PHASES) merged.at(-1)![phase] += bucket[phase];
    });
    this.buckets = merged;
    this.bucketMs *= 2;
  }
}

export function noTimes(): Record<Phase, number> {
  return Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase, number>;
}

/**
 * Who acts is passed down to the lowest room; the lane that measures it goes along by that object, so that no room in
 * between needs to know of profiles.
 */
const lanes = new WeakMap<object, Lane>();

/** From now on what is done in the name of this object counts for the lane. */
export function measureFor(actor: object, lane: Lane): void {
  lanes.set(actor, lane);
}

export function laneOf(actor: object): Lane | undefined {
  return lanes.get(actor);
}
