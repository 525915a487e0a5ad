import type pg from 'pg';
import { typeName } from '../fhir/resource-types.js';
import { derivedFrom, indexResource, sortLine } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { Tenant } from '../tenancy/tenant.js';
import { addIndexRows } from './assemble.js';
import { ACCESS_PART, openAudit } from './audit.js';
import { verifyAuditChain } from './audit-verify.js';
import { contentOf, resourceOf } from './content.js';
import { faultOf, run } from './database.js';
import { isBlank } from './erase.js';
import { ownKeyOf } from './patient-keys.js';
import { partOf } from './prepare.js';
import { INDEX_TABLES, RowSet, TABLES, type TableKey } from './row-set.js';
import { memberAt, openSegment, SEGMENT_COLUMNS, type SegmentMember, type SegmentRow } from './segment.js';
import type { Difference, DifferenceKind, VerifyOptions, VerifyReport } from './verify-report.js';

/** Differences named in the report; all are counted. */
const MAX_NAMED = 50;
/** Versions looked at together; a window is at least one part. */
const VERSIONS_PER_WINDOW = 4000;
const SORTED_ROWS_AT_ONCE = 4000;

/**
 * Recomputes everything that can be recomputed from the sealed bodies and compares it with the tables in both
 * directions, in one snapshot: writers may go on meanwhile.
 */
export async function verifyTenant(
  tenant: Tenant,
  context: IndexContext,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const client = await tenant.pool.connect().catch((error: unknown) => {
    throw faultOf(error);
  });
  try {
    await client.query(
      'begin isolation level repeatable read read only; set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0',
    );
    const verifier = new Verifier(tenant, context, client);
    await verifier.chains();
    await verifier.locators();
    await verifier.windows(options);
    await verifier.auditChain(options);
    await client.query('commit');
    client.release();
    return verifier.report();
  } catch (error) {
    client.release(true);
    throw faultOf(error);
  }
}

interface VersionRow {
  part: number;
  rtype: number;
  rid: bigint;
  ver: number;
  lu: bigint;
  op: number;
  sid: bigint;
  slot: number;
}

interface ResourceRow extends Omit<VersionRow, 'op'> {
  deleted: boolean;
  derived: boolean;
  pkey: bigint | null;
  at: bigint | null;
  digest: bigint;
  terms: bigint[];
  /** Null where written before there was such a column. */
  sorted: bigint[] | null;
}

class Verifier {
  private readonly counts = {
    resources: 0,
    deleted: 0,
    versions: 0,
    segments: 0,
    indexRows: 0,
    auditRows: 0,
    auditStrands: 0,
  };
  private readonly differences: Partial<Record<DifferenceKind, number>> = {};
  private readonly first: Difference[] = [];
  /** Rows of idx_sorted that were fetched for a window to come; undefined before the first. */
  private sorted: Record<string, unknown>[] | undefined;

  constructor(
    private readonly tenant: Tenant,
    private readonly context: IndexContext,
    private readonly client: pg.PoolClient,
  ) {}

  report(): VerifyReport {
    const total = Object.values(this.differences).reduce((sum, n) => sum + n, 0);
    return { ...this.counts, differences: this.differences, total, first: this.first };
  }

  private differ(kind: DifferenceKind, place: string): void {
    this.differences[kind] = (this.differences[kind] ?? 0) + 1;
    if (this.first.length < MAX_NAMED) this.first.push({ kind, place });
  }

  /** Versions of each resource are 1, 2, 3 … in all its parts together, and time never runs backwards. */
  async chains(): Promise<void> {
    const rows = await run<{ rtype: number; rid: bigint }>(
      this.client,
      `select rtype, rid from (
         select rtype, rid, ver, lu, lag(lu) over w as before, row_number() over w as n
         from version window w as (partition by rtype, rid order by ver)
       ) v where ver <> n or lu < before group by rtype, rid`,
    );
    for (const row of rows) this.differ('version-chain', `version of ${typeName(row.rtype)} ${row.rid}`);
  }

  async locators(): Promise<void> {
    const rows = await run<{ rtype: number; rid: bigint }>(
      this.client,
      `select coalesce(l.rtype, r.rtype) as rtype, coalesce(l.rid, r.rid) as rid
       from locator l full join resource r on r.rtype = l.rtype and r.rid = l.rid
       where l.part is distinct from r.part`,
    );
    for (const row of rows) this.differ('locator', `locator of ${typeName(row.rtype)} ${row.rid}`);
    const strays = await run<{ rtype: number; rid: bigint }>(
      this.client,
      `select v.rtype, v.rid from version v left join locator l on l.rtype = v.rtype and l.rid = v.rid
       where l.rid is null or not (v.part = l.part or v.part = any (coalesce(l.former, '{}')))`,
    );
    for (const row of strays) this.differ('locator', `version of ${typeName(row.rtype)} ${row.rid}`);
  }

  async windows(options: VerifyOptions): Promise<void> {
    const sizes = await run<{ part: number; n: bigint }>(
      this.client,
      `select part, sum(n) as n from (
         select part, count(*) as n from version group by part
         union all select part, 0 from resource group by part
         ${INDEX_TABLES.map((t) => `union all select part, 0 from ${TABLES[t].name} group by part`).join('\n')}
         union all select part, 0 from segment group by part
         union all select part, 0 from audit where part < ${ACCESS_PART} group by part
       ) s group by part order by part`,
    );
    const of = sizes.reduce((sum, s) => sum + Number(s.n), 0);
    let done = 0;
    for (let i = 0; i < sizes.length; ) {
      options.signal?.throwIfAborted();
      const from = sizes[i]!.part;
      let versions = 0;
      let to = from;
      while (i < sizes.length && (to === from || versions < VERSIONS_PER_WINDOW)) {
        to = sizes[i]!.part;
        versions += Number(sizes[i]!.n);
        i++;
      }
      await this.window(from, to);
      done += versions;
      options.onProgress?.(done, of);
    }
  }

  /** Every audit row stands where it was put, none is missing, and none was added; neither before an anchor was. */
  async auditChain(options: VerifyOptions): Promise<void> {
    const { rows, strands, broken } = await verifyAuditChain(
      this.tenant,
      this.client,
      options.anchors ?? [],
      options.signal,
    );
    this.counts.auditRows += rows;
    this.counts.auditStrands += strands;
    for (const place of broken) this.differ('audit-chain', place);
  }

  private select<Row>(columns: string, table: string, from: number, to: number): Promise<Row[]> {
    return run<Row>(this.client, `select ${columns} from ${table} where part between $1 and $2`, [from, to]);
  }

  private async window(from: number, to: number): Promise<void> {
    const segments = await this.openSegments(from, to);
    const versions = await this.select<VersionRow>(
      'part, rtype, rid, ver, lu, op, sid, slot',
      'version',
      from,
      to,
    );
    this.counts.versions += versions.length;
    const newest = new Map<string, VersionRow>();
    const bodies = new Map<VersionRow, SegmentMember>();
    for (const row of versions) {
      const key = `${row.part}/${row.rtype}/${row.rid}`;
      const before = newest.get(key);
      if (!before || before.ver < row.ver) newest.set(key, row);
      if (row.op === 2) continue;
      const members = segments.get(`${row.part}/${row.sid}`);
      const member = members && this.memberOf(members, row);
      if (!member)
        this.differ('version-body', `version ${row.part}/${typeName(row.rtype)}/${row.rid}/${row.ver}`);
      else {
        bodies.set(row, member);
        members[row.slot] = undefined;
      }
    }
    for (const [place, members] of segments)
      for (const member of members)
        if (member && !isBlank(member)) this.differ('unreferenced-body', `segment ${place}`);
    await this.current(from, to, newest, bodies);
    await this.audit(from, to, versions);
  }

  private async openSegments(from: number, to: number): Promise<Map<string, (SegmentMember | undefined)[]>> {
    const rows = await run<SegmentRow>(
      this.client,
      `select ${SEGMENT_COLUMNS} from segment s ${ownKeyOf('s')} where s.part between $1 and $2`,
      [from, to],
    );
    const opened = new Map<string, (SegmentMember | undefined)[]>();
    for (const row of rows) {
      this.counts.segments++;
      try {
        opened.set(`${row.part}/${row.sid}`, openSegment(this.tenant.keys, row, true));
      } catch {
        this.differ(
          row.owner !== null && row.wrapped === null ? 'patient-key' : 'body',
          `segment ${row.part}/${row.sid}`,
        );
      }
    }
    return opened;
  }

  private memberOf(
    members: readonly (SegmentMember | undefined)[],
    row: VersionRow,
  ): SegmentMember | undefined {
    try {
      const member = memberAt(this.tenant.keys, members as SegmentMember[], row);
      return member.lastUpdated === Number(row.lu) && member.type === typeName(row.rtype)
        ? member
        : undefined;
    } catch {
      return undefined;
    }
  }

  private async current(
    from: number,
    to: number,
    newest: ReadonlyMap<string, VersionRow>,
    bodies: ReadonlyMap<VersionRow, SegmentMember>,
  ): Promise<void> {
    const stored = await this.indexRows(from, to);
    const annotations = await run<{ part: number; rid: bigint; ver: number; keyless: boolean }>(
      this.client,
      `select a.part, a.rid, a.ver, a.owner is not null and pk.owner is null as keyless
         from annotation a ${ownKeyOf('a')} where a.part between $1 and $2`,
      [from, to],
    );
    const annotated = new Set(annotations.map((row) => `${row.part}/${row.rid}/${row.ver}`));
    for (const { part, rid, keyless } of annotations)
      if (keyless) this.differ('patient-key', `annotation ${part}/${rid}`);
    const rows = await this.select<ResourceRow>(
      'part, rtype, rid, ver, lu, deleted, derived, pkey, at, digest, sid, slot, terms, sorted',
      'resource',
      from,
      to,
    );
    for (const row of rows) {
      const key = `${row.part}/${row.rtype}/${row.rid}`;
      const place = `resource ${row.part}/${typeName(row.rtype)}/${row.rid}`;
      const version = newest.get(key);
      const same =
        version &&
        version.ver === row.ver &&
        version.lu === row.lu &&
        version.sid === row.sid &&
        version.slot === row.slot &&
        (version.op === 2) === row.deleted;
      if (!same) this.differ('current-version', place);
      if (row.deleted) {
        this.counts.deleted++;
        if (row.terms.length > 0 || row.pkey !== null) this.differ('current-columns', place);
        continue;
      }
      this.counts.resources++;
      const member = version && bodies.get(version);
      // Its body was found wrong already: nothing to recompute from.
      if (!member) continue;
      if (typeName(row.rtype) === 'DocumentReference' && !annotated.has(`${row.part}/${row.rid}/${row.ver}`))
        this.differ('annotation', place);
      this.compare(row, member, stored, place);
    }
    for (const [line, n] of stored) for (let i = 0; i < n; i++) this.differ('index-extra', line);
  }

  /** Takes the rows that the body yields out of `stored`; what is left in the end is too much. */
  private compare(row: ResourceRow, member: SegmentMember, stored: Map<string, number>, place: string): void {
    const { keys } = this.tenant;
    const resource = resourceOf(member, member.content);
    const rows = indexResource(resource, this.context);
    const pkey = rows.patient === undefined ? null : keys.rid('Patient', rows.patient);
    const terms = new Set(rows.terms);
    const columns =
      row.pkey === pkey &&
      row.part === partOf(pkey ?? row.rid) &&
      (row.at === null ? undefined : Number(row.at)) === rows.at &&
      row.derived === (derivedFrom(resource, this.context.base) !== undefined) &&
      row.digest === keys.digest(member.content) &&
      member.content === contentOf(resource) &&
      row.terms.length === terms.size &&
      row.terms.every((term) => terms.has(term)) &&
      (row.sorted === null || String(row.sorted) === String(rows.sorted));
    if (!columns) this.differ('current-columns', place);
    if (member.sortLine !== undefined && member.sortLine !== sortLine(resource))
      this.differ('sort-texts', place);
    const expected = new RowSet();
    addIndexRows(keys, row.part, row.rtype, row.rid, rows, expected);
    for (const table of INDEX_TABLES) {
      for (const line of linesOf(table, expected.values[table])) {
        const n = stored.get(line) ?? 0;
        if (n === 0) this.differ('index-missing', line);
        else if (n === 1) stored.delete(line);
        else stored.set(line, n - 1);
      }
    }
  }

  private async indexRows(from: number, to: number): Promise<Map<string, number>> {
    const stored = new Map<string, number>();
    for (const table of INDEX_TABLES) {
      const { name, columns } = TABLES[table];
      const names = columns.map(([c]) => c).join(', ');
      const rows =
        table === 'sorted'
          ? await this.sortedRows(names, to)
          : await this.select<Record<string, unknown>>(names, name, from, to);
      this.counts.indexRows += rows.length;
      for (const row of rows) {
        const line = `${table} ${columns.map(([c]) => row[c]).join(' ')}`;
        stored.set(line, (stored.get(line) ?? 0) + 1);
      }
    }
    return stored;
  }

  /** The next rows up to a part, of a table that no index gives by part: it is read once, in that order. */
  private async sortedRows(names: string, to: number): Promise<Record<string, unknown>[]> {
    if (!this.sorted) {
      await this.client.query(
        `declare sorted_rows no scroll cursor for select ${names} from ${TABLES.sorted.name} order by part`,
      );
      this.sorted = [];
    }
    const found: Record<string, unknown>[] = [];
    for (;;) {
      const next = this.sorted.findIndex((row) => Number(row.part) > to);
      found.push(...this.sorted.splice(0, next < 0 ? this.sorted.length : next));
      if (next >= 0) return found;
      this.sorted = await run(this.client, `fetch ${SORTED_ROWS_AT_ONCE} from sorted_rows`);
      if (this.sorted.length === 0) return found;
    }
  }

  /** Every version is spoken of by the audit row of its transaction, and nothing else is. */
  private async audit(from: number, to: number, versions: readonly VersionRow[]): Promise<void> {
    const { keys } = this.tenant;
    const spoken = new Set<string>();
    const erased = new Map<string, number>();
    const rows = await this.select<{ part: number; at: bigint; aid: string; sealed: Buffer }>(
      'part, at, aid, sealed',
      'audit',
      from,
      to,
    );
    for (const row of rows) {
      try {
        const entry = openAudit(keys, { ...row, at: Number(row.at) });
        for (const [, type, id, version] of entry.writes)
          spoken.add(`${row.part}/${keys.rid(type, id)}/${version}`);
        for (const [type, id, version] of entry.erased ?? []) {
          const place = `${row.part}/${keys.rid(type, id)}`;
          erased.set(place, Math.max(version, erased.get(place) ?? 0));
        }
      } catch {
        this.differ('audit', `audit ${row.part}/${row.at}/${row.aid}`);
      }
    }
    for (const row of versions) {
      if (!spoken.delete(`${row.part}/${row.rid}/${row.ver}`))
        this.differ('audit', `version ${row.part}/${typeName(row.rtype)}/${row.rid}/${row.ver}`);
    }
    for (const place of spoken) {
      const slash = place.lastIndexOf('/');
      const gone = erased.get(place.slice(0, slash)) ?? 0;
      if (Number(place.slice(slash + 1)) > gone) this.differ('audit', `no version ${place}`);
    }
  }
}

/** Index rows as text, the same for numbers and bigints, to compare what was computed with what was read. */
function* linesOf(table: TableKey, values: readonly unknown[]): Generator<string> {
  const width = TABLES[table].columns.length;
  for (let i = 0; i < values.length; i += width) yield `${table} ${values.slice(i, i + width).join(' ')}`;
}
