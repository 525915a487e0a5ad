import type { PatientKey } from '../tenancy/patient-key.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { intArray, type Queryable, run } from './database.js';
import { type OwnerColumns, ownKey, ownKeyOf } from './patient-keys.js';
import { SEGMENT_COLUMNS, type SegmentRow } from './segment.js';

/** An annotation as it is sealed; what it is bound to stands in `annotations.ts`, which uses this. */
export interface AnnotationSeal extends OwnerColumns {
  readonly part: number;
  readonly rid: bigint;
  readonly ver: number;
  readonly sealed: Buffer;
}

export const annotationBind = (part: number, rid: bigint, ver: number) =>
  ['annotation', part, rid, ver] as const;

/**
 * Seals segments anew under the current body key and the keys given, without looking into them: what they are bound to
 * stays the same.
 */
export async function resealSegments(
  keys: TenantKeys,
  db: Queryable,
  rows: readonly SegmentRow[],
  patientOf: (row: SegmentRow) => PatientKey | undefined,
): Promise<void> {
  if (rows.length === 0) return;
  const version = keys.currentVersion;
  const patients = rows.map(patientOf);
  const sealed = rows.map((row, i) => {
    const bind = [row.part, row.sid, row.bind];
    const plain = keys.open(row.sealed, { purpose: 'body', bind, patient: ownKey(keys, row) });
    return keys.seal(plain, { purpose: 'body', bind, patient: patients[i] }).toString('hex');
  });
  await run(
    db,
    `update segment s set kv = $5, sealed = decode(k.sealed, 'hex'), owner = k.owner
       from unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[]) as k (part, sid, sealed, owner)
       where s.part = k.part and s.sid = k.sid`,
    [
      intArray(rows.map((r) => r.part)),
      intArray(rows.map((r) => r.sid)),
      sealed,
      intArray(patients.map((p) => p?.owner ?? null)),
      version,
    ],
    'store-reseal-segments',
  );
}

/** The same for annotations. */
export async function resealAnnotations(
  keys: TenantKeys,
  db: Queryable,
  rows: readonly AnnotationSeal[],
  patientOf: (row: AnnotationSeal) => PatientKey | undefined,
): Promise<void> {
  if (rows.length === 0) return;
  const version = keys.currentVersion;
  const patients = rows.map(patientOf);
  const sealed = rows.map((row, i) => {
    const bind = annotationBind(row.part, row.rid, row.ver);
    const plain = keys.open(row.sealed, { purpose: 'body', bind, patient: ownKey(keys, row) });
    return keys.seal(plain, { purpose: 'body', bind, patient: patients[i] }).toString('hex');
  });
  await run(
    db,
    `update annotation a set kv = $5, sealed = decode(k.sealed, 'hex'), owner = k.owner
       from unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[]) as k (part, rid, sealed, owner)
       where a.part = k.part and a.rid = k.rid`,
    [
      intArray(rows.map((r) => r.part)),
      intArray(rows.map((r) => r.rid)),
      sealed,
      intArray(patients.map((p) => p?.owner ?? null)),
      version,
    ],
    'store-reseal-annotations',
  );
}

/** Pieces opened and sealed anew in one go: some 2 MB. */
const PIECES_PER_BATCH = 500;

/**
 * Destroys keys of records. What is left of their pieces (versions of resources that have moved to another patient's
 * compartment since) is sealed under the body key alone first. Who remembers one of the keys is told by the epoch.
 * @param owners with the part each is in
 * @returns how many keys there were
 */
export async function destroyKeys(
  keys: TenantKeys,
  db: Queryable,
  owners: readonly { readonly part: number; readonly owner: bigint }[],
): Promise<number> {
  if (owners.length === 0) return 0;
  const values = [intArray(owners.map((o) => o.part)), intArray(owners.map((o) => o.owner))];
  const of = 'join unnest($1::int[], $2::bigint[]) as o (part, owner)';
  for (;;) {
    const rows = await run<SegmentRow>(
      db,
      `select ${SEGMENT_COLUMNS} from segment s ${of} on s.part = o.part and s.owner = o.owner ${ownKeyOf('s')}
         where pk.owner is not null limit ${PIECES_PER_BATCH}`,
      values,
    );
    await resealSegments(keys, db, rows, () => undefined);
    if (rows.length < PIECES_PER_BATCH) break;
  }
  const annotations = await run<AnnotationSeal>(
    db,
    `select a.part, a.rid, a.ver, a.sealed, a.owner, pk.wv, pk.wrapped from annotation a ${of}
       on a.part = o.part and a.owner = o.owner ${ownKeyOf('a')} where a.sealed is not null and pk.owner is not null`,
    values,
  );
  await resealAnnotations(keys, db, annotations, () => undefined);
  const gone = await run(
    db,
    `delete from patient_key k using unnest($1::int[], $2::bigint[]) as o (part, owner)
       where k.part = o.part and k.owner = o.owner returning 1`,
    values,
  );
  await run(db, 'update tenant_epoch set keys = keys + 1 where part = 0', []);
  return gone.length;
}
