import type pg from 'pg';
import { patientsOf } from '../fhir/compartment.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { PatientKey } from '../tenancy/patient-key.js';
import type { SealContext, Tenant, TenantKeys, WrappedPatientKey } from '../tenancy/tenant.js';
import { resourceOf } from './content.js';
import { intArray, type Queryable, run } from './database.js';
import { isBlank } from './erase.js';
import { idempotencyContext } from './idempotency.js';
import { parametersContext } from './parameters.js';
import { ownKeyOf, ownKeys } from './patient-keys.js';
import { partOf } from './prepare.js';
import { type AnnotationSeal, resealAnnotations, resealSegments } from './reseal.js';
import { openSegment, SEGMENT_COLUMNS, type SegmentRow } from './segment.js';
import { inTransaction } from './transaction.js';

/** Pieces sealed anew in one transaction: some 1 MB, whose readers never wait and whose writers there are none of. */
const PIECES_PER_BATCH = 500;

export interface ResealCounts {
  /** Segments, annotations and others sealed anew. */
  readonly resealed: number;
  /** Patients' keys wrapped anew. */
  readonly rewrapped: number;
}

/** Oldest versions that anything is sealed under or wrapped by from now on. */
export interface LeastVersions {
  readonly body: number;
  readonly patient: number;
}

/**
 * Seals what stands in a range of parts (both ends inclusive) under an older version of the body key anew under the
 * current one, and wraps patients' keys anew by the current one. What is of one patient and was sealed before there were
 * patients' keys gets one. Reads and writes go on; doing it again changes nothing.
 * @param base the tenant's FHIR base, to tell whose a resource is
 */
export async function resealParts(
  tenant: Tenant,
  base: string,
  parts: { readonly from: number; readonly to: number },
): Promise<ResealCounts> {
  const { keys } = tenant;
  const rewrapped = await everyBatch(tenant, (client) => rewrapBatch(keys, client, parts));
  let resealed = 0;
  let after: { part: number; sid: bigint } | undefined = { part: parts.from, sid: -(2n ** 63n) };
  while (after) {
    const place: { part: number; sid: bigint } = after;
    const [n, next] = await inTransaction(tenant, (client) =>
      segmentBatch(keys, client, base, parts.to, place),
    );
    resealed += n;
    after = next;
  }
  resealed += await everyBatch(tenant, (client) => annotationBatch(keys, client, parts));
  return { resealed, rewrapped };
}

/** Repeats until a batch is not full. */
async function everyBatch(tenant: Tenant, work: (client: pg.PoolClient) => Promise<number>): Promise<number> {
  let done = 0;
  for (;;) {
    const n = await inTransaction(tenant, work);
    done += n;
    if (n < PIECES_PER_BATCH) return done;
  }
}

async function rewrapBatch(
  keys: TenantKeys,
  db: Queryable,
  { from, to }: { from: number; to: number },
): Promise<number> {
  const rows = await run<WrappedPatientKey & { part: number }>(
    db,
    `select part, owner, wv, wrapped from patient_key where part between $1 and $2 and wv < $3
       order by part, owner limit ${PIECES_PER_BATCH} for update`,
    [from, to, keys.wrapVersion],
  );
  const fresh = rows.flatMap((row) => {
    const again = keys.rewrapPatientKey(row);
    return again ? [{ ...again, part: row.part }] : [];
  });
  if (fresh.length > 0)
    await run(
      db,
      `update patient_key p set wv = k.wv, wrapped = decode(k.wrapped, 'hex')
         from unnest($1::int[], $2::bigint[], $3::int[], $4::text[]) as k (part, owner, wv, wrapped)
         where p.part = k.part and p.owner = k.owner`,
      [
        intArray(fresh.map((r) => r.part)),
        intArray(fresh.map((r) => r.owner)),
        intArray(fresh.map((r) => r.wv)),
        fresh.map((r) => r.wrapped.toString('hex')),
      ],
    );
  return fresh.length;
}

type Place = { part: number; sid: bigint };

/** @returns how many were sealed anew, and behind which to go on */
async function segmentBatch(
  keys: TenantKeys,
  db: Queryable,
  base: string,
  to: number,
  after: Place,
): Promise<[number, Place | undefined]> {
  const rows = await run<SegmentRow & { kv: number }>(
    db,
    `select ${SEGMENT_COLUMNS}, s.kv from segment s ${ownKeyOf('s')}
       where (s.part, s.sid) > ($1, $2) and s.part <= $3 and (s.kv < $4 or ($5 and s.owner is null))
       order by s.part, s.sid limit ${PIECES_PER_BATCH} for update of s`,
    [after.part, after.sid, to, keys.currentVersion, keys.wrapVersion > 0],
  );
  const owners = new Map<SegmentRow, bigint>();
  for (const row of rows) {
    const owner = row.owner ?? (keys.wrapVersion > 0 ? ownerOfSegment(keys, base, row) : null);
    if (owner !== null) owners.set(row, owner);
  }
  const own = await ownKeys(keys, db, owners.values());
  const patientOf = (row: SegmentRow): PatientKey | undefined => own.get(owners.get(row) ?? 0n);
  const stale = rows.filter((row) => row.kv < keys.currentVersion || (row.owner === null && patientOf(row)));
  await resealSegments(keys, db, stale, patientOf);
  return [stale.length, rows.length < PIECES_PER_BATCH ? undefined : rows.at(-1)];
}

/** Whose a segment of before is, by what is in it: all of it is of one compartment. */
function ownerOfSegment(keys: TenantKeys, base: string, row: SegmentRow): bigint | null {
  const member = openSegment(keys, row).find((m) => !isBlank(m));
  if (!member) return null;
  if (member.type === 'Binary') return keys.rid('Binary', member.id);
  const patients = patientsOf(resourceOf(member, member.content), base);
  const owner = patients.length === 1 ? keys.rid('Patient', patients[0]!) : null;
  return owner !== null && partOf(owner) === row.part ? owner : null;
}

async function annotationBatch(
  keys: TenantKeys,
  db: Queryable,
  { from, to }: { from: number; to: number },
): Promise<number> {
  const rows = await run<AnnotationSeal & { pkey: bigint | null }>(
    db,
    `select a.part, a.rid, a.ver, a.sealed, a.owner, pk.wv, pk.wrapped, r.pkey
       from annotation a ${ownKeyOf('a')}
       left join resource r on r.part = a.part and r.rid = a.rid and r.rtype = $5
       where a.part between $1 and $2 and a.sealed is not null
         and (a.kv < $3 or ($4 and a.owner is null and r.pkey is not null))
       order by a.part, a.rid limit ${PIECES_PER_BATCH} for update of a`,
    [from, to, keys.currentVersion, keys.wrapVersion > 0, typeNumber('DocumentReference')],
  );
  const owners = new Map(rows.map((row) => [row as AnnotationSeal, row.owner ?? row.pkey]));
  const own = await ownKeys(
    keys,
    db,
    [...owners.values()].filter((owner) => owner !== null),
  );
  await resealAnnotations(keys, db, rows, (row) => own.get(owners.get(row) ?? 0n));
  return rows.length;
}

/** What is of no part: answers kept for repeated requests, and the tenant's own search parameters. */
export async function resealRest(tenant: Tenant): Promise<number> {
  const { keys } = tenant;
  const again = (sealed: Buffer, context: SealContext) => keys.seal(keys.open(sealed, context), context);
  return inTransaction(tenant, async (client) => {
    const version = keys.currentVersion;
    const answers = await run<{ ikey: bigint; sealed: Buffer }>(
      client,
      'select ikey, sealed from idempotency where kv < $1 order by ikey for update',
      [version],
    );
    for (const { ikey, sealed } of answers)
      await run(client, 'update idempotency set kv = $2, sealed = $3 where part = 0 and ikey = $1', [
        ikey,
        version,
        again(sealed, idempotencyContext(ikey)),
      ]);
    const parameters = await run<{ epoch: number; sealed: Buffer }>(
      client,
      'select epoch, sealed from own_parameters where kv < $1 for update',
      [version],
    );
    for (const { epoch, sealed } of parameters)
      await run(client, 'update own_parameters set kv = $1, sealed = $2 where part = 0', [
        version,
        again(sealed, parametersContext(epoch)),
      ]);
    return answers.length + parameters.length;
  });
}

/**
 * Shuts out the older versions for good, if nothing is sealed under or wrapped by them any more: from then on no writer
 * uses them, whatever keys it has in memory, and they may be destroyed.
 * @returns undefined where something still needs them
 */
export async function shutOldKeys(tenant: Tenant): Promise<LeastVersions | undefined> {
  const { keys } = tenant;
  return inTransaction(tenant, async (client) => {
    await client.query(
      `set local lock_timeout = ${LOCK_TIMEOUT_MS}; set local statement_timeout = ${COUNT_TIMEOUT_MS};
       select 1 from tenant_epoch where part = 0 for update`,
    );
    const least = { body: keys.currentVersion, patient: keys.wrapVersion };
    const [row] = await run<{ old: boolean }>(
      client,
      `select exists (select from segment where kv < $1) or exists (select from annotation where kv < $1)
         or exists (select from idempotency where kv < $1) or exists (select from own_parameters where kv < $1)
         or exists (select from patient_key where wv < $2) as old`,
      [least.body, least.patient],
    );
    if (row?.old !== false) return undefined;
    await run(client, 'update tenant_epoch set least_body = $1, least_patient = $2 where part = 0', [
      least.body,
      least.patient,
    ]);
    return least;
  });
}

const LOCK_TIMEOUT_MS = 30_000;
/** Every row of the sealed tables is looked at while writers wait: a second or two for a million resources. */
const COUNT_TIMEOUT_MS = 120_000;
