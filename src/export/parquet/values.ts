import { Decimal, stringifyJson } from '../../core/json.js';
import { parsePartialDate } from '../../fhir/dates.js';
import { Bytes, Numbers } from '../bytes.js';
import type { ColumnType } from '../table.js';

/** Physical types of Parquet. */
export const PHYSICAL = { boolean: 0, int32: 1, int64: 2, double: 5, bytes: 6 } as const;

/** How a column type is stored: what a value becomes (null where it does not fit) and how that is written. */
export interface Storage<T> {
  readonly physical: number;
  convert(value: unknown): T | null;
  write(out: Bytes, value: T): void;
  /** Values are not worth a dictionary: they seldom repeat, and looking costs time and memory. */
  readonly plain?: boolean;
  /** Undefined where values have no order worth a statistic. */
  readonly less?: ((a: T, b: T) => boolean) | undefined;
}

const DAY_MS = 86_400_000;

function momentOf(value: unknown): number | null {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.getTime();
  if (typeof value === 'number') return Number.isFinite(value) ? Math.floor(value) : null;
  return typeof value === 'string' ? (parsePartialDate(value)?.lo ?? null) : null;
}

function integer64(value: unknown): bigint | null {
  try {
    const n = BigInt(value instanceof Decimal ? value.raw : (value as string | number | bigint));
    return BigInt.asIntN(64, n) === n ? n : null;
  } catch {
    return null;
  }
}

const textOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : typeof value === 'object' && !(value instanceof Decimal)
      ? stringifyJson(value)
      : String(value);

const smaller = <T extends number | bigint>(a: T, b: T): boolean => a < b;

const TEXT: Storage<string> = {
  physical: PHYSICAL.bytes,
  convert: textOf,
  write: (out, value) => void out.text(value),
  less: (a, b) => a < b,
};
const DOUBLE: Storage<number> = {
  physical: PHYSICAL.double,
  convert(value) {
    const n = value instanceof Decimal ? Number(value.raw) : Number(value);
    return Number.isNaN(n) || value === '' || typeof value === 'boolean' ? null : n;
  },
  write: (out, value) => out.double(value),
  less: smaller,
};

const STORAGES = {
  string: TEXT,
  json: {
    physical: PHYSICAL.bytes,
    plain: true,
    // What is UTF-8 already stays so.
    convert: (v: unknown) => (typeof v === 'string' || v instanceof Uint8Array ? v : stringifyJson(v)),
    write(out: Bytes, value: string | Uint8Array) {
      if (typeof value === 'string') out.text(value);
      else out.sized(value);
    },
  },
  decimal: DOUBLE,
  double: DOUBLE,
  boolean: {
    physical: PHYSICAL.boolean,
    convert: (v: unknown) =>
      typeof v === 'boolean' ? v : v === 'true' ? true : v === 'false' ? false : null,
    write: () => undefined,
  },
  integer: {
    physical: PHYSICAL.int32,
    convert(v: unknown) {
      const n = v instanceof Decimal ? Number(v.raw) : Number(v);
      return Number.isInteger(n) && n === (n | 0) && v !== '' && typeof v !== 'boolean' ? n : null;
    },
    write: (out: Bytes, v: number) => out.int32(v),
    less: smaller,
  },
  integer64: {
    physical: PHYSICAL.int64,
    convert: integer64,
    write: (out: Bytes, v: bigint) => out.int64(v),
    less: smaller,
  },
  date: {
    physical: PHYSICAL.int32,
    convert(v: unknown) {
      const ms = momentOf(v);
      return ms === null ? null : Math.floor(ms / DAY_MS);
    },
    write: (out: Bytes, v: number) => out.int32(v),
    less: smaller,
  },
  instant: {
    physical: PHYSICAL.int64,
    convert: momentOf,
    write: (out: Bytes, v: number) => out.int64(BigInt(v)),
    less: smaller,
  },
} satisfies Readonly<Record<ColumnType, unknown>>;

export const storageOf = (type: ColumnType): Storage<unknown> =>
  STORAGES[type] as unknown as Storage<unknown>;

/** Distinct values before it is looked at whether a dictionary is worth it, and those one may hold. */
const DICTIONARY_TRIED = 1_024;
const DICTIONARY_MAX = 65_536;
/** Longer texts are no bounds anybody prunes by. */
const MAX_BOUND_UNITS = 64;

export interface Bounds {
  readonly min: Uint8Array;
  readonly max: Uint8Array;
}

/**
 * The values of one column of one row group, nulls left out. They are given numbers in a dictionary as long as at least
 * every other value was met before, so that reading a date or writing a code is done once; then plain.
 */
export class Values {
  /** By the value as it came; -1 where it does not fit the column. */
  private codes: Map<unknown, number> | undefined = new Map();
  private readonly distinct: unknown[] = [];
  private distinctUnits = 0;
  readonly indices = new Numbers();
  readonly plain: Bytes = new Bytes();
  count = 0;
  private least: unknown;
  private most: unknown;
  private bounded: boolean;

  constructor(private readonly storage: Storage<unknown>) {
    this.bounded = storage.less !== undefined;
    if (storage.plain) this.codes = undefined;
  }

  /** @returns whether the value fits the column */
  add(value: unknown): boolean {
    if (this.codes === undefined) {
      const stored = this.storage.convert(value);
      if (stored === null) return false;
      this.store(stored);
      this.count++;
      return true;
    }
    const key = value instanceof Date ? value.getTime() : value instanceof Decimal ? value.raw : value;
    let code = this.codes.get(key);
    if (code === undefined) {
      const stored = this.storage.convert(value);
      code = stored === null ? -1 : this.distinct.push(stored) - 1;
      if (typeof stored === 'string') this.distinctUnits += stored.length;
      this.codes.set(key, code);
    }
    if (code === -1) return false;
    this.indices.push(code);
    this.count++;
    const n = this.distinct.length;
    if (n >= DICTIONARY_TRIED && (n * 2 > this.count || n >= DICTIONARY_MAX)) this.giveUp();
    return true;
  }

  /** Of what is held, roughly. */
  get bytes(): number {
    return this.plain.length + this.indices.length * 4 + this.distinctUnits;
  }

  /** The dictionary's values, plainly written; undefined where there is none. */
  dictionary(): { readonly bytes: Buffer; readonly count: number } | undefined {
    if (this.codes === undefined || this.count === 0) return undefined;
    for (const value of this.distinct) this.store(value);
    return { bytes: this.plain.view(), count: this.distinct.length };
  }

  /** Of booleans: a bit each. */
  bits(): Uint8Array {
    const bits = new Uint8Array(Math.ceil(this.count / 8));
    const indices = this.indices.view();
    for (let i = 0; i < indices.length; i++)
      if (this.distinct[indices[i]!] === true) bits[i >>> 3]! |= 1 << (i & 7);
    return bits;
  }

  /** The least and the greatest, as Parquet's statistics want them; known once the values are written. */
  bounds(): Bounds | undefined {
    if (!this.bounded || this.least === undefined) return undefined;
    return { min: this.bound(this.least), max: this.bound(this.most) };
  }

  private bound(value: unknown): Uint8Array {
    const out = new Bytes();
    this.storage.write(out, value);
    return typeof value === 'string' ? out.view(4) : out.view();
  }

  private giveUp(): void {
    for (const index of this.indices.view()) this.store(this.distinct[index]);
    this.codes = undefined;
    this.indices.length = 0;
    this.distinct.length = 0;
    this.distinctUnits = 0;
  }

  private store(value: unknown): void {
    const before = this.plain.length;
    this.storage.write(this.plain, value);
    if (!this.bounded) return;
    if (typeof value === 'string') {
      // Beyond ASCII the order of units is not that of bytes.
      if (value.length > MAX_BOUND_UNITS || this.plain.length - before !== value.length + 4) {
        this.bounded = false;
        return;
      }
    } else if (typeof value === 'number' && !Number.isFinite(value)) {
      this.bounded = false;
      return;
    }
    const { less } = this.storage;
    if (this.least === undefined || less!(value, this.least)) this.least = value;
    if (this.most === undefined || less!(this.most, value)) this.most = value;
  }
}
