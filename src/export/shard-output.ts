import { createHash, type Hash } from 'node:crypto';
import type { StoredResource } from '../core/resource.js';
import type { BlobStore, BlobWriter } from './blob-store.js';
import { type FlatTable, flatTable } from './flat.js';
import {
  type CsvOptions,
  createTableWriter,
  TABLE_FORMATS,
  type TableFormat,
  type TableWriter,
} from './table.js';

/** Lines gathered per type before they are written. */
const LINE_BUFFER_UNITS = 256 * 1024;
/** Rows that all tables of one shard may hold unwritten, in bytes; the biggest is written first. */
const HELD_BYTES = 96 * 1024 * 1024;
/** Rows handed to a table at once. */
const ROWS_PER_WRITE = 500;

/** One finished file of an export. */
export interface ExportedFile {
  readonly type: string;
  /** Name within the folder or bucket. */
  readonly file: string;
  readonly count: number;
  readonly bytes: number;
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
}

export interface OutputOptions {
  readonly format: TableFormat;
  /** Name of a type's file, without its ending. */
  readonly stem: (type: string) => string;
  readonly csv?: CsvOptions | undefined;
}

interface Output {
  readonly type: string;
  readonly file: string;
  readonly blob: BlobWriter;
}

/** The files of one shard, one for each type: resources as lines of JSON, or rows of a flat table. */
export class ShardOutput {
  private readonly lines = new Map<string, LineFile>();
  private readonly tables = new Map<string, RowFile>();

  constructor(
    private readonly store: BlobStore,
    private readonly options: OutputOptions,
  ) {}

  /** Adds a resource as it stands in `text`. NDJSON alone. */
  async line(type: string, text: string): Promise<void> {
    let file = this.lines.get(type);
    if (!file) {
      file = new LineFile(await this.open(type));
      this.lines.set(type, file);
    }
    if (file.add(text)) await file.flush();
  }

  /** Adds a resource as a row of its type's table. */
  async row(resource: StoredResource, text?: string): Promise<void> {
    const type = resource.resourceType;
    let file = this.tables.get(type);
    if (!file) {
      file = new RowFile(await this.open(type), this.options);
      this.tables.set(type, file);
    }
    if (await file.add(resource, text)) await this.relieve();
  }

  /** Names every file. @returns them, by name */
  async finish(): Promise<ExportedFile[]> {
    const files: ExportedFile[] = [];
    for (const file of [...this.lines.values(), ...this.tables.values()]) files.push(await file.finish());
    return files.sort((a, b) => (a.file < b.file ? -1 : 1));
  }

  async abandon(): Promise<void> {
    for (const { output } of [...this.lines.values(), ...this.tables.values()]) await output.blob.abandon();
  }

  private async open(type: string): Promise<Output> {
    const file = `${this.options.stem(type)}.${TABLE_FORMATS[this.options.format].extension}`;
    return { type, file, blob: await this.store.create(file) };
  }

  private async relieve(): Promise<void> {
    let held = 0;
    let biggest: RowFile | undefined;
    for (const file of this.tables.values()) {
      held += file.writer.held;
      if (!biggest || file.writer.held > biggest.writer.held) biggest = file;
    }
    if (held > HELD_BYTES) await biggest!.writer.flush();
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

class RowFile {
  readonly writer: TableWriter;
  private readonly table: FlatTable;
  private rows: unknown[][] = [];

  constructor(
    readonly output: Output,
    { format, csv }: OutputOptions,
  ) {
    this.table = flatTable(output.type);
    this.writer = createTableWriter({
      format,
      columns: this.table.columns,
      sink: output.blob,
      ...(csv ? { csv } : {}),
    });
  }

  async add(resource: StoredResource, text: string | undefined): Promise<boolean> {
    this.rows.push(this.table.row(resource, text));
    if (this.rows.length < ROWS_PER_WRITE) return false;
    await this.writer.write(this.rows);
    this.rows = [];
    return true;
  }

  async finish(): Promise<ExportedFile> {
    await this.writer.write(this.rows);
    const { rows, bytes, sha256 } = await this.writer.close();
    await this.output.blob.finish();
    return { type: this.output.type, file: this.output.file, count: rows, bytes, sha256 };
  }
}
