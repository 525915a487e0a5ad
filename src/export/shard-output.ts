import { createHash, type Hash } from 'node:crypto';
import type { BlobStore, BlobWriter } from './blob-store.js';
import { type CsvOptions, TABLE_FORMATS, type TableFormat } from './table.js';
import type { BatchEncoder, TableSource } from './table-batch.js';
import { TableFile } from './table-file.js';

/** Lines gathered per type before they are written. */
const LINE_BUFFER_UNITS = 256 * 1024;
/** What all tables of one shard may hold unwritten, in bytes; the biggest is written first. */
const HELD_BYTES = 96 * 1024 * 1024;

/** One finished file of an export. */
export interface ExportedFile {
  /** Type of the resources, or name of the view. */
  readonly type: string;
  /** Name within the folder or bucket. */
  readonly file: string;
  /** Lines or rows. */
  readonly count: number;
  readonly bytes: number;
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
}

export interface OutputOptions {
  readonly format: TableFormat;
  /** Name of a type's or view's file, without its ending. */
  readonly stem: (type: string) => string;
  readonly csv?: CsvOptions | undefined;
  /** Who makes the tables. */
  readonly encoder: BatchEncoder;
}

interface Output {
  readonly type: string;
  readonly file: string;
  readonly blob: BlobWriter;
}

/** The files of one shard: resources as lines of JSON, one for each type, or tables made of them. */
export class ShardOutput {
  private readonly lines = new Map<string, LineFile>();
  private readonly tables = new Map<string, { readonly output: Output; readonly table: TableFile }>();

  constructor(
    private readonly store: BlobStore,
    private readonly options: OutputOptions,
  ) {}

  /** Adds a resource as it stands in `text`. NDJSON alone. What is returned, if anything, is to be awaited. */
  line(type: string, text: string): Promise<void> | undefined {
    const file = this.lines.get(type);
    if (!file) return this.firstLine(type, text);
    return file.add(text) ? file.flush() : undefined;
  }

  private async firstLine(type: string, text: string): Promise<void> {
    const file = new LineFile(await this.open(type));
    this.lines.set(type, file);
    if (file.add(text)) await file.flush();
  }

  /** Begins a table, which is written though nothing should come. */
  async table(name: string, source: TableSource): Promise<TableFile> {
    const found = this.tables.get(name);
    if (found) return found.table;
    const output = await this.open(name);
    const { format, csv, encoder } = this.options;
    const table = new TableFile({ source, format, csv }, output.blob, encoder);
    this.tables.set(name, { output, table });
    return table;
  }

  /** Adds a resource, as JSON, to a table. What is returned, if anything, is to be awaited. */
  row(name: string, source: TableSource, text: string): Promise<void> | undefined {
    const table = this.tables.get(name)?.table;
    if (!table) return this.firstRow(name, source, text);
    return table.add(text) ? table.flush() : undefined;
  }

  private async firstRow(name: string, source: TableSource, text: string): Promise<void> {
    const table = await this.table(name, source);
    if (table.add(text)) await table.flush();
  }

  /** Between resources: writes the biggest table where all hold too much. */
  async relieve(): Promise<void> {
    let held = 0;
    let biggest: TableFile | undefined;
    for (const { table } of this.tables.values()) {
      held += table.held;
      if (!biggest || table.held > biggest.held) biggest = table;
    }
    if (held > HELD_BYTES) await biggest!.flush();
  }

  /** Names every file. @returns them, by name */
  async finish(): Promise<ExportedFile[]> {
    const files: ExportedFile[] = [];
    for (const file of this.lines.values()) files.push(await file.finish());
    // Handed over first, so that the last batches are made side by side.
    for (const { table } of this.tables.values()) await table.flush();
    for (const { output, table } of this.tables.values()) {
      const { rows, bytes, sha256 } = await table.close();
      await output.blob.finish();
      files.push({ type: output.type, file: output.file, count: rows, bytes, sha256 });
    }
    return files.sort((a, b) => (a.file < b.file ? -1 : 1));
  }

  async abandon(): Promise<void> {
    for (const { output } of [...this.lines.values(), ...this.tables.values()]) await output.blob.abandon();
  }

  private async open(type: string): Promise<Output> {
    const file = `${this.options.stem(type)}.${TABLE_FORMATS[this.options.format].extension}`;
    return { type, file, blob: await this.store.create(file) };
  }
}

class LineFile {
  private buffered: string[] = [];
  private units = 0;
  private count = 0;
  private bytes = 0;
  private readonly hash: Hash = createHash('sha256');

  constructor(readonly output: Output) {}

  add(text: string): boolean {
    this.buffered.push(text);
    this.units += text.length;
    this.count++;
    return this.units >= LINE_BUFFER_UNITS;
  }

  async flush(): Promise<void> {
    if (this.buffered.length === 0) return;
    const chunk = Buffer.from(`${this.buffered.join('\n')}\n`, 'utf8');
    this.buffered = [];
    this.units = 0;
    this.hash.update(chunk);
    this.bytes += chunk.length;
    await this.output.blob.write(chunk);
  }

  async finish(): Promise<ExportedFile> {
    await this.flush();
    await this.output.blob.finish();
    const { type, file } = this.output;
    return { type, file, count: this.count, bytes: this.bytes, sha256: this.hash.digest('hex') };
  }
}
