import type { Removed } from './deidentify.js';

/** What a de-identified export left out and changed, by element; numbers alone. */
export interface DeidentificationReport {
  readonly method: string;
  readonly dates: 'shift' | 'year';
  readonly notes: 'dropped' | 'scrubbed';
  /** Resources of types that are not given. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** Element → why → how often. */
  readonly removed: Removed;
}

const METHOD =
  'Safe Harbor (45 CFR 164.514(b)(2)): names, addresses below the state, telecommunication, identifiers, pictures, extensions and ' +
  'free text left out; ids and references replaced by keyed ones; ages over 89 one group; ZIP codes cut to three digits, ' +
  '000 for small areas. Dates that are moved rather than cut to their year, and scrubbed notes, need an expert\u2019s ' +
  'determination (164.514(b)(1)).';

interface Part {
  readonly removed?: Removed;
  readonly leftOut?: Readonly<Record<string, number>>;
}

/** Adds up what the shards tell. */
export function deidentificationReport(
  parts: readonly Part[],
  dates: 'shift' | 'year',
  scrubbed: boolean,
): DeidentificationReport {
  const removed: Removed = {};
  const leftOut: Record<string, number> = {};
  for (const part of parts) {
    for (const [type, n] of Object.entries(part.leftOut ?? {})) leftOut[type] = (leftOut[type] ?? 0) + n;
    for (const [path, reasons] of Object.entries(part.removed ?? {})) {
      const sum = removed[path] ?? {};
      for (const [why, n] of Object.entries(reasons)) sum[why] = (sum[why] ?? 0) + n;
      removed[path] = sum;
    }
  }
  const sorted = Object.fromEntries(Object.entries(removed).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { method: METHOD, dates, notes: scrubbed ? 'scrubbed' : 'dropped', leftOut, removed: sorted };
}
