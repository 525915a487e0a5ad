import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cohorts } from '../cohort/cohort.js';
import type { Clock } from '../core/clock.js';
import { Fault, isFault } from '../core/fault.js';
import { stringifyJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';
import {
  type BulkScope,
  deletedStatement,
  patientStatement,
  provenanceOf,
  scopeStatements,
} from '../export/bulk-rows.js';
import type { Deidentifier } from '../export/deidentify/deidentify.js';
import { deidentificationReport } from '../export/deidentify/report.js';
import { qualityHtml } from '../export/quality/html.js';
import { type Lifetime, Quality } from '../export/quality/quality.js';
import { SealedFile, type SealedPlace } from '../export/sealed-file.js';
import { patientsOf } from '../fhir/compartment.js';
import { informationOutcome, operationOutcome } from '../fhir/outcome.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { HEARTBEAT_MS, type Job } from '../jobs/job.js';
import type { Jobs } from '../jobs/jobs.js';
import type { Search } from '../search/search.js';
import { shape } from '../search/shape.js';
import { visibilityOf } from '../search/visibility.js';
import { resourceText } from '../store/content.js';
import type { RowKey } from '../store/contract.js';
import { narrowedSnapshot } from '../store/guarded.js';
import type { SegmentMember } from '../store/segment.js';
import { atSnapshot, resourceOfMember, type Snapshot } from '../store/snapshot.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { BulkExportRequest, BulkExportResult, BulkFile, ViewsRequest } from './bulk-export-job.js';
import { deidentifier } from './deidentify.js';
import { brokenReferences, lifetimeOf } from './export-quality.js';
import { createTablePool } from './table-pool.js';
import { exportViews } from './view-export.js';

export interface BulkExportDeps {
  readonly clock: Clock;
  readonly jobs: Jobs;
  readonly search: Search;
  readonly cohorts: Cohorts;
  readonly baseOf: (tenant: Tenant) => string;
  /** Holds a folder for each tenant and in it one for each export. */
  readonly directory: string;
}

/** A type's resources are split into files of at most this many, so that readers can work side by side. */
const RESOURCES_PER_FILE = 1_000_000;
/** Deletions told in one Bundle of the file of deletions. */
const DELETIONS_PER_BUNDLE = 100;
/** Attempts at one export, those ended by a restart among them, before it is taken to bring its workers down. */
const MAX_ATTEMPTS = 10;
/** Patients whose births and deaths a report holds dates against. */
const MAX_LIFETIMES = 2_000_000;
/** Resources found by searches that decide what is in blocks: 64 bytes of memory each. */
const MAX_WANTED = 2_000_000;
/** Resources of a block whose Provenance is looked up at a time. */
const PROVENANCE_BATCH = 2_000;
/** Bodies that cannot be opened before an export is given up: it is then no record of anything. */
const MAX_DAMAGED = 1_000;

/** Where the files of an export stand: `<directory>/<tenant id>/<job id>`, a folder in it for each attempt. */
export function folderOf(directory: string, tenantId: string, jobId: string): string {
  return join(directory, tenantId, jobId);
}

export const placeOf = (jobId: string, epoch: number, name: string): SealedPlace => [jobId, epoch, name];

/**
 * Runs an export job that was claimed. It starts from nothing: what another attempt left is removed first, and as each
 * attempt has a folder of its own, one that lost its lease spoils nothing.
 */
export async function runBulkExport(
  deps: BulkExportDeps,
  tenant: Tenant,
  job: Job,
  signal?: AbortSignal,
): Promise<void> {
  const { jobs } = deps;
  if (job.leaseEpoch > MAX_ATTEMPTS) {
    await jobs.finish(tenant, job, 'failed', {}, undefined, 'internal: no attempt came to its end');
    return;
  }
  const home = folderOf(deps.directory, tenant.record.id, job.id);
  const folder = join(home, String(job.leaseEpoch));
  const run = new Run(deps, tenant, job, folder);
  const beat = setInterval(() => {
    jobs.beat(job, run.progress).catch((error) => {
      run.stopped ??= error;
    });
  }, HEARTBEAT_MS);
  const stop = () => {
    run.stopped ??= RELEASED;
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const request = await jobs.params<BulkExportRequest>(tenant, job.id);
    await mkdir(home, { recursive: true, mode: 0o700 });
    // Who lost the job meanwhile learns it here, and later attempts are none of its business.
    await jobs.beat(job, run.progress);
    for (const old of await readdir(home)) {
      if (Number(old) < job.leaseEpoch) await rm(join(home, old), { recursive: true, force: true });
    }
    await mkdir(folder, { mode: 0o700 });
    const result = await run.all(request);
    await jobs.finish(tenant, job, 'done', run.progress, result);
  } catch (error) {
    await run.abandon();
    if (run.stopped === RELEASED) {
      await jobs.release(job, {});
      return;
    }
    await rm(folder, { recursive: true, force: true });
    if (run.stopped !== undefined) throw run.stopped;
    const text = isFault(error) ? `${error.category}: ${error.message}` : 'internal';
    await jobs.finish(tenant, job, 'failed', run.progress, undefined, text).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(beat);
    signal?.removeEventListener('abort', stop);
  }
}

const outputOf = ({ byPatient }: BulkExportRequest) => (byPatient ? 'by-patient' : 'output');

const RELEASED = new Fault('unavailable', 'The worker stops; the export goes on with another.');

class Run {
  /** Why it must end. */
  stopped: unknown;
  progress: { resources: number } = { resources: 0 };
  private readonly open = new Map<string, SealedFile>();
  private readonly parts = new Map<string, number>();
  private readonly files: BulkFile[] = [];
  private readonly associated = new Set<bigint>();
  private readonly context: IndexContext;
  private damaged = 0;
  private strip: Deidentifier | undefined;
  private quality: Quality | undefined;
  private readonly lifetimes = new Map<string, Lifetime>();

  constructor(
    private readonly deps: BulkExportDeps,
    private readonly tenant: Tenant,
    private readonly job: Job,
    private readonly folder: string,
  ) {
    this.context = { blind: tenant.keys.blind, base: deps.baseOf(tenant), now: deps.clock.now() };
  }

  async all(request: BulkExportRequest): Promise<BulkExportResult> {
    for (const notice of request.notices)
      await this.add('error', informationOutcome(notice), 'OperationOutcome');
    const ids = await this.patients(request);
    const pkeys = ids && [...ids].map((id) => this.tenant.keys.rid('Patient', id));
    const scope: BulkScope = request.level === 'system' ? { kind: 'system' } : { kind: 'patients', pkeys };
    const complete = await atSnapshot(this.tenant, this.deps.clock, async (all) => {
      const snapshot = request.grants
        ? narrowedSnapshot(all, visibilityOf(request.grants, this.tenant.keys, this.context))
        : all;
      if (request.deidentify) this.strip = deidentifier(this.tenant, {}, this.deps.clock.now(), new Map());
      if (request.report) await this.startReport(snapshot, request, scope);
      if (request.views) await this.views(snapshot, request, request.views, ids);
      else if (request.byPatient) await this.blocks(snapshot, request, pkeys, ids);
      else await this.scan(snapshot, request, scope, ids);
      if (!request.views && !request.byPatient) await this.filtered(snapshot, request, ids);
      if (this.quality) await this.report(snapshot, request, this.quality);
      if (this.strip) {
        const told = deidentificationReport([this.strip], 'shift', false);
        await this.beside('deidentification', 'deidentification.json', JSON.stringify(told));
      }
      // Their ids would tell who.
      if (request.sinceMs !== undefined && !request.deidentify && !request.views)
        await this.deletions(snapshot, request, ids);
      return snapshot.complete;
    });
    for (const [key, file] of this.open) await this.finish(key, file);
    this.files.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { transactionTime: complete, epoch: this.job.leaseEpoch, files: this.files };
  }

  private async views(
    snapshot: Snapshot,
    request: BulkExportRequest,
    views: ViewsRequest,
    ids: ReadonlySet<string> | undefined,
  ): Promise<void> {
    const encoder = createTablePool();
    const files = await exportViews({
      keys: this.tenant.keys,
      folder: this.folder,
      placeOf: (name) => placeOf(this.job.id, this.job.leaseEpoch, name),
      snapshot,
      context: this.context,
      views,
      patients: ids && [...ids],
      sinceMs: request.sinceMs,
      encoder,
      strip: this.strip,
      quality: this.quality,
      lifetimes: this.lifetimes,
      check: () => this.check(),
      onRows: (added) => {
        this.progress = { resources: this.progress.resources + added };
      },
    }).finally(() => encoder.close());
    this.files.push(...files);
  }

  async abandon(): Promise<void> {
    for (const file of this.open.values()) await file.abandon();
    this.open.clear();
  }

  /** Whose compartments; undefined for everybody's. */
  private async patients(request: BulkExportRequest): Promise<Set<string> | undefined> {
    const named = request.patients && new Set(request.patients);
    if (request.group === undefined) return named;
    const members = new Set<string>();
    for await (const ids of this.deps.cohorts.members(this.tenant, request.group, this.context.base)) {
      this.check();
      for (const id of ids) if (!named || named.has(id)) members.add(id);
    }
    return members;
  }

  private async scan(
    snapshot: Snapshot,
    request: BulkExportRequest,
    scope: BulkScope,
    ids: ReadonlySet<string> | undefined,
  ): Promise<void> {
    const filtered = new Set(request.filters.map((f) => f.type));
    const types = request.types.filter(
      (type) => !filtered.has(type) && !(type === 'Provenance' && request.provenance),
    );
    const { sinceMs, untilMs } = request;
    for (const { text, values } of scopeStatements(scope, { types, sinceMs, untilMs }, this.context)) {
      for await (const rows of snapshot.rows(text, values)) {
        for (const member of await this.members(snapshot, rows)) {
          if (request.patients && this.isAnothers(member, ids!)) continue;
          await this.give(member, request);
        }
        await this.provenance(snapshot, rows, request);
      }
    }
  }

  /**
   * Patient by patient: a header, the Patient, and what is in the compartment (Bulk Data Access 3.0, "Output File
   * Organization"). A block is never split over files. What is in no compartment is left out. Searches that narrow types
   * decide what is in the blocks; Provenance that was asked along stands at the end of the block it is about.
   */
  private async blocks(
    snapshot: Snapshot,
    request: BulkExportRequest,
    pkeys: readonly bigint[] | undefined,
    ids: ReadonlySet<string> | undefined,
  ): Promise<void> {
    const { sinceMs, untilMs } = request;
    const types = request.types.filter((type) => !(type === 'Provenance' && request.provenance));
    const { text, values } = patientStatement(pkeys, { types, sinceMs, untilMs }, this.context);
    const wanted = await this.wantedByFilters(snapshot, request);
    let owner: bigint | undefined;
    let block: Pick<RowKey, 'rtype' | 'rid'>[] = [];
    const along = async () => {
      await this.provenance(snapshot, block, request);
      block = [];
    };
    for await (const rows of snapshot.rows(text, values)) {
      const owners = rows.map((row) => (row as RowKey & { owner: bigint }).owner);
      for (const [member, of] of await this.ownedMembers(snapshot, rows, owners)) {
        if (request.patients && this.isAnothers(member, ids!)) continue;
        const row = { rtype: typeNumber(member.type), rid: this.tenant.keys.rid(member.type, member.id) };
        if (wanted.get(member.type)?.has(row.rid) === false) continue;
        if (of !== owner) {
          await along();
          this.associated.clear();
          owner = of;
          await this.header(member, of);
        }
        await this.give(member, request);
        if (request.provenance) block.push(row);
        if (block.length >= PROVENANCE_BATCH) await along();
      }
    }
    await along();
  }

  /** Hashed ids of what the searches find, of each type that has some. @throws Fault `too-large` */
  private async wantedByFilters(
    snapshot: Snapshot,
    request: BulkExportRequest,
  ): Promise<Map<string, Set<bigint>>> {
    const wanted = new Map<string, Set<bigint>>();
    let count = 0;
    for (const { type, params } of request.filters) {
      const found = wanted.get(type) ?? new Set<bigint>();
      wanted.set(type, found);
      const asked = { type, params, strict: true, base: this.context.base };
      for await (const batch of this.deps.search.stream(this.tenant, asked, snapshot)) {
        this.check();
        for (const { id } of batch) found.add(this.tenant.keys.rid(type, id));
        count += batch.length;
        if (count > MAX_WANTED)
          throw new Fault('too-large', `The searches find more than ${MAX_WANTED} resources.`, {
            at: '_typeFilter',
            remedy: 'Narrow them, or leave out organizeOutputBy.',
          });
      }
    }
    return wanted;
  }

  private async ownedMembers(
    snapshot: Snapshot,
    rows: readonly RowKey[],
    owners: readonly bigint[],
  ): Promise<(readonly [SegmentMember, bigint])[]> {
    const members = await this.members(snapshot, rows);
    if (members.length === rows.length) return members.map((m, i) => [m, owners[i]!] as const);
    // Some are damaged: find whose the others are by what they are.
    const at = new Map(rows.map((row, i) => [`${row.rtype} ${row.rid}`, owners[i]!] as const));
    return members.map(
      (m) => [m, at.get(`${typeNumber(m.type)} ${this.tenant.keys.rid(m.type, m.id)}`)!] as const,
    );
  }

  private async header(member: SegmentMember, owner: bigint): Promise<void> {
    const full = this.open.get('by-patient');
    if (full && full.count >= RESOURCES_PER_FILE) await this.finish('by-patient', full);
    const id =
      member.type === 'Patient'
        ? member.id
        : patientsOf(resourceOfMember(member), this.context.base).find(
            (p) => this.tenant.keys.rid('Patient', p) === owner,
          );
    const shown = this.strip && id !== undefined ? this.strip.idOf('Patient', id) : id;
    const parameter = [{ name: 'header', valueReference: { reference: `Patient/${shown}` } }];
    await this.line(
      'by-patient',
      'Parameters',
      stringifyJson({ resourceType: 'Parameters', parameter }),
      undefined,
    );
  }

  /** A record of several patients is not given to who asked for some of them by name. */
  private isAnothers(member: SegmentMember, ids: ReadonlySet<string>): boolean {
    if (member.type === 'Patient' || !member.content.includes('Patient/')) return false;
    return patientsOf(resourceOfMember(member), this.context.base).some((id) => !ids.has(id));
  }

  private async filtered(
    snapshot: Snapshot,
    request: BulkExportRequest,
    ids: ReadonlySet<string> | undefined,
  ): Promise<void> {
    const { sinceMs, untilMs, level } = request;
    const base = this.context.base;
    for (const type of new Set(request.filters.map((f) => f.type))) {
      const searches = request.filters.filter((f) => f.type === type);
      const seen = new Set<string>();
      for (const { params } of searches) {
        for await (const batch of this.deps.search.stream(
          this.tenant,
          { type, params, strict: true, base },
          snapshot,
        )) {
          const given = batch.filter((resource) => {
            const at = Date.parse(resource.meta.lastUpdated);
            if (sinceMs !== undefined && at < sinceMs) return false;
            if (untilMs !== undefined && at > untilMs) return false;
            if (level !== 'system') {
              const patients = patientsOf(resource, base);
              const inside = ids ? patients.some((id) => ids.has(id)) : patients.length > 0;
              if (!inside || (request.patients && patients.some((id) => !ids!.has(id)))) return false;
            }
            if (searches.length === 1) return true;
            if (seen.has(resource.id)) return false;
            seen.add(resource.id);
            return true;
          });
          for (const resource of given) await this.giveResource(resource, request);
          await this.provenanceOf(
            snapshot,
            given.map((r) => ({ type: r.resourceType, id: r.id })),
            request,
          );
        }
      }
    }
  }

  private async provenanceOf(
    snapshot: Snapshot,
    keys: readonly { type: string; id: string }[],
    request: BulkExportRequest,
  ): Promise<void> {
    if (!request.provenance || keys.length === 0) return;
    const rows = keys.map((k) => ({
      rtype: typeNumber(k.type),
      rid: this.tenant.keys.rid(k.type, k.id),
    }));
    await this.provenance(snapshot, rows, request);
  }

  private async provenance(
    snapshot: Snapshot,
    rows: readonly Pick<RowKey, 'rtype' | 'rid'>[],
    request: BulkExportRequest,
  ): Promise<void> {
    if (!request.provenance || rows.length === 0) return;
    const { text, values } = provenanceOf(rows, request.provenance === 'latest', this.context);
    const found = (await snapshot.query(text, values)) as unknown as RowKey[];
    const fresh = found.filter(({ rid }) => {
      if (this.associated.has(rid)) return false;
      this.associated.add(rid);
      return true;
    });
    for (const member of await this.members(snapshot, fresh)) await this.give(member, request);
  }

  /** What was deleted since, as transactions that delete it. */
  private async deletions(
    snapshot: Snapshot,
    request: BulkExportRequest,
    ids: ReadonlySet<string> | undefined,
  ): Promise<void> {
    const { types, sinceMs, untilMs, level } = request;
    const { text, values } = deletedStatement({ types, sinceMs, untilMs }, this.context);
    let entries: { request: { method: 'DELETE'; url: string } }[] = [];
    const flush = async () => {
      if (entries.length === 0) return;
      await this.add('deleted', { resourceType: 'Bundle', type: 'transaction', entry: entries }, 'Bundle');
      entries = [];
    };
    for await (const rows of snapshot.rows(text, values)) {
      for (const member of await this.members(snapshot, rows)) {
        if (level !== 'system') {
          const patients = patientsOf(resourceOfMember(member), this.context.base);
          if (!(ids ? patients.some((id) => ids.has(id)) : patients.length > 0)) continue;
          if (request.patients && patients.some((id) => !ids!.has(id))) continue;
        }
        entries.push({ request: { method: 'DELETE', url: `${member.type}/${member.id}` } });
        if (entries.length >= DELETIONS_PER_BUNDLE) await flush();
      }
    }
    await flush();
  }

  /** Opens bodies; where one is damaged the others are given all the same, and the error file says so. */
  private async members(snapshot: Snapshot, rows: readonly RowKey[]): Promise<SegmentMember[]> {
    this.check();
    if (rows.length === 0) return [];
    try {
      return await snapshot.members(rows);
    } catch (error) {
      if (!isFault(error) || error.category !== 'integrity') throw error;
    }
    const members: SegmentMember[] = [];
    for (const row of rows) {
      try {
        members.push(...(await snapshot.members([row])));
      } catch (error) {
        if (!isFault(error) || error.category !== 'integrity' || ++this.damaged > MAX_DAMAGED) throw error;
        await this.add('error', operationOutcome(error), 'OperationOutcome');
      }
    }
    return members;
  }

  private give(member: SegmentMember, request: BulkExportRequest): Promise<void> {
    if (request.elements.length > 0 || request.deidentify || request.report)
      return this.giveResource(resourceOfMember(member), request);
    return this.line(outputOf(request), member.type, resourceText(member, member.content), request.base);
  }

  private giveResource(resource: Parameters<typeof shape>[0], request: BulkExportRequest): Promise<void> {
    const { elements, base } = request;
    if (request.deidentify) return this.giveStripped(resource, request);
    const given = elements.length > 0 ? shape(resource, 'false', elements) : resource;
    this.quality?.add(given as StoredResource, this.lifetimes);
    return this.line(outputOf(request), resource.resourceType, stringifyJson(given), base);
  }

  /** Lifetimes come first, so that every date can be held against them. */
  private async startReport(snapshot: Snapshot, request: BulkExportRequest, scope: BulkScope): Promise<void> {
    this.quality = new Quality(snapshot.complete);
    // One of its own: what it removes is counted where the records themselves are given.
    const strip = request.deidentify && deidentifier(this.tenant, {}, this.deps.clock.now(), new Map());
    for (const { text, values } of scopeStatements(scope, { types: ['Patient'] }, this.context)) {
      for await (const rows of snapshot.rows(text, values)) {
        for (const member of await this.members(snapshot, rows)) {
          if (this.lifetimes.size >= MAX_LIFETIMES) return;
          const patient = resourceOfMember(member);
          const given = strip ? strip.resource(patient) : patient;
          if (given) this.lifetimes.set(given.id, lifetimeOf(given));
        }
      }
    }
  }

  private async report(snapshot: Snapshot, request: BulkExportRequest, quality: Quality): Promise<void> {
    // Of a part of the lake it is not known what else is here.
    const all = request.level === 'system' && !request.grants;
    const query = (text: string, values: unknown[]) => snapshot.query(text, values);
    const report = quality.report(all ? await brokenReferences(query, request.types, undefined) : []);
    for (const [name, text] of [
      ['quality.json', JSON.stringify(report)],
      ['quality.html', qualityHtml(report)],
    ] as const)
      await this.beside('report', name, text);
  }

  /** A file about the export, beside what is given. */
  private async beside(kind: BulkFile['kind'], name: string, text: string): Promise<void> {
    const place = placeOf(this.job.id, this.job.leaseEpoch, name);
    const file = await SealedFile.create(this.tenant.keys, this.folder, name, place);
    await file.add(text);
    await file.finish();
    this.files.push({ kind, type: '', name, count: 1 });
  }

  private async giveStripped(
    resource: Parameters<typeof shape>[0],
    request: BulkExportRequest,
  ): Promise<void> {
    const stripped = this.strip?.resource(resource);
    if (!stripped) return;
    const given = request.elements.length > 0 ? shape(stripped, 'false', request.elements) : stripped;
    this.quality?.add(given as StoredResource, this.lifetimes);
    await this.line(outputOf(request), resource.resourceType, stringifyJson(given), undefined);
  }

  private add(kind: BulkFile['kind'], resource: Resource, type: string): Promise<void> {
    return this.line(kind, type, stringifyJson(resource), undefined);
  }

  private async line(
    kind: BulkFile['kind'] | 'by-patient',
    type: string,
    text: string,
    base: string | undefined,
  ): Promise<void> {
    const stem = kind === 'output' ? type : kind;
    let file = this.open.get(stem);
    if (!file) {
      const part = (this.parts.get(stem) ?? 0) + 1;
      this.parts.set(stem, part);
      const name = part === 1 ? `${stem}.ndjson` : `${stem}.${part}.ndjson`;
      const place = placeOf(this.job.id, this.job.leaseEpoch, name);
      file = await SealedFile.create(this.tenant.keys, this.folder, name, place);
      this.open.set(stem, file);
    }
    // Who has the file only must find the attachment (Bulk Data Access, "Attachments"): its address is absolute. In
    // JSON text a quote that begins a member is never part of a string.
    await file.add(base === undefined ? text : text.replaceAll('"url":"Binary/', `"url":"${base}/Binary/`));
    if (kind === 'output' || (kind === 'by-patient' && type !== 'Parameters'))
      this.progress = { resources: this.progress.resources + 1 };
    if (kind !== 'by-patient' && file.count >= RESOURCES_PER_FILE) await this.finish(stem, file);
  }

  private async finish(stem: string, file: SealedFile): Promise<void> {
    await file.finish();
    this.open.delete(stem);
    const kind = stem === 'deleted' || stem === 'error' ? stem : 'output';
    // A file of blocks holds many types, so none is told.
    const output = stem === 'by-patient' ? '' : stem;
    const type = kind === 'output' ? output : kind === 'deleted' ? 'Bundle' : 'OperationOutcome';
    this.files.push({ kind, type, name: file.name, count: file.count });
  }

  private check(): void {
    if (this.stopped !== undefined) throw this.stopped;
  }
}
