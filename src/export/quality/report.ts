import type { Histogram } from './sketch.js';

/** What stands in `quality.json`; `quality.html` shows the same. Holds no text, id or reference of any record. */
export interface QualityReport {
  /** Instant the data is of. */
  readonly asOf: string;
  readonly types: readonly TypeQuality[];
  /** References by search parameters to what is not in the lake, by the types of who refers and what is referred to. */
  readonly brokenReferences: readonly {
    readonly from: string;
    readonly to: string;
    readonly count: number;
  }[];
  readonly target?: TargetQuality;
  /** How much the figures are samples. */
  readonly bounds: Readonly<Record<string, number>>;
}

export interface TypeQuality {
  readonly type: string;
  readonly rows: number;
  /** Rows whose content, but for id and version, is that of another. */
  readonly duplicates: number;
  readonly dates: {
    readonly beforeBirth: number;
    readonly afterDeath: number;
    readonly future: number;
    /** Undefined for types whose resources are of no event, and tables that have no time of one. */
    readonly undated?: number;
  };
  /** Days from the event to its record. */
  readonly recordingDelay?: {
    readonly by: string;
    readonly median: number;
    readonly p90: number;
    readonly negative: number;
    readonly rows: number;
  };
  readonly columns: readonly ColumnQuality[];
  /** Measurements by code and unit. */
  readonly measurements: readonly MeasurementQuality[];
}

export interface ColumnQuality {
  readonly name: string;
  readonly type: string;
  /** Rows that have a value. */
  readonly filled: number;
  readonly distinct: number;
  /** Most frequent codes, systems, units and flags. */
  readonly top?: readonly { readonly value: string; readonly count: number }[];
  readonly min?: number | string;
  readonly max?: number | string;
  readonly histogram?: Histogram;
  /** Beyond median ± 5 robust standard deviations, of the rows sampled. */
  readonly outliers?: { readonly count: number; readonly of: number };
}

export interface MeasurementQuality {
  readonly code: string;
  readonly unit: string;
  readonly rows: number;
  readonly median: number;
  readonly robustSd: number;
  readonly min: number;
  readonly max: number;
  /** Beyond median ± 5 robust standard deviations; `atLeast` where only the outermost were kept. */
  readonly outliers: number;
  readonly atLeast: boolean;
}

export interface TargetQuality {
  readonly type: string;
  readonly column: string;
  readonly rows: number;
  /** How often the target has a value. */
  readonly filled: number;
  readonly columns: readonly {
    readonly name: string;
    /** Share of the target's uncertainty that the column takes away, 0 to 1, corrected for chance. */
    readonly power: number;
    /** Of a date: share of rows where it lies after the event. */
    readonly afterEvent?: number;
    /** Why the column may know what a prediction could not. */
    readonly leak?: string;
  }[];
}
