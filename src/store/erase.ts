import type pg from 'pg';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { patientsOf } from '../fhir/compartment.js';
import { parseReference, visitReferences } from '../fhir/references.js';
import { isResourceType, typeName, typeNumber } from '../fhir/resource-types.js';
import { derivedFrom, derivedFromTerm } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type ErasedIdentity, sealErasure } from './audit.js';
import { insertAudit } from './audit-chain.js';
import type { Actor } from './contract.js';
import { intArray, type Queryable, run } from './database.js';
import { deletionsOf } from './delete-rows.js';
import { ownKey, ownKeyOf } from './patient-keys.js';
import { partOf } from './prepare.js';
import { destroyKeys } from './reseal.js';
import { type ColumnValue, INDEX_TABLES } from './row-set.js';
import {
  memberAt,
  openSegment,
  SEGMENT_COLUMNS,
  type SegmentMember,
  type SegmentRow,
  sealSegment,
} from './segment.js';

/** What to remove for good. */
export interface EraseRequest {
  readonly type: string;
  readonly id: string;
  /** With a Patient: everything in this patient's compartment and in no other patient's. */
  readonly compartment: boolean;
  /** Why; kept in the audit row, sealed. */
  readonly reason: string;
}

export interface Erased {
  readonly resources: number;
  readonly versions: number;
  /** Keys of records destroyed: no copy of what was sealed with them opens without an older copy of the key itself. */
  readonly keysDestroyed: number;
  /** Resources left that still refer to the one named: those of several patients, and of others. */
  readonly referring: number;
}

/** Segments opened at once: some 2 MB of bodies. */
const SEGMENTS_PER_BATCH = 500;
/** An erasure waits for writers this long, and may itself take longer than other statements. */
const LOCK_TIMEOUT_MS = 30_000;
const STATEMENT_TIMEOUT_MS = 600_000;

/**
 * Stands in a segment where an erased version stood, so that its neighbours keep their places. No row points at it.
 */
const BLANK: SegmentMember = { type: 'Basic', id: 'erased', version: 0, lastUpdated: 0, content: '' };

export function isBlank(member: SegmentMember): boolean {
  return member.version === 0;
}

interface Key {
  readonly rtype: number;
  readonly rid: bigint;
}

interface VersionRow extends Key {
  part: number;
  ver: number;
  sid: bigint;
  slot: number;
}

/** A resource to be erased, with what its versions said. */
interface Target extends Key {
  id: string;
  readonly versions: VersionRow[];
  /** Of all versions that have one, in no order. */
  readonly contents: string[];
  newest: { readonly ver: number; readonly content: string };
}

/**
 * Removes resources with all their versions, index rows and annotations, and re-seals the segments that they shared with
 * others. A note takes along what was read out of it, its original in a Binary, and the Provenance of nothing else. Runs
 * in a transaction that keeps all writers of the tenant waiting: nothing can come in behind it.
 * @throws Fault `not-found` where nothing of that name ever was
 */
export async function erase(
  tenant: Tenant,
  client: pg.PoolClient,
  actor: Actor,
  context: IndexContext,
  now: number,
  request: EraseRequest,
): Promise<Erased> {
  await client.query(
    `set local lock_timeout = ${LOCK_TIMEOUT_MS}; set local statement_timeout = ${STATEMENT_TIMEOUT_MS};
     select 1 from tenant_epoch where part = 0 for update`,
  );
  const erasure = new Erasure(tenant, client, context);
  await erasure.collect(request);
  if (erasure.targets.size === 0) {
    throw new Fault('not-found', 'There is no such resource to erase, not even a deleted one.', {
      remedy: 'Check the type and the id.',
    });
  }
  return erasure.remove(request, actor, now);
}

/** Resources whose bodies are held at once: of what goes, places alone are kept, so that a long record fits. */
const RESOURCES_PER_BATCH = 2_000;

/** Without the bodies, save of notes: what hangs on a note is found by its words. */
function stripped(target: Target): Target {
  if (typeName(target.rtype) === 'DocumentReference') return target;
  return { ...target, contents: [], newest: { ver: target.newest.ver, content: '{}' } };
}

const nameOf = ({ rtype, rid }: Key) => `${rtype}/${rid}`;

class Erasure {
  readonly targets = new Map<string, Target>();

  constructor(
    private readonly tenant: Tenant,
    private readonly client: pg.PoolClient,
    private readonly context: IndexContext,
  ) {}

  /** Everything that goes: the resource, its compartment where asked, and what hangs on what goes. */
  async collect({ type, id, compartment }: EraseRequest): Promise<void> {
    const { keys } = this.tenant;
    const rid = keys.rid(type, id);
    await this.#take([{ rtype: typeNumber(type), rid }]);
    if (compartment) {
      const part = partOf(rid);
      const rows = await run<Key>(
        this.client,
        'select rtype, rid from resource where part = $1 and pkey = $2',
        [part, rid],
      );
      await this.#take(rows);
      await this.#takeDeleted(part, (r) => {
        const patients = patientsOf(r, this.context.base);
        return patients.length === 1 && patients[0] === id;
      });
    }
    await this.#takeFacts();
    await this.#takeOriginals();
    await this.#takeProvenance();
  }

  /** Adds to what goes those of these whose versions pass the test. */
  async #take(rows: readonly Key[], test: (target: Target) => boolean = () => true): Promise<void> {
    const fresh = rows.filter((row) => !this.targets.has(nameOf(row)));
    for (let i = 0; i < fresh.length; i += RESOURCES_PER_BATCH)
      for (const target of await this.#load(fresh.slice(i, i + RESOURCES_PER_BATCH)))
        if (test(target)) this.targets.set(nameOf(target), stripped(target));
  }

  async #load(keys: readonly Key[]): Promise<Target[]> {
    if (keys.length === 0) return [];
    const rows = await run<VersionRow>(
      this.client,
      `select v.part, v.rtype, v.rid, v.ver, v.sid, v.slot
         from unnest($1::smallint[], $2::bigint[]) as k (rtype, rid)
         join locator l on l.rtype = k.rtype and l.rid = k.rid
         cross join lateral unnest(coalesce(l.former, '{}') || l.part) as p (part)
         join version v on v.part = p.part and v.rtype = l.rtype and v.rid = l.rid
         order by v.rtype, v.rid, v.ver`,
      [intArray(keys.map((k) => k.rtype)), intArray(keys.map((k) => k.rid))],
    );
    const found = new Map<string, Target>();
    for await (const [row, member] of this.#members(rows)) {
      const name = nameOf(row);
      let target = found.get(name);
      if (!target) {
        target = {
          rtype: row.rtype,
          rid: row.rid,
          id: '',
          versions: [],
          contents: [],
          newest: { ver: 0, content: '{}' },
        };
        found.set(name, target);
      }
      target.versions.push(row);
      if (!member) continue;
      target.id = member.id;
      target.contents.push(member.content);
      if (row.ver > target.newest.ver) target.newest = { ver: row.ver, content: member.content };
    }
    return [...found.values()];
  }

  /** Rows with the bodies they point at, a batch of segments at a time; a deletion has none. */
  async *#members(rows: readonly VersionRow[]): AsyncGenerator<[VersionRow, SegmentMember | undefined]> {
    const bySegment = new Map<string, VersionRow[]>();
    for (const row of rows) {
      if (row.sid === 0n) yield [row, undefined];
      else bySegment.set(segmentName(row), [...(bySegment.get(segmentName(row)) ?? []), row]);
    }
    const names = [...bySegment.values()];
    for (let i = 0; i < names.length; i += SEGMENTS_PER_BATCH) {
      const some = names.slice(i, i + SEGMENTS_PER_BATCH).map(([first]) => first!);
      const opened = await openedSegments(this.tenant, this.client, some);
      for (const place of some) {
        const members = opened.get(segmentName(place))?.members;
        if (!members) throw new Fault('integrity', 'A stored body is missing.', { remedy: REPAIR });
        for (const row of bySegment.get(segmentName(place))!)
          yield [row, memberAt(this.tenant.keys, members, row)];
      }
    }
  }

  /** Deleted resources of a part whose versions satisfy the test: their rows no longer say whose they were. */
  async #takeDeleted(part: number, test: (resource: Resource) => boolean): Promise<void> {
    const rows = await run<Key>(this.client, 'select rtype, rid from resource where part = $1 and deleted', [
      part,
    ]);
    await this.#take(rows, (target) => target.contents.some((content) => test(resourceAt(target, content))));
  }

  /** What was read out of the notes that go: their words stand in it. */
  async #takeFacts(): Promise<void> {
    const documents = [...this.targets.values()].filter((t) => typeName(t.rtype) === 'DocumentReference');
    if (documents.length === 0) return;
    const ids = new Set(documents.map((d) => d.id));
    const rows = await run<Key>(
      this.client,
      'select rtype, rid from resource where terms && $1::bigint[] and not deleted',
      [intArray([...ids].map((id) => derivedFromTerm(this.context, id)))],
    );
    await this.#take(rows, (target) =>
      target.contents.some((content) => this.#isFactOf(resourceAt(target, content), ids)),
    );
    for (const part of new Set(documents.flatMap((d) => d.versions.map((v) => v.part))))
      await this.#takeDeleted(part, (resource) => this.#isFactOf(resource, ids));
  }

  #isFactOf(resource: Resource, documents: ReadonlySet<string>): boolean {
    const document = derivedFrom(resource, this.context.base);
    return document !== undefined && documents.has(document);
  }

  /** The Binaries that the notes that go keep their files in. */
  async #takeOriginals(): Promise<void> {
    const ids = new Set<string>();
    for (const { rtype, contents } of this.targets.values()) {
      if (typeName(rtype) !== 'DocumentReference') continue;
      for (const content of contents)
        for (const [, id] of content.matchAll(BINARY_URL)) if (id !== undefined) ids.add(id);
    }
    const rtype = typeNumber('Binary');
    await this.#take([...ids].map((id) => ({ rtype, rid: this.tenant.keys.rid('Binary', id) })));
  }

  /** Provenance that speaks of nothing that stays. */
  async #takeProvenance(): Promise<void> {
    const rows = await run<Key>(
      this.client,
      `select distinct f.rtype, f.rid from idx_reference f
         where f.target = any ($1::bigint[]) and f.rtype = $2`,
      [intArray([...this.targets.values()].map((t) => t.rid)), typeNumber('Provenance')],
    );
    await this.#take(rows, (target) => this.#targetsOnly(resourceAt(target, target.newest.content)));
  }

  #targetsOnly(provenance: Resource): boolean {
    let only = true;
    let some = false;
    visitReferences({ resourceType: 'Provenance', target: provenance.target } as Resource, (text) => {
      const parsed = parseReference(text, this.context.base);
      some = true;
      only &&=
        parsed.kind === 'local' &&
        isResourceType(parsed.type) &&
        this.targets.has(`${typeNumber(parsed.type)}/${this.tenant.keys.rid(parsed.type, parsed.id)}`);
    });
    return some && only;
  }

  async remove(request: EraseRequest, actor: Actor, now: number): Promise<Erased> {
    const targets = [...this.targets.values()];
    const versions = targets.flatMap((t) => t.versions);
    await this.#blank(versions);
    const keys = [
      intArray(versions.map((v) => v.part)),
      intArray(versions.map((v) => v.rtype)),
      intArray(versions.map((v) => v.rid)),
    ];
    const from =
      '(select distinct * from unnest($1::int[], $2::smallint[], $3::bigint[])) as k (part, rtype, rid)';
    // The resource last but one: it leads to its sorted rows.
    for (const table of [...INDEX_TABLES, 'resource', 'version'] as const)
      for (const sql of deletionsOf(table, from)) await run(this.client, sql, keys);
    const documents = versions.filter((v) => typeName(v.rtype) === 'DocumentReference');
    await run(
      this.client,
      `delete from annotation t using (select distinct * from unnest($1::int[], $2::bigint[])) as k (part, rid)
       where t.part = k.part and t.rid = k.rid`,
      [intArray(documents.map((v) => v.part)), intArray(documents.map((v) => v.rid))],
    );
    await run(
      this.client,
      `delete from locator l using unnest($1::smallint[], $2::bigint[]) as k (rtype, rid)
       where l.rtype = k.rtype and l.rid = k.rid`,
      [intArray(targets.map((t) => t.rtype)), intArray(targets.map((t) => t.rid))],
    );
    const keysDestroyed = await destroyKeys(this.tenant.keys, this.client, this.#owners(request));
    // Answers kept for repeated requests hold what was written; whose they are cannot be told.
    await run(this.client, 'delete from idempotency', []);
    await this.#audit(targets, request, actor, now);
    const rows = await run<{ n: bigint }>(
      this.client,
      'select count(distinct (rtype, rid)) as n from idx_reference where target = $1 and ttype = $2',
      [this.tenant.keys.rid(request.type, request.id), typeNumber(request.type)],
    );
    return {
      resources: targets.length,
      versions: versions.length,
      keysDestroyed,
      referring: Number(rows[0]?.n ?? 0),
    };
  }

  /** Whose own keys go: the patient's whose whole record goes, and those of the files of notes. */
  #owners({ type, id, compartment }: EraseRequest): { part: number; owner: bigint }[] {
    const owners = [...this.targets.values()].filter((t) => typeName(t.rtype) === 'Binary').map((t) => t.rid);
    if (compartment) owners.push(this.tenant.keys.rid(type, id));
    return owners.map((owner) => ({ part: partOf(owner), owner }));
  }

  /** Takes the bodies out of their segments; a segment without any other goes. */
  async #blank(versions: readonly VersionRow[]): Promise<void> {
    const slots = new Map<string, { place: VersionRow; erased: Set<number> }>();
    for (const row of versions) {
      if (row.sid === 0n) continue;
      const known = slots.get(segmentName(row));
      if (known) known.erased.add(row.slot);
      else slots.set(segmentName(row), { place: row, erased: new Set([row.slot]) });
    }
    const all = [...slots.values()];
    for (let i = 0; i < all.length; i += SEGMENTS_PER_BATCH) {
      const some = all.slice(i, i + SEGMENTS_PER_BATCH);
      const opened = await openedSegments(
        this.tenant,
        this.client,
        some.map(({ place }) => place),
      );
      const empty: VersionRow[] = [];
      for (const { place, erased } of some) {
        const before = opened.get(segmentName(place));
        const members = (before?.members ?? []).map((m, slot) => (erased.has(slot) ? BLANK : m));
        if (!before || members.every(isBlank)) empty.push(place);
        else {
          const patient = ownKey(this.tenant.keys, before.row);
          const s = sealSegment(this.tenant.keys, place.part, place.sid, members, patient);
          await run(
            this.client,
            'update segment set kv = $3, bind = $4, sealed = $5 where part = $1 and sid = $2',
            [s.part, s.sid, s.kv, s.bind, s.sealed],
            'store-erase-reseal',
          );
        }
      }
      await run(
        this.client,
        `delete from segment s using unnest($1::int[], $2::bigint[]) as k (part, sid)
         where s.part = k.part and s.sid = k.sid`,
        [intArray(empty.map((p) => p.part)), intArray(empty.map((p) => p.sid))],
        'store-erase-drop',
      );
    }
  }

  /** One row in each part that something was in, so that what older rows speak of is accounted for beside them. */
  async #audit(
    targets: readonly Target[],
    { reason }: EraseRequest,
    actor: Actor,
    now: number,
  ): Promise<void> {
    const byPart = new Map<number, Map<string, ErasedIdentity>>();
    for (const { id, rid, versions } of targets)
      for (const { part, rtype, ver } of versions) {
        const list = byPart.get(part) ?? new Map<string, ErasedIdentity>();
        byPart.set(part, list);
        const name = `${rtype}/${rid}`;
        list.set(name, [typeName(rtype), id, Math.max(ver, list.get(name)?.[2] ?? 0)]);
      }
    const rows: ColumnValue[] = [];
    for (const [part, list] of byPart) {
      const a = sealErasure(this.tenant.keys, part, {
        actor,
        at: now,
        writes: [],
        erased: [...list.values()],
        reason,
      });
      rows.push(a.part, a.at, a.aid, a.kv, a.sealed, a.mac);
    }
    await insertAudit(this.client, rows);
  }
}

const REPAIR = 'Run `cenote verify` for this tenant and restore the affected rows from a backup.';

/** The address of a Binary in an attachment, relative or absolute, with or without a version. */
const BINARY_URL = /"url":"(?:[^"]*\/)?Binary\/([A-Za-z0-9.-]{1,64})(?:\/_history\/[^"]*)?"/g;

function segmentName({ part, sid }: { part: number; sid: bigint }): string {
  return `${part}/${sid}`;
}

function resourceAt({ rtype, id }: Target, content: string): Resource {
  return { ...(JSON.parse(content) as object), resourceType: typeName(rtype), id };
}

async function openedSegments(
  tenant: Tenant,
  db: Queryable,
  places: readonly { part: number; sid: bigint }[],
): Promise<Map<string, { row: SegmentRow; members: SegmentMember[] }>> {
  const rows = await run<SegmentRow>(
    db,
    `select ${SEGMENT_COLUMNS} from segment s
       join unnest($1::int[], $2::bigint[]) as k (part, sid) on s.part = k.part and s.sid = k.sid ${ownKeyOf('s')}`,
    [intArray(places.map((p) => p.part)), intArray(places.map((p) => p.sid))],
    'store-erase-segments',
  );
  return new Map(rows.map((row) => [segmentName(row), { row, members: openSegment(tenant.keys, row) }]));
}
