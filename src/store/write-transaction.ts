import type pg from 'pg';
import { Fault } from '../core/fault.js';
import { laneOf } from '../core/profile.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { typeNumber } from '../fhir/resource-types.js';
import { derivedFrom, derivedFromTerm } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { Tenant } from '../tenancy/tenant.js';
import { assemble } from './assemble.js';
import { type BodyPlace, openBodies } from './bodies.js';
import { resourceOf } from './content.js';
import type {
  Actor,
  DerivedGroup,
  ReplacedGroup,
  RowKey,
  StoreTransaction,
  VersionRead,
  Write,
  WriteResult,
} from './contract.js';
import { copyRows, copyWrite } from './copy-write.js';
import { lockCurrent, rowKey } from './current.js';
import { intArray, run } from './database.js';
import { type Decision, decide } from './decide.js';
import { isReviewed } from './derived-group.js';
import { WITHDRAWN } from './document-state.js';
import { holdFormer } from './former.js';
import { checkIntegrity } from './integrity.js';
import { ownerOf, ownKeys, ownRows } from './patient-keys.js';
import { COPY_FROM_WRITES, type PreparedWrite, prepareWrites } from './prepare.js';
import { readCurrent, readMany, readRows } from './read.js';
import { smallWrite } from './small-write.js';
import { type KeptBatch, sealRequest, writesOf } from './write-columns.js';
import { Written } from './written.js';

/** Imports that share practitioners wait for each other's whole batch; the pool's limit is meant for single writes. */
const BULK_LOCK_TIMEOUT_MS = 30_000;

/** The writes of one transaction. What calls it has begun the transaction and will commit or roll back. */
export class WriteTransaction implements StoreTransaction {
  constructor(
    private readonly tenant: Tenant,
    private readonly client: pg.PoolClient,
    private readonly actor: Actor,
    private readonly context: IndexContext,
    private readonly now: number,
  ) {}

  /** All in one statement and always in the order of their keys, so that two transactions never wait for each other. */
  async lock(...names: string[]): Promise<void> {
    const keys = [...new Set(names.map((name) => this.tenant.keys.digest(`lock ${name}`)))];
    keys.sort((x, y) => (x < y ? -1 : 1));
    await run(
      this.client,
      'select pg_advisory_xact_lock(k) from unnest($1::bigint[]) as k',
      [intArray(keys)],
      'store-advisory-lock',
    );
  }

  async query(sql: string, values: readonly unknown[]): Promise<{ rows: Record<string, unknown>[] }> {
    return this.client.query(sql, values as unknown[]);
  }

  read(type: string, id: string): Promise<VersionRead | undefined> {
    return readCurrent(this.tenant, this.client, type, id);
  }

  readRows(rows: readonly RowKey[]): Promise<StoredResource[]> {
    return readRows(this.tenant, this.client, rows);
  }

  async write(writes: readonly Write[]): Promise<WriteResult[]> {
    return this.writePrepared(await prepareWrites(this.tenant.keys, this.context, writes));
  }

  /**
   * Locks, decides, seals and writes. A document that is deleted or marked as an error takes its facts with it. Then
   * looks whether references hold, where the tenant asks for that.
   */
  async writePrepared(prepared: readonly PreparedWrite[]): Promise<WriteResult[]> {
    const decisions = await this.apply(prepared);
    if (this.tenant.record.integrity)
      await checkIntegrity(
        this.tenant.keys,
        this.client,
        this.context.base,
        decisions.filter((d) => d.outcome !== 'unchanged'),
      );
    return decisions.map((d) => new Written(d));
  }

  /** The same for what another thread prepared. Whether references hold is not looked at. */
  async writeKept(batch: KeptBatch): Promise<WriteResult[]> {
    const decisions = await this.apply(writesOf(batch.columns), batch);
    return decisions.map((d) => new Written(d));
  }

  private async apply(prepared: readonly PreparedWrite[], kept?: KeptBatch): Promise<readonly Decision[]> {
    if (prepared.length === 0) return [];
    if (prepared.length >= COPY_FROM_WRITES)
      await this.client.query(`set local lock_timeout = '${BULK_LOCK_TIMEOUT_MS}ms'`);
    const current = await lockCurrent(this.client, prepared);
    const standing = (w: PreparedWrite) =>
      current.size === 0 ? undefined : current.get(rowKey(w.rtype, w.rid));
    const decided = prepared.map((w) => decide(w, standing(w), this.now));
    const decisions = await holdFormer(this.tenant.keys, this.client, decided);
    const changes = decisions.filter((d) => d.outcome !== 'unchanged');
    if (changes.length > 0) {
      const owners = changes.map(({ write }) => ownerOf(write)).filter((owner) => owner !== null);
      if (kept) {
        const own = await ownRows(this.tenant.keys, this.client, owners);
        await copyWrite(this.client, await kept.seal(sealRequest(decisions, this.actor, this.now, own)));
      } else await this.sealAndWrite(changes, owners, prepared.length >= COPY_FROM_WRITES);
    }
    const withdrawn = changes
      .filter(
        ({ write, current: before }) =>
          write.type === 'DocumentReference' && before && (write.body?.state ?? WITHDRAWN) === WITHDRAWN,
      )
      .map(({ write }) => ({ documentId: write.id, resources: [] }));
    if (withdrawn.length > 0) await this.replaceDerivedGroups(withdrawn);
    return decisions;
  }

  /** @param bulk whether they were prepared for COPY, as many are, however few of them are changes */
  private async sealAndWrite(
    changes: readonly Decision[],
    owners: readonly bigint[],
    bulk: boolean,
  ): Promise<void> {
    const own = await ownKeys(this.tenant.keys, this.client, owners);
    const seal = () => assemble(this.tenant.keys, changes, this.actor, this.now, own);
    const rows = laneOf(this.actor)?.busy('seal', seal) ?? seal();
    if (bulk) await copyWrite(this.client, copyRows(rows));
    else await smallWrite(this.client, rows);
  }

  async replaceDerivedGroup(documentId: string, resources: readonly Resource[]): Promise<ReplacedGroup> {
    const [group] = await this.replaceDerivedGroups([{ documentId, resources }]);
    return group!;
  }

  /**
   * See `Store.replaceDerivedGroup`, for several documents at once: a batch costs as many round trips as one. The
   * documents' locator rows are locked first and in order, so that two replacements of one group come one after the
   * other. Referential integrity is not asked of them: what a note no longer says is withdrawn whoever refers to it.
   */
  async replaceDerivedGroups(groups: readonly DerivedGroup[]): Promise<ReplacedGroup[]> {
    const { keys } = this.tenant;
    const documentRids = groups.map((g) => keys.rid('DocumentReference', g.documentId));
    await run(
      this.client,
      `select 1 from locator where rtype = $1 and rid in (select unnest($2::bigint[])) order by rid for update`,
      [typeNumber('DocumentReference'), intArray(documentRids)],
      'store-lock-documents',
    );
    const members = await this.derivedMembers(groups.map((g) => g.documentId));
    const wanted = groups.map((g) => new Map(g.resources.map((r) => [nameOf(named(r)), r])));
    // An id that is taken by something outside the group was edited by a person, or is no fact of this document.
    const strangers = wanted.flatMap((own, i) => {
      const known = new Set((members.get(groups[i]!.documentId) ?? []).map(nameOf));
      return [...own.keys()].filter((name) => !known.has(name));
    });
    const taken = new Set<string>();
    for (const stranger of await readMany(this.tenant, this.client, strangers.map(splitName)))
      if (stranger) taken.add(nameOf(stranger));
    const counts: ReplacedGroup[] = [];
    const writes: Write[] = [];
    const ownerOf: number[] = [];
    groups.forEach(({ documentId, resources }, i) => {
      const present = members.get(documentId) ?? [];
      const kept = new Set([
        ...present.filter(isReviewed).map(nameOf),
        ...[...wanted[i]!.keys()].filter((n) => taken.has(n)),
      ]);
      for (const member of present) {
        if (wanted[i]!.has(nameOf(member)) || kept.has(nameOf(member))) continue;
        writes.push({ op: 'delete', type: member.resourceType, id: member.id });
        ownerOf.push(i);
      }
      for (const [name, resource] of wanted[i]!) {
        if (kept.has(name)) continue;
        writes.push({ op: 'update', ...splitName(name), resource, skipUnchanged: true });
        ownerOf.push(i);
      }
      const byType: Record<string, number> = {};
      for (const { resourceType } of resources) byType[resourceType] = (byType[resourceType] ?? 0) + 1;
      counts.push({ created: 0, updated: 0, deleted: 0, unchanged: kept.size, byType });
    });
    const decisions = await this.apply(await prepareWrites(this.tenant.keys, this.context, writes));
    decisions.forEach(({ outcome }, k) => {
      const count = counts[ownerOf[k]!]! as { -readonly [K in keyof ReplacedGroup]: ReplacedGroup[K] };
      count[outcome] += 1;
    });
    return counts;
  }

  /** What documents yielded before, by document. */
  private async derivedMembers(documentIds: readonly string[]): Promise<Map<string, StoredResource[]>> {
    const rows = await run<BodyPlace>(
      this.client,
      `select part, rid, ver, sid, slot from resource where terms && $1::bigint[] and not deleted`,
      [intArray(documentIds.map((id) => derivedFromTerm(this.context, id)))],
      'store-derived-groups',
    );
    const members = new Map<string, StoredResource[]>();
    const asked = new Set(documentIds);
    for (const member of await openBodies(this.tenant.keys, this.client, rows)) {
      const resource = resourceOf(member, member.content);
      const document = derivedFrom(resource, this.context.base);
      if (document === undefined || !asked.has(document)) continue;
      const list = members.get(document);
      if (list) list.push(resource);
      else members.set(document, [resource]);
    }
    return members;
  }
}

function named(resource: Resource): Resource & { id: string } {
  if (!resource.id) throw new Fault('internal', 'A derived resource has no id.');
  return resource as Resource & { id: string };
}

function nameOf(resource: { resourceType: string; id: string }): string {
  return `${resource.resourceType}/${resource.id}`;
}

function splitName(name: string): { type: string; id: string } {
  const slash = name.indexOf('/');
  return { type: name.slice(0, slash), id: name.slice(slash + 1) };
}
