import { Decimal } from '../../core/json.js';
import type { StoredResource } from '../../core/resource.js';
import { hasClinicalTime } from '../../fhir/clinical-time.js';
import { parsePartialDate } from '../../fhir/dates.js';
import { isResourceType } from '../../fhir/resource-types.js';
import { type FlatColumn, flatTable } from '../flat.js';
import type { ColumnQuality, MeasurementQuality, QualityReport, TypeQuality } from './report.js';
import { Distinct, Frequencies, hash32, histogram, quantile, robust, Sample } from './sketch.js';
import { targetQuality } from './target.js';

/** Rows of a type that medians, histograms and predictive power are counted from. */
export const SAMPLED_ROWS = 8_000;
/** Different codes, systems or units of a column that are counted one by one. */
export const COUNTED_VALUES = 1_000;
/** Measurements told apart by code and unit, and the outermost values kept of each. */
export const MEASUREMENTS = 500;
export const EXTREMES = 20;
/** Contents that duplicates are looked for among; later ones are not counted. */
export const COMPARED_CONTENTS = 1_000_000;
const ROBUST_SDS = 5;
const LEAST_FOR_OUTLIERS = 20;
const TOP_SHOWN = 10;
const DAY_MS = 86_400_000;
/** A date of today may be ahead of the clock by a zone. */
const FUTURE_SLACK_MS = DAY_MS;
/** Elements that say when something was recorded, the first that a type has. */
const RECORDED = ['recorded_date', 'issued', 'authored_on', 'date_asserted', 'recorded', 'created', 'date'];

/** When a patient was born and died, ms. */
export interface Lifetime {
  readonly born?: number;
  readonly died?: number;
}

type Cell = number | string | null;

/** What is looked over: a table whose rows are made of resources. */
export interface QualityTable {
  /** Type of the resources, or name of the view. */
  readonly type: string;
  readonly columns: readonly FlatColumn[];
  /** Of the columns, how many at the end are there for the looking alone, and not in the table. */
  readonly hidden: number;
  rows(resource: StoredResource): readonly (readonly unknown[])[];
}

function flatQualityTable(type: string): QualityTable {
  const { columns, row } = flatTable(type);
  return { type, columns, hidden: 0, rows: (resource) => [row(resource, '')] };
}

/** Looks at every resource of an export once, in memory that does not grow with it. */
export class Quality {
  private readonly types = new Map<string, TypeStats>();

  constructor(
    private readonly asOfMs: number,
    /** `Type.column`. */
    private readonly target?: string | undefined,
  ) {}

  /** @param table the type's flat one where not given */
  add(resource: StoredResource, lifetimes: ReadonlyMap<string, Lifetime>, table?: QualityTable): void {
    const name = table?.type ?? resource.resourceType;
    let stats = this.types.get(name);
    if (!stats) {
      stats = new TypeStats(table ?? flatQualityTable(name), this.asOfMs);
      this.types.set(name, stats);
    }
    stats.add(resource, lifetimes);
  }

  report(brokenReferences: QualityReport['brokenReferences']): QualityReport {
    const [type = '', column = ''] = this.target?.split('.') ?? [];
    const about = this.types.get(type)?.target(column);
    return {
      asOf: new Date(this.asOfMs).toISOString(),
      types: [...this.types.values()]
        .map((stats) => stats.report())
        .sort((a, b) => b.rows - a.rows || (a.type < b.type ? -1 : 1)),
      brokenReferences,
      ...(about ? { target: about } : {}),
      bounds: { SAMPLED_ROWS, COUNTED_VALUES, MEASUREMENTS, EXTREMES, COMPARED_CONTENTS },
    };
  }
}

class TypeStats {
  private rows = 0;
  private duplicates = 0;
  private beforeBirth = 0;
  private afterDeath = 0;
  private future = 0;
  private undated = 0;
  private readonly contents = new Set<number>();
  private readonly columns: ColumnStats[];
  private readonly sample = new Sample<Cell[]>(SAMPLED_ROWS);
  private readonly measurements = new Map<string, Measurement>();
  private readonly at: Record<
    'patient' | 'event' | 'recorded' | 'updated' | 'value' | 'code' | 'unit',
    number
  >;

  constructor(
    private readonly table: QualityTable,
    private readonly asOfMs: number,
  ) {
    this.columns = table.columns.map((c) => new ColumnStats(c));
    const named = (name: string) => table.columns.findIndex((c) => c.name === name);
    const patient = table.columns.findLastIndex((c) => c.role === 'patient');
    this.at = {
      patient: patient < 0 ? named('id') : patient,
      event: table.columns.findLastIndex((c) => c.role === 'event'),
      recorded: RECORDED.map(named).find((i) => i >= 0 && table.columns[i]!.role === 'date') ?? -1,
      updated: table.columns.findLastIndex((c) => c.role === 'updated'),
      value: named('value_quantity_value'),
      code: named('code_code'),
      unit: named('value_quantity_unit'),
    };
  }

  add(resource: StoredResource, lifetimes: ReadonlyMap<string, Lifetime>): void {
    for (const [n, row] of this.table.rows(resource).entries()) {
      this.rows++;
      const cells = row.map((value, i) => cellOf(value, this.columns[i]!.column));
      for (let i = 0; i < cells.length; i++) this.columns[i]!.add(cells[i]!);
      const hash = hash32(n === 0 ? resource.id : `${resource.id} ${n}`);
      this.sample.add(hash, () => cells);
      if (n === 0) this.lookForTwin(resource);
      this.lookAtDates(cells, lifetimes);
      this.measure(cells, hash);
    }
  }

  /** A table by a view is one of events where it says when. */
  private isOfEvents(): boolean {
    const { type } = this.table;
    return this.at.event >= 0 && (!isResourceType(type) || hasClinicalTime(type));
  }

  private lookForTwin(resource: StoredResource): void {
    if (this.contents.size >= COMPARED_CONTENTS) return;
    const { id: _id, meta: _meta, text: _text, ...content } = resource;
    const text = JSON.stringify(content);
    // Two hashes make 53 bits: among a million contents none is taken for another.
    const key = hash32(text) * 2 ** 21 + (hash32(`${text.length} ${text.slice(0, 64)} ${text}`) >>> 11);
    if (this.contents.has(key)) this.duplicates++;
    else this.contents.add(key);
  }

  private lookAtDates(cells: readonly Cell[], lifetimes: ReadonlyMap<string, Lifetime>): void {
    const event = cells[this.at.event];
    if (typeof event !== 'number') {
      this.undated++;
      return;
    }
    if (event > this.asOfMs + FUTURE_SLACK_MS) this.future++;
    const patient = cells[this.at.patient];
    const life = typeof patient === 'string' ? lifetimes.get(patient) : undefined;
    if (life?.born !== undefined && event < life.born) this.beforeBirth++;
    if (life?.died !== undefined && event > life.died + DAY_MS) this.afterDeath++;
  }

  private measure(cells: readonly Cell[], hash: number): void {
    const value = cells[this.at.value];
    if (typeof value !== 'number') return;
    const code = String(cells[this.at.code] ?? '');
    const unit = String(cells[this.at.unit] ?? '');
    const key = `${code}\u0000${unit}`;
    let found = this.measurements.get(key);
    if (!found) {
      if (this.measurements.size >= MEASUREMENTS) return;
      found = new Measurement(code, unit);
      this.measurements.set(key, found);
    }
    found.add(value, hash);
  }

  target(name: string): QualityReport['target'] {
    const at = this.table.columns.findIndex((c) => c.name === name);
    return at < 0 ? undefined : targetQuality(this.table.type, this.table.columns, at, this.sample.items());
  }

  report(): TypeQuality {
    const rows = this.sample.items();
    const delay = this.delay(rows);
    return {
      type: this.table.type,
      rows: this.rows,
      duplicates: this.duplicates,
      dates: {
        beforeBirth: this.beforeBirth,
        afterDeath: this.afterDeath,
        future: this.future,
        ...(this.isOfEvents() ? { undated: this.undated } : {}),
      },
      ...(delay ? { recordingDelay: delay } : {}),
      columns: this.columns
        .slice(0, this.columns.length - this.table.hidden)
        .map((c, i) => c.report(rows.map((row) => row[i]!))),
      measurements: [...this.measurements.values()]
        .map((m) => m.report())
        .sort((a, b) => b.rows - a.rows || (a.code < b.code ? -1 : 1)),
    };
  }

  private delay(rows: readonly Cell[][]): TypeQuality['recordingDelay'] {
    const column = this.at.recorded >= 0 ? this.at.recorded : this.at.updated;
    const days = rows
      .flatMap((row) => {
        const event = row[this.at.event];
        const recorded = row[column];
        return typeof event === 'number' && typeof recorded === 'number' ? [(recorded - event) / DAY_MS] : [];
      })
      .sort((a, b) => a - b);
    if (days.length === 0) return undefined;
    return {
      by: this.table.columns[column]!.name,
      median: rounded(quantile(days, 0.5)!),
      p90: rounded(quantile(days, 0.9)!),
      // A day's slack: one of the two may be a date without a time.
      negative: days.filter((d) => d < -1).length,
      rows: days.length,
    };
  }
}

class ColumnStats {
  private filled = 0;
  private readonly distinct = new Distinct();
  private readonly frequencies: Frequencies | undefined;
  private min = Number.POSITIVE_INFINITY;
  private max = Number.NEGATIVE_INFINITY;

  constructor(readonly column: FlatColumn) {
    if (['system', 'code', 'unit', 'flag'].includes(column.role))
      this.frequencies = new Frequencies(COUNTED_VALUES);
  }

  add(cell: Cell): void {
    if (cell === null) return;
    this.filled++;
    if (this.column.role === 'whole') return;
    this.distinct.add(hash32(String(cell)));
    this.frequencies?.add(String(cell));
    if (typeof cell !== 'number') return;
    if (cell < this.min) this.min = cell;
    if (cell > this.max) this.max = cell;
  }

  report(sampled: readonly Cell[]): ColumnQuality {
    const { name, type, role } = this.column;
    const numbers = sampled.filter((c): c is number => typeof c === 'number');
    const bins = role === 'flag' ? undefined : histogram(numbers);
    const spread = role === 'number' ? robust(numbers) : undefined;
    const isDate = type === 'date' || type === 'instant';
    const shown = (ms: number) => (isDate ? new Date(ms).toISOString().slice(0, 10) : ms);
    return {
      name,
      type,
      filled: this.filled,
      distinct: this.distinct.count(),
      ...(this.frequencies ? { top: this.frequencies.top(TOP_SHOWN) } : {}),
      ...(this.min <= this.max ? { min: shown(this.min), max: shown(this.max) } : {}),
      ...(bins ? { histogram: bins } : {}),
      ...(spread && spread.sd > 0 && numbers.length >= LEAST_FOR_OUTLIERS
        ? {
            outliers: {
              count: numbers.filter((v) => Math.abs(v - spread.median) > ROBUST_SDS * spread.sd).length,
              of: numbers.length,
            },
          }
        : {}),
    };
  }
}

class Measurement {
  private rows = 0;
  private readonly sample = new Sample<number>(2_000);
  private low: number[] = [];
  private high: number[] = [];

  constructor(
    private readonly code: string,
    private readonly unit: string,
  ) {}

  add(value: number, hash: number): void {
    this.rows++;
    this.sample.add(hash, () => value);
    if (this.low.length < EXTREMES || value < this.low.at(-1)!)
      this.low = [...this.low, value].sort((a, b) => a - b).slice(0, EXTREMES);
    if (this.high.length < EXTREMES || value > this.high.at(-1)!)
      this.high = [...this.high, value].sort((a, b) => b - a).slice(0, EXTREMES);
  }

  report(): MeasurementQuality {
    const { median, sd } = robust(this.sample.items())!;
    const far = (v: number) => sd > 0 && Math.abs(v - median) > ROBUST_SDS * sd;
    const low = this.low.filter((v) => v < median && far(v)).length;
    const high = this.high.filter((v) => v > median && far(v)).length;
    const enough = this.rows >= LEAST_FOR_OUTLIERS;
    return {
      code: this.code,
      unit: this.unit,
      rows: this.rows,
      median: rounded(median),
      robustSd: rounded(sd),
      min: this.low[0]!,
      max: this.high[0]!,
      outliers: enough ? low + high : 0,
      atLeast: enough && (low === EXTREMES || high === EXTREMES),
    };
  }
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}

/** A value as a number (dates in ms) or as text; lists by how many they hold. */
function cellOf(value: unknown, column: FlatColumn): Cell {
  if (value === null || value === undefined) return null;
  if (column.collection) return Array.isArray(value) ? value.length : 1;
  if (value instanceof Date) return value.getTime();
  switch (column.type) {
    case 'integer':
    case 'integer64':
    case 'decimal':
    case 'double': {
      const n = value instanceof Decimal ? Number(value.raw) : Number(value);
      return Number.isFinite(n) ? n : null;
    }
    case 'date':
    case 'instant':
      return typeof value === 'string' ? (parsePartialDate(value)?.lo ?? null) : null;
    case 'json':
      return '';
    default:
      return String(value);
  }
}
