import { createHash } from 'node:crypto';
import { csvHeader } from './csv.js';
import { ParquetFile } from './parquet/file.js';
import type { ByteSink, TableTotals } from './table.js';
import { type BatchEncoder, columnsOf, type EncodedBatch, type TableSpec } from './table-batch.js';
import { jsonArray } from './view-table.js';

/** A batch is handed over at this much text, or at so many resources. */
const BATCH_BYTES = 40 * 1024 * 1024;
const BATCH_RESOURCES = 65_536;
const FIRST_BATCH_BYTES = 16 * 1024;

/** A table that grows by resources, written to a sink in order while later batches are made. */
export class TableFile {
  private batch = Buffer.allocUnsafeSlow(FIRST_BATCH_BYTES);
  private length = 0;
  private resources = 0;
  private readonly parquet: ParquetFile | undefined;
  private readonly array: ReturnType<typeof jsonArray> | undefined;
  private readonly hash = createHash('sha256');
  private bytes = 0;
  private rows = 0;
  /** The batches in their order; never fails, as `failed` tells. */
  private writing: Promise<void>;
  private failed: { readonly error: unknown } | undefined;

  /** @throws Fault `invalid` for a definition that is no view */
  constructor(
    private readonly spec: TableSpec,
    private readonly sink: ByteSink,
    private readonly encoder: BatchEncoder,
    private readonly onRows?: (added: number) => void,
  ) {
    const { format, csv } = spec;
    const columns = columnsOf(spec);
    this.parquet = format === 'parquet' ? new ParquetFile(columns) : undefined;
    this.array = format === 'json' ? jsonArray({ write: (chunk) => this.emit(chunk) }) : undefined;
    const start =
      this.parquet?.start() ?? (format === 'csv' && !csv?.noHeader ? csvHeader(columns) : undefined);
    this.writing = start ? this.attempt(() => this.emit(start)) : Promise.resolve();
  }

  /** Bytes of resources held, that no batch was made of yet. */
  get held(): number {
    return this.length;
  }

  /** Adds a resource by its JSON text. @returns whether `flush` is due */
  add(text: string): boolean {
    // One unit of UTF-16 is at most three bytes of UTF-8.
    const room = 4 + text.length * 3;
    if (this.length + room > this.batch.length) {
      const bigger = Buffer.allocUnsafeSlow(Math.max(this.length + room, this.batch.length * 2));
      this.batch.copy(bigger, 0, 0, this.length);
      this.batch = bigger;
    }
    const written = this.batch.write(text, this.length + 4);
    this.batch.writeUInt32LE(written, this.length);
    this.length += 4 + written;
    this.resources++;
    return this.length >= BATCH_BYTES || this.resources >= BATCH_RESOURCES;
  }

  /** Hands over what is held, and waits while enough is on its way. */
  async flush(): Promise<void> {
    if (this.resources > 0) {
      const batch = new Uint8Array(this.batch.buffer as ArrayBuffer, 0, this.length);
      this.batch = Buffer.allocUnsafeSlow(FIRST_BATCH_BYTES);
      this.length = 0;
      this.resources = 0;
      const { accepted, made } = this.encoder.encode(this.spec, batch);
      const before = this.writing;
      this.writing = this.attempt(async () => {
        const [encoded] = await Promise.all([made, before]);
        if (!this.failed) await this.put(encoded);
      });
      await accepted;
    }
    if (this.failed) throw this.failed.error;
  }

  /** Writes all that is left. The table is whole only after this. */
  async close(): Promise<TableTotals> {
    await this.flush();
    await this.writing;
    if (this.failed) throw this.failed.error;
    if (this.parquet) await this.emit(this.parquet.end());
    await this.array?.end();
    return { rows: this.rows, bytes: this.bytes, sha256: this.hash.digest('hex') };
  }

  private async put({ rows, bytes, groups }: EncodedBatch): Promise<void> {
    this.rows += rows;
    for (const group of groups ?? []) await this.emit(this.parquet!.add(group));
    if (bytes && bytes.length > 0)
      await (this.array ?? { write: (b: Uint8Array) => this.emit(b) }).write(bytes);
    this.onRows?.(rows);
  }

  private async emit(chunk: Uint8Array): Promise<void> {
    this.hash.update(chunk);
    this.bytes += chunk.length;
    await this.sink.write(chunk);
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.failed ??= { error };
    }
  }
}
