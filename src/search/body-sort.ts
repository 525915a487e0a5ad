import type { StoredResource } from '../core/resource.js';
import { type ParameterRegistry, standardRegistry } from '../fhir/registry.js';
import { typeName } from '../fhir/resource-types.js';
import { comparableNumber, rangesOf, sortFieldOf, sortText, textAt, valuesOf } from '../indexing/index.js';
import type { RowKey } from '../store/contract.js';
import type { Position } from './cursor.js';
import { type Recheck, streamRows } from './fill.js';
import { momentNow } from './moment.js';
import { movedSince } from './moved.js';
import type { BodyKey } from './order.js';
import type { Reader } from './reader.js';
import { type Find, keyOf, keysStatement } from './statement.js';

/**
 * Sorting by what only the bodies hold (names, codes, ids): the index has keyed hashes of them, which have no order, and
 * an order that the database could read would tell the names. Every match is ranked for each page, so the cost is that of
 * all matches: rows are listed first and read in the order they lie in their segments, each segment once, the next
 * ones being fetched while these are read. The commonest texts stand in front of the bodies (`indexing/sort-text.ts`);
 * for others, and where matches must be looked at to be known, bodies are opened. Kept are the keys and rows of one page.
 */

type Key = string | number;

/** Comes after every value in both directions; no text sorts above it. */
const MISSING = '\u{10FFFF}';
/** Rows listed at a time; what bounds the memory, at some 200 bytes each. */
const LISTED = 200_000;
/** Rows read at a time. */
const BATCH = 1_000;
/** Ranked beyond the page, for those that turn out not to match when the page is opened. */
const SPARE = 10;

interface Ranked {
  readonly row: RowKey;
  readonly keys: readonly Key[];
}

export interface SortedPage {
  readonly matches: readonly StoredResource[];
  readonly next: Position | undefined;
  /** All matches were seen, so their number is known. */
  readonly total: number;
}

/** @param exact the index alone decides what matches: those of the page alone are looked at */
export async function sortedPage(
  reader: Reader,
  find: Find,
  sort: readonly BodyKey[],
  from: Position,
  count: number,
  exact: boolean,
  recheck: Recheck,
  registry: ParameterRegistry = standardRegistry,
): Promise<SortedPage> {
  const directions = [...sort.map((s) => s.descending), false, false];
  const best = new Best(
    (a, b) => compareKeys(a.keys, b.keys, directions),
    count + 1 + SPARE,
    from.keys.length > 0 ? from.keys : undefined,
  );
  const moment = from.moment ?? (await momentNow(reader));
  const now: Find = { ...find, order: { kind: 'row' } };
  const ranking = new Ranking(reader, sort, registry, exact, recheck);
  let total = 0;
  const add = (ranked: readonly (Ranked | undefined)[]) => {
    for (const one of ranked) {
      if (!one) continue;
      total++;
      best.add(one);
    }
    best.cut();
  };
  for await (const rows of batchesOf(reader, { ...now, asOf: moment }, (batch) => ranking.of(batch)))
    add(rows);
  // After the others: what is written between the two is found by the second.
  for await (const batch of movedSince(reader, now, moment)) {
    const verdicts = await recheck(await reader.open(batch.map((m) => m.row)));
    const former = await reader.openFormer(batch.map((m) => m.former));
    add(
      batch.map((m, i) =>
        verdicts[i] && former[i] ? { row: m.row, keys: ranking.keysOf(m.row, former[i]) } : undefined,
      ),
    );
  }
  const matches: StoredResource[] = [];
  const ranked = best.sorted();
  let seen = 0;
  while (matches.length < count && seen < ranked.length) {
    const some = ranked.slice(seen, seen + count - matches.length);
    const opened = await reader.open(some.map((r) => r.row));
    const verdicts = exact ? await recheck(opened) : undefined;
    opened.forEach((resource, i) => {
      if (!verdicts || verdicts[i]) matches.push(resource);
    });
    seen += some.length;
  }
  const more = seen > 0 && (seen < ranked.length || best.dropped);
  return { matches, next: more ? { phase: 0, keys: ranked[seen - 1]!.keys, moment } : undefined, total };
}

/** The first of what is added, behind a place, each row once. */
class Best {
  readonly #kept = new Map<string, Ranked>();
  /** Since the last cut none that comes behind it can be among the first. */
  #last: Ranked | undefined;
  /** Something that came behind was let go. */
  dropped = false;

  constructor(
    private readonly compare: (a: Pick<Ranked, 'keys'>, b: Pick<Ranked, 'keys'>) => number,
    private readonly size: number,
    private readonly after: readonly Key[] | undefined,
  ) {}

  add(ranked: Ranked): void {
    const name = `${ranked.row.rtype} ${ranked.row.rid}`;
    // A row that was written while it was read comes again, with the place it keeps.
    this.#kept.delete(name);
    if (this.after && this.compare(ranked, { keys: this.after }) <= 0) return;
    if (this.#last && this.compare(ranked, this.#last) > 0) {
      this.dropped = true;
      return;
    }
    this.#kept.set(name, ranked);
  }

  cut(): void {
    if (this.#kept.size <= this.size) return;
    const first = this.sorted().slice(0, this.size);
    this.#kept.clear();
    for (const ranked of first) this.add(ranked);
    this.#last = first.at(-1);
    this.dropped = true;
  }

  sorted(): Ranked[] {
    return [...this.#kept.values()].sort(this.compare);
  }
}

/** Batches of all rows found, in the order of their segments within each list; the next is read ahead. */
async function* batchesOf<T>(
  reader: Reader,
  find: Find,
  read: (rows: readonly RowKey[]) => Promise<T>,
): AsyncGenerator<T> {
  const begin = (rows: readonly RowKey[]) => {
    const batch = read(rows);
    // Waited for in the next round; where that is never reached its failure is nobody's.
    batch.catch(() => undefined);
    return batch;
  };
  for await (const listed of streamRows(reader, find, LISTED)) {
    const rows = listed
      .map((r) => r.row)
      .sort((a, b) => a.part - b.part || (a.sid < b.sid ? -1 : a.sid > b.sid ? 1 : a.slot - b.slot));
    let ahead = begin(rows.slice(0, BATCH));
    for (let i = 0; i < rows.length; i += BATCH) {
      reader.checkTime();
      const batch = await ahead;
      ahead = begin(rows.slice(i + BATCH, i + 2 * BATCH));
      yield batch;
    }
  }
}

/** Gives rows their keys. */
class Ranking {
  /** Where the text of a key stands in the lines of a type; -1 where it does not. */
  readonly #fields: readonly Map<number, number>[];

  constructor(
    private readonly reader: Reader,
    private readonly sort: readonly BodyKey[],
    private readonly registry: ParameterRegistry,
    private readonly exact: boolean,
    private readonly recheck: Recheck,
  ) {
    this.#fields = sort.map(() => new Map());
  }

  #field(key: number, rtype: number): number {
    const fields = this.#fields[key]!;
    let field = fields.get(rtype);
    if (field === undefined) {
      const parameter = this.registry.find(typeName(rtype), this.sort[key]!.code);
      field = parameter ? sortFieldOf(parameter) : -1;
      fields.set(rtype, field);
    }
    return field;
  }

  /** The rows with their keys; undefined for those that do not match. */
  async of(rows: readonly RowKey[]): Promise<(Ranked | undefined)[]> {
    if (rows.length === 0) return [];
    if (!this.exact) return this.#opened(rows, true);
    const beside = rows.map((row) => this.sort.every((key, i) => key.sql || this.#field(i, row.rtype) >= 0));
    if (!beside.some(Boolean)) return this.#opened(rows, false);
    const [lines, numbers] = await Promise.all([this.reader.sortLines(rows), this.#numbers(rows)]);
    const ranked = rows.map((row, i) => (beside[i] ? this.#ranked(row, lines[i], numbers, i) : undefined));
    const rest = rows.filter((_, i) => !ranked[i]);
    const others = (await this.#opened(rest, false))[Symbol.iterator]();
    return ranked.map((one) => one ?? others.next().value);
  }

  #ranked(
    row: RowKey,
    line: string | undefined,
    numbers: ReadonlyMap<number, readonly (number | undefined)[]>,
    at: number,
  ): Ranked | undefined {
    if (line === undefined) return undefined;
    let number = 0;
    const keys = this.sort.map((key, i): Key => {
      if (key.sql) return numbers.get(at)?.[number++] ?? MISSING;
      return textAt(line, this.#field(i, row.rtype), key.descending) ?? MISSING;
    });
    return { row, keys: [...keys, ...rowKeys(row)] };
  }

  /** Dates and quantities of the rows, from the index. */
  async #numbers(rows: readonly RowKey[]): Promise<ReadonlyMap<number, readonly (number | undefined)[]>> {
    const keys = this.sort.flatMap((key) => (key.sql ? [key.sql] : []));
    if (keys.length === 0) return new Map();
    const found = await this.reader.query(keysStatement(rows, keys));
    return new Map(found.map((row) => [Number(row.i), keys.map((key, k) => keyOf(key, row[`k${k}`]))]));
  }

  async #opened(rows: readonly RowKey[], look: boolean): Promise<(Ranked | undefined)[]> {
    const resources = await this.reader.open(rows);
    const verdicts = look ? await this.recheck(resources) : undefined;
    return rows.map((row, i) =>
      verdicts && !verdicts[i] ? undefined : { row, keys: this.keysOf(row, resources[i]!) },
    );
  }

  keysOf(row: RowKey, resource: StoredResource): Key[] {
    return [...this.sort.map((key) => sortValue(resource, key, this.registry)), ...rowKeys(row)];
  }
}

/** The row's own number as text that sorts: shifted to be positive, padded. */
const rowKeys = ({ rtype, rid }: RowKey): Key[] => [rtype, (rid + 2n ** 63n).toString().padStart(20, '0')];

function compareKeys(a: readonly Key[], b: readonly Key[], descending: readonly boolean[]): number {
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    if (x === y) continue;
    if (x === MISSING) return 1;
    if (y === MISSING) return -1;
    const less = typeof x === 'number' && typeof y === 'number' ? x < y : String(x) < String(y);
    return less !== (descending[i] ?? false) ? -1 : 1;
  }
  return 0;
}

/** The value that comes first in the direction asked, of all the parameter has in the resource. */
function sortValue(resource: StoredResource, sort: BodyKey, registry: ParameterRegistry): Key {
  if (sort.code === '_id') return resource.id;
  if (sort.code === '_lastUpdated') return Date.parse(resource.meta.lastUpdated);
  const parameter = registry.find(resource.resourceType, sort.code);
  if (!parameter) return MISSING;
  if (parameter.type !== 'date' && parameter.type !== 'number' && parameter.type !== 'quantity')
    return sortText(parameter, resource, sort.descending) ?? MISSING;
  let best: number | undefined;
  for (const value of valuesOf(parameter, resource)) {
    const key = parameter.type === 'date' ? dateKey(value, sort.descending) : comparableNumber(value);
    if (key === undefined) continue;
    if (best === undefined || key < best !== sort.descending) best = key;
  }
  return best ?? MISSING;
}

/** As the index has it: where what the date says begins. */
function dateKey(value: unknown, descending: boolean): number | undefined {
  const begins = rangesOf(value).map((r) => r.lo);
  if (begins.length === 0) return undefined;
  return begins.reduce((x, y) => (descending ? Math.max(x, y) : Math.min(x, y)));
}
