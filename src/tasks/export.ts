import type pg from 'pg';
import type { KnownIdentity } from '../../nlp/model.js';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { parseJson, stringifyJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { type BlobStore, folderStore } from '../export/blob-store.js';
import { type BulkScope, scopeStatements } from '../export/bulk-rows.js';
import { deidentificationReport } from '../export/deidentify/report.js';
import { flatTable } from '../export/flat.js';
import { type Lifetime, Quality, type QualityTable } from '../export/quality/quality.js';
import { viewQualityTable } from '../export/quality/view-table.js';
import { ShardOutput } from '../export/shard-output.js';
import { MAX_PART, readShard, type Shard } from '../export/shard-reader.js';
import {
  type ExportManifest,
  type ExportState,
  resumable,
  type ShardDone,
  saveManifest,
  saveState,
} from '../export/state.js';
import { type CsvOptions, TABLE_FORMATS, type TableFormat } from '../export/table.js';
import type { BatchEncoder } from '../export/table-batch.js';
import { isResourceType, RESOURCE_TYPES } from '../fhir/resource-types.js';
import { compileView } from '../fhir/views/view.js';
import { resourceText } from '../store/content.js';
import type { Store } from '../store/contract.js';
import { atSnapshot, resourceOfMember } from '../store/snapshot.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type DeidentifyChoice, deidentifier, type Identities, identityOf } from './deidentify.js';
import { brokenReferences, lifetimeOf, saveQuality } from './export-quality.js';
import { createTablePool } from './table-pool.js';

export type { ExportManifest } from '../export/state.js';

export interface ExportRequest {
  /** A local folder; or any place. */
  readonly directory?: string;
  readonly target?: BlobStore;
  /** NDJSON where not said. */
  readonly format?: TableFormat;
  /** Only these types. Not together with `views`. */
  readonly types?: readonly string[];
  /** Tables by these ViewDefinitions instead of resources; each its file, named so. */
  readonly views?: readonly { readonly name: string; readonly definition: Resource }[];
  /** Only these patients' records and what they refer to, a batch of ids at a time; everything where not given. */
  readonly patients?: AsyncIterable<readonly string[]>;
  /** ms since the epoch. */
  readonly sinceMs?: number;
  /** Give everything as it was at this past instant, ms; as of now where not given. Not together with `patients`. */
  readonly asOfMs?: number;
  /** The request in words, for the manifest; no identifiers. */
  readonly request: string;
  /** Write this many folders `bucket=0000…`, each with all records of its patients. */
  readonly buckets?: number;
  readonly csv?: CsvOptions;
  /** Take out what says who (see `Deidentifier`), and say so in `deidentification.json`. */
  readonly deidentify?: DeidentifyChoice;
  /** Write `quality.json` and `quality.html` beside; `target` is a column, `Type.column`, that others are held against. */
  readonly report?: { readonly target?: string };
  /** Resources that are read, written and resumed as one. */
  readonly resourcesPerShard?: number;
  /**
   * Writes down that the export is made, before anything is written of it; the export is refused where that fails. The
   * one place for whoever keeps a log. Ids of chosen patients; undefined for everybody's records.
   */
  readonly record?: (patients: readonly string[] | undefined) => Promise<void>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (resources: number) => void;
}

/** Small enough to be done again after an interruption, big enough for row groups that readers like. */
export const RESOURCES_PER_SHARD = 250_000;
/**
 * Shards read at once, each on a connection of its own. Of tables one: what takes their time is the encoding, and a second
 * one would hold as much again.
 */
const SHARDS_AT_ONCE = { ndjson: 2, csv: 1, parquet: 1 } as const;
/** Patients of one cohort's export. */
const MAX_PATIENTS = 2_000_000;
const MAX_BUCKETS = 1024;
const DEIDENTIFICATION = 'deidentification.json';
/** Parts are counted in strips of this many to cut shards of like size. */
const PARTS_PER_STRIP = 16;
const STATEMENT_TIMEOUT = 'set statement_timeout = 0; set idle_in_transaction_session_timeout = 0';

/**
 * Writes a tenant's resources, or those of some patients, to files. Everything is given as it was at one instant, so
 * that the shards agree with each other whenever each is read; what an interruption left is gone on with where the same
 * is asked again, to the same content.
 */
export async function runExport(
  deps: { store: Store; clock: Clock },
  tenant: Tenant,
  request: ExportRequest,
): Promise<ExportManifest> {
  const target = request.target ?? folderStore(request.directory!);
  const format = request.format ?? 'ndjson';
  const views = (request.views ?? []).map(chosenView);
  const types = request.views ? [...new Set(views.map((v) => v.resource))] : request.types;
  if (request.buckets !== undefined && !(request.buckets >= 1 && request.buckets <= MAX_BUCKETS))
    throw new Fault('invalid', `There are 1 to ${MAX_BUCKETS} buckets.`, { at: '--buckets' });
  const [targetType = '', targetColumn = ''] = request.report?.target?.split('.') ?? [];
  const ofView = views.find((v) => v.name === targetType)?.quality.columns;
  if (request.report?.target && !isColumn(targetType, targetColumn, ofView)) {
    throw new Fault('invalid', 'There is no such column.', {
      at: '--target',
      remedy: 'Name one of a type\u2019s flat table or of a view, such as Patient.deceased_boolean.',
    });
  }
  if (request.asOfMs !== undefined && request.patients)
    throw new Fault('invalid', 'Chosen patients are exported as of now.', { at: '--as-of' });
  const patients = request.patients && (await collect(request.patients));
  const question = {
    tenant: tenant.record.id,
    format,
    request: request.request,
    digest: String(
      tenant.keys.digest(
        JSON.stringify([
          types,
          patients,
          request.sinceMs,
          request.buckets,
          request.csv,
          request.deidentify,
          request.asOfMs,
          request.views,
        ]),
      ),
    ),
  };
  const found = await resumable(target, question);
  await request.record?.(patients);
  const choice = patients && new Chosen(tenant, deps.clock, patients, types);
  const pool = createTablePool();
  try {
    await choice?.fill();
    const state: ExportState = found ?? {
      question,
      asOfMs: request.asOfMs ?? (await atSnapshot(tenant, deps.clock, async ({ complete }) => complete)),
      shards: await shardsOf(tenant, request, choice),
      done: {},
    };
    if (!found) await saveState(target, state);
    const quality = request.report ? new Quality(state.asOfMs, request.report.target) : undefined;
    const run = new Export(
      tenant,
      { ...request, types },
      views,
      format,
      target,
      state,
      choice,
      quality,
      pool,
    );
    await run.all();
    const done = Object.values(state.done);
    const beside: string[] = [];
    if (request.deidentify) {
      const { dates = 'shift', notes } = request.deidentify;
      const report = deidentificationReport(done, dates, notes === 'scrub');
      await target.put(DEIDENTIFICATION, Buffer.from(`${JSON.stringify(report, null, 2)}\n`));
      beside.push(DEIDENTIFICATION);
    }
    if (quality) {
      const db = choice?.client ?? tenant.pool;
      const query = async (text: string, values: unknown[]) => (await db.query(text, values)).rows;
      const broken = await brokenReferences(query, types, choice?.table);
      beside.push(...(await saveQuality(target, quality, broken)));
    }
    const output = done.flatMap(({ files }) => files).sort((a, b) => (a.file < b.file ? -1 : 1));
    const counts: Record<string, number> = {};
    for (const { type, count } of output) counts[type] = (counts[type] ?? 0) + count;
    const manifest: ExportManifest = {
      transactionTime: new Date(state.asOfMs).toISOString(),
      request: request.request,
      format:
        format === 'ndjson' && !request.views ? 'application/fhir+ndjson' : TABLE_FORMATS[format].mediaType,
      output,
      counts,
      total: output.reduce((sum, f) => sum + f.count, 0),
      beside,
    };
    await saveManifest(target, manifest);
    return manifest;
  } finally {
    await pool.close();
    await choice?.close();
  }
}

interface ChosenView {
  readonly name: string;
  readonly resource: string;
  readonly definition: Resource;
  readonly quality: QualityTable;
}

/** @throws Fault `invalid` for what is no view */
function chosenView({ name, definition }: { name: string; definition: Resource }): ChosenView {
  const view = compileView(definition);
  return { name, resource: view.resource, definition, quality: viewQualityTable(name, view) };
}

function isColumn(type: string, column: string, ofView: QualityTable['columns'] | undefined): boolean {
  const columns = ofView ?? (isResourceType(type) ? flatTable(type).columns : []);
  return columns.some(({ name }) => name === column);
}

async function collect(batches: AsyncIterable<readonly string[]>): Promise<string[]> {
  const ids = new Set<string>();
  for await (const batch of batches) {
    for (const id of batch) ids.add(id);
    if (ids.size > MAX_PATIENTS)
      throw new Fault('too-large', `An export takes at most ${MAX_PATIENTS} patients.`, {
        remedy: 'Export everything, or smaller cohorts.',
      });
  }
  return [...ids].sort();
}

class Export {
  private written = 0;
  /** The state is written by one shard at a time. */
  private saved: Promise<void> = Promise.resolve();

  constructor(
    private readonly tenant: Tenant,
    private readonly request: ExportRequest,
    private readonly views: readonly ChosenView[],
    private readonly format: TableFormat,
    private readonly target: BlobStore,
    private readonly state: ExportState,
    private readonly choice: Chosen | undefined,
    private readonly quality: Quality | undefined,
    private readonly encoder: BatchEncoder,
  ) {}

  async all(): Promise<void> {
    const { shards, done } = this.state;
    for (const { files } of Object.values(done)) this.written += files.reduce((sum, f) => sum + f.count, 0);
    const waiting = shards
      .map((shard, number) => ({ shard, number }))
      .filter(({ number }) => !done[number] || this.quality);
    let failed: unknown;
    const work = async () => {
      for (let next = waiting.shift(); next && failed === undefined; next = waiting.shift()) {
        try {
          await this.shard(next.shard, next.number);
        } catch (error) {
          failed ??= error;
        }
      }
    };
    // The rows of chosen patients stand in a table that one connection alone sees.
    await Promise.all(Array.from({ length: this.choice ? 1 : SHARDS_AT_ONCE[this.format] }, work));
    if (failed !== undefined) throw failed;
  }

  private async shard(shard: Shard, number: number): Promise<void> {
    const before = this.state.done[number];
    const done = this.choice
      ? await this.write(this.choice.client, shard, number, before)
      : await onConnection(this.tenant, (client) => this.write(client, shard, number, before));
    if (before) return;
    this.state.done[number] = done;
    this.saved = this.saved.then(() => saveState(this.target, this.state));
    await this.saved;
  }

  /**
   * Who the patients of a shard are, before their records are read: all of them, also where others' types are asked for.
   * They stand in the same parts as their records.
   */
  private async people(client: pg.PoolClient, shard: Shard): Promise<People> {
    const { request, tenant, state } = this;
    const people = { identities: new Map<string, KnownIdentity>(), lifetimes: new Map<string, Lifetime>() };
    const named = request.deidentify?.notes === 'scrub';
    if (!named && !this.quality) return people;
    // One of its own: what it removes is counted where the records themselves are written.
    const strip = request.deidentify && deidentifier(tenant, request.deidentify, state.asOfMs, new Map());
    const choice = { asOfMs: state.asOfMs, types: ['Patient'] };
    for await (const members of readShard(tenant, client, shard, choice))
      for (const member of members) {
        const patient = resourceOfMember(member);
        if (named) people.identities.set(patient.id, identityOf(patient));
        const given = strip ? strip.resource(patient) : patient;
        if (given) people.lifetimes.set(given.id, lifetimeOf(given));
      }
    return people;
  }

  /** Writes a shard; one that was written before the export was interrupted is only looked at for the report. */
  private async write(
    client: pg.PoolClient,
    shard: Shard,
    number: number,
    before?: ShardDone,
  ): Promise<ShardDone> {
    const { request, state, format, quality } = this;
    const output = new ShardOutput(this.target, {
      format,
      csv: request.csv,
      encoder: this.encoder,
      stem: stemOf(request.buckets, number, state.shards.length),
    });
    const plain = format === 'ndjson' && this.views.length === 0;
    const { types, sinceMs } = request;
    const choice = { asOfMs: state.asOfMs, types, sinceMs, chosen: this.choice?.table };
    const { identities, lifetimes } = await this.people(client, shard);
    const strip =
      request.deidentify && deidentifier(this.tenant, request.deidentify, state.asOfMs, identities);
    try {
      // A view that nothing comes of is an empty table.
      if (!before)
        for (const { name, definition } of this.views) await output.table(name, { kind: 'view', definition });
      for await (const members of readShard(this.tenant, client, shard, choice)) {
        request.signal?.throwIfAborted();
        for (const member of members) {
          const text = resourceText(member, member.content);
          if (!strip && !quality) {
            const due = this.put(output, member.type, text, plain);
            if (due) await due;
            continue;
          }
          const stored = parseJson(text) as StoredResource;
          const given = strip ? strip.resource(stored) : stored;
          if (given === undefined) continue;
          if (quality) this.look(quality, given, lifetimes);
          if (!before) await this.put(output, member.type, strip ? stringifyJson(given) : text, plain);
        }
        if (before) continue;
        await output.relieve();
        this.written += members.length;
        request.onProgress?.(this.written);
      }
      if (before) return before;
      const files = await output.finish();
      return { files, ...(strip ? { removed: strip.removed, leftOut: strip.leftOut } : {}) };
    } catch (error) {
      await output.abandon();
      throw error;
    }
  }

  private put(output: ShardOutput, type: string, text: string, plain: boolean): Promise<unknown> | undefined {
    if (plain) return output.line(type, text);
    if (this.views.length === 0) return output.row(type, { kind: 'flat', type }, text);
    const due: Promise<void>[] = [];
    for (const { name, resource, definition } of this.views) {
      if (resource !== type) continue;
      const one = output.row(name, { kind: 'view', definition }, text);
      if (one) due.push(one);
    }
    return due.length > 0 ? Promise.all(due) : undefined;
  }

  private look(quality: Quality, given: StoredResource, lifetimes: ReadonlyMap<string, Lifetime>): void {
    if (this.views.length === 0) quality.add(given, lifetimes);
    for (const view of this.views)
      if (view.resource === given.resourceType) quality.add(given, lifetimes, view.quality);
  }
}

/** What is known of a shard's patients: who they are by their ids here, when they lived by the ids that are given. */
interface People {
  readonly identities: Identities;
  readonly lifetimes: ReadonlyMap<string, Lifetime>;
}

/** `Observation`, `Observation.3` of several shards, `bucket=0003/Observation` of buckets. */
function stemOf(buckets: number | undefined, number: number, shards: number): (type: string) => string {
  if (buckets !== undefined) return (type) => `bucket=${String(number).padStart(4, '0')}/${type}`;
  return (type) => (shards === 1 ? type : `${type}.${number + 1}`);
}

async function onConnection<T>(tenant: Tenant, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await tenant.pool.connect();
  let broken = true;
  try {
    await client.query(STATEMENT_TIMEOUT);
    const result = await work(client);
    await client.query('reset statement_timeout; reset idle_in_transaction_session_timeout');
    broken = false;
    return result;
  } finally {
    // A connection left in the middle of an answer is of no more use.
    client.release(broken);
  }
}

/** Ranges of parts with about as many resources each; equal ranges where buckets are asked for. */
async function shardsOf(
  tenant: Tenant,
  request: ExportRequest,
  choice: Chosen | undefined,
): Promise<Shard[]> {
  const { buckets } = request;
  if (buckets !== undefined) {
    const bound = (i: number) => Math.floor((i * (MAX_PART + 1)) / buckets);
    return Array.from({ length: buckets }, (_, i) => ({ from: bound(i), to: bound(i + 1) - 1 }));
  }
  const perShard = request.resourcesPerShard ?? RESOURCES_PER_SHARD;
  const { rows } = await (choice?.client ?? tenant.pool).query<{ strip: number; n: number }>(
    `select part / ${PARTS_PER_STRIP} as strip, count(*)::int as n from ${choice?.table ?? 'resource'} group by 1 order by 1`,
  );
  const shards: Shard[] = [];
  let from = 0;
  let held = 0;
  for (const { strip, n } of rows) {
    if (held > 0 && held + n > perShard) {
      const to = strip * PARTS_PER_STRIP - 1;
      shards.push({ from, to });
      from = to + 1;
      held = 0;
    }
    held += n;
  }
  shards.push({ from, to: MAX_PART });
  return shards;
}

/** The rows of chosen patients, in a table of one connection: found once, however many shards are read. */
class Chosen {
  readonly table = 'chosen_for_export';
  client!: pg.PoolClient;

  constructor(
    private readonly tenant: Tenant,
    private readonly clock: Clock,
    private readonly patients: readonly string[],
    private readonly types: readonly string[] | undefined,
  ) {}

  async fill(): Promise<void> {
    const { tenant, table, clock } = this;
    this.client = await tenant.pool.connect();
    const pkeys = this.patients.map((id) => tenant.keys.rid('Patient', id));
    const scope: BulkScope = { kind: 'patients', pkeys };
    const context = { blind: tenant.keys.blind, base: '', now: clock.now() };
    await this.client.query(
      `${STATEMENT_TIMEOUT}; create temp table ${table} (part int not null, rtype smallint not null, rid bigint not null)`,
    );
    for (const { text, values } of scopeStatements(scope, { types: this.types ?? RESOURCE_TYPES }, context)) {
      await this.client.query(
        `insert into ${table} select c.part, c.rtype, c.rid from (${text}) c`,
        values as unknown[],
      );
    }
    await this.client.query(`create index on ${table} (rtype, rid); analyze ${table}`);
  }

  async close(): Promise<void> {
    // Its table goes with it.
    this.client?.release(true);
  }
}
