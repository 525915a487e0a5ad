import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Fault } from '../core/fault.js';
import { parseJson, stringifyJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { PatientKey } from '../tenancy/patient-key.js';
import type { Tenant, TenantKeys } from '../tenancy/tenant.js';
import { type BodyPlace, openBodies } from './bodies.js';
import { resourceOf } from './content.js';
import type { Actor, ReplacedGroup, Store, StoreTransaction } from './contract.js';
import { faultOf, intArray, type Queryable, run } from './database.js';
import {
  ANNOTATION_STATES,
  type AnnotationState,
  DONE,
  FAILED,
  NO_TEXT,
  PENDING,
  RUNNING,
} from './document-state.js';
import { type OwnerColumns, ownKey, ownKeyOf, ownKeys } from './patient-keys.js';
import { annotationBind } from './reseal.js';

/** A document that this caller alone is to annotate until the lease ends. */
export interface ClaimedAnnotation {
  readonly documentId: string;
  /** The document's version that the result is for. */
  readonly version: number;
  readonly document: StoredResource;
  /** This one included; a caller gives up after a few. */
  readonly attempts: number;
  /** Which row and which lease; opaque to the caller. */
  readonly claim: { readonly part: number; readonly rid: bigint; readonly leaseUntil: bigint };
}

/** Most documents one claim hands out. */
const MAX_CLAIM = 1000;

const DOCUMENT = 'DocumentReference';

/** Leases run on the database's clock, so that workers with skewed clocks agree. */
const NOW = `(extract(epoch from clock_timestamp()) * 1000)::bigint`;

const CLAIM = `with
  waiting as (
    select part, rid from annotation where state = ${PENDING} order by updated_at limit $1 for update skip locked
  ),
  lapsed as (
    select part, rid from annotation where state = ${RUNNING} and lease_until < ${NOW} limit $1 for update skip locked
  )
  update annotation a set state = ${RUNNING}, attempts = a.attempts + 1, lease_until = ${NOW} + $2
  from (select * from waiting union all select * from lapsed limit $1) k
  where a.part = k.part and a.rid = k.rid
  returning a.part, a.rid, a.ver, a.attempts, a.lease_until`;

interface ClaimRow {
  part: number;
  rid: bigint;
  ver: number;
  attempts: number;
  lease_until: bigint;
}

/**
 * Takes up to `limit` documents that wait for annotation, or whose lease ran out, the longest waiting first. Two
 * callers never get the same one while its lease runs.
 */
export async function claimAnnotations(
  tenant: Tenant,
  limit: number,
  leaseMs: number,
): Promise<ClaimedAnnotation[]> {
  try {
    const claimed = await run<ClaimRow>(
      tenant.pool,
      CLAIM,
      [Math.min(limit, MAX_CLAIM), leaseMs],
      'store-annotation-claim',
    );
    if (claimed.length === 0) return [];
    const places = await run<BodyPlace>(
      tenant.pool,
      `select v.part, v.rid, v.ver, v.sid, v.slot from version v
       join unnest($2::int[], $3::bigint[], $4::int[]) as k (part, rid, ver)
       on v.part = k.part and v.rtype = $1 and v.rid = k.rid and v.ver = k.ver`,
      [
        typeNumber(DOCUMENT),
        intArray(claimed.map((c) => c.part)),
        intArray(claimed.map((c) => c.rid)),
        intArray(claimed.map((c) => c.ver)),
      ],
      'store-annotation-documents',
    );
    const members = await openBodies(tenant.keys, tenant.pool, places);
    const documents = new Map(places.map((place, i) => [place.rid, members[i]!]));
    return claimed.flatMap((row): ClaimedAnnotation[] => {
      const member = documents.get(row.rid);
      if (!member) return [];
      return [
        {
          documentId: member.id,
          version: row.ver,
          document: resourceOf(member, member.content),
          attempts: row.attempts,
          claim: { part: row.part, rid: row.rid, leaseUntil: row.lease_until },
        },
      ];
    });
  } catch (error) {
    throw faultOf(error);
  }
}

/** Lets a claim run `leaseMs` longer from now. @returns the claim to go on with; undefined where the lease was lost */
export async function renewAnnotation(
  tenant: Tenant,
  claimed: ClaimedAnnotation,
  leaseMs: number,
): Promise<ClaimedAnnotation | undefined> {
  const { part, rid, leaseUntil } = claimed.claim;
  const [row] = await run<{ lease_until: bigint }>(
    tenant.pool,
    `update annotation set lease_until = ${NOW} + $5
     where part = $1 and rid = $2 and ver = $3 and state = ${RUNNING} and lease_until = $4 returning lease_until`,
    [part, rid, claimed.version, leaseUntil, leaseMs],
    'store-annotation-renew',
  );
  return row && { ...claimed, claim: { part, rid, leaseUntil: row.lease_until } };
}

/** How the annotation of a document ended. */
export type AnnotationResult =
  /** Read: `annotation` is kept sealed, `resources` replace what the document yielded before. */
  | {
      readonly state: 'done';
      readonly pipeline: string;
      readonly annotation: unknown;
      readonly resources: readonly Resource[];
    }
  /** There is nothing to read; earlier facts of the document go. */
  | { readonly state: 'no-text'; readonly pipeline: string }
  /** Given up; earlier facts stay. `error` is a category of Fault, never a text of the note. */
  | { readonly state: 'failed'; readonly pipeline: string; readonly error: string }
  /** To be tried again by whoever claims it next. */
  | { readonly state: 'pending'; readonly error: string };

/** One claim and how it ended. */
export interface EndedAnnotation {
  readonly claimed: ClaimedAnnotation;
  readonly result: AnnotationResult;
}

/**
 * Ends a claim: the annotation and the resources it yields are written in one transaction, or neither is.
 * @throws Fault `conflict` when the document has a newer version or the lease was lost; nothing is written then.
 */
export async function completeAnnotation(
  store: Store,
  tenant: Tenant,
  claimed: ClaimedAnnotation,
  result: AnnotationResult,
  actor: Actor,
): Promise<ReplacedGroup | undefined> {
  const [ended] = await completeAnnotations(store, tenant, [{ claimed, result }], actor);
  if (ended === 'lost')
    throw new Fault(
      'conflict',
      'The document changed, or another worker took it over; this result was dropped.',
      {
        remedy: 'Nothing needs to be done: the document is annotated again.',
      },
    );
  return ended;
}

/**
 * Ends several claims in one transaction, which costs about as much as ending one. The answer is in their order: the
 * group as it was replaced; nothing where there was none to replace; `lost` where the document has a newer version or
 * the lease ran out, and nothing of that one was written.
 */
export async function completeAnnotations(
  store: Store,
  tenant: Tenant,
  ended: readonly EndedAnnotation[],
  actor: Actor,
): Promise<(ReplacedGroup | 'lost' | undefined)[]> {
  if (ended.length === 0) return [];
  return store.transact(tenant, actor, async (tx) => {
    const claims = ended.map(({ claimed }) => claimed.claim);
    // The documents before their annotation rows: the order every writer of a document takes.
    await tx.query(
      'select 1 from locator where rtype = $1 and rid in (select unnest($2::bigint[])) order by rid for update',
      [typeNumber(DOCUMENT), intArray(claims.map((c) => c.rid))],
    );
    const patients = await patientKeys(
      tenant.keys,
      tx,
      ended.filter(({ result }) => result.state === 'done').map(({ claimed }) => claimed.claim),
    );
    const version = tenant.keys.currentVersion;
    const sealed = ended.map(({ claimed, result }) =>
      result.state === 'done'
        ? sealAnnotation(
            tenant.keys,
            claimed.claim.part,
            claimed.claim.rid,
            claimed.version,
            result.annotation,
            patients.get(claimed.claim.rid),
          )
        : null,
    );
    const { rows } = await tx.query(
      `update annotation a set state = k.state, lease_until = 0, pipeline = k.pipeline, error = k.error,
         kv = case when k.sealed is null then null else $9::smallint end, sealed = k.sealed, owner = k.owner,
         updated_at = ${NOW}
       from unnest($1::int[], $2::bigint[], $3::int[], $4::bigint[], $5::smallint[], $6::text[], $7::text[], $8::bytea[],
           $10::bigint[])
         as k (part, rid, ver, lease_until, state, pipeline, error, sealed, owner)
       where a.part = k.part and a.rid = k.rid and a.ver = k.ver and a.state = ${RUNNING} and a.lease_until = k.lease_until
       returning a.rid`,
      [
        intArray(claims.map((c) => c.part)),
        intArray(claims.map((c) => c.rid)),
        intArray(ended.map(({ claimed }) => claimed.version)),
        intArray(claims.map((c) => c.leaseUntil)),
        intArray(ended.map(({ result }) => ANNOTATION_STATES.indexOf(result.state))),
        ended.map(({ result }) => ('pipeline' in result ? result.pipeline : null)),
        ended.map(({ result }) => ('error' in result ? result.error : null)),
        sealed,
        version,
        intArray(ended.map(({ claimed }) => patients.get(claimed.claim.rid)?.owner ?? null)),
      ],
    );
    const held = new Set(rows.map((row) => row.rid as bigint));
    const replacing = ended.filter(
      ({ claimed, result }) =>
        held.has(claimed.claim.rid) && (result.state === 'done' || result.state === 'no-text'),
    );
    const groups = await tx.replaceDerivedGroups(
      replacing.map(({ claimed, result }) => ({
        documentId: claimed.documentId,
        resources: result.state === 'done' ? result.resources : [],
      })),
    );
    const byDocument = new Map(replacing.map(({ claimed }, i) => [claimed.documentId, groups[i]]));
    return ended.map(({ claimed }) =>
      held.has(claimed.claim.rid) ? byDocument.get(claimed.documentId) : 'lost',
    );
  });
}

export interface AnnotationRead {
  readonly state: AnnotationState;
  /** Version of the document. */
  readonly version: number;
  readonly attempts: number;
  readonly pipeline: string | undefined;
  readonly error: string | undefined;
  /** ms since the epoch. */
  readonly updatedAt: number;
  /** The annotation JSON as it was given; only with state `done`. */
  readonly annotation: unknown;
}

interface AnnotationRow extends OwnerColumns {
  part: number;
  rid: bigint;
  ver: number;
  state: number;
  attempts: number;
  pipeline: string | null;
  error: string | null;
  updated_at: bigint;
  sealed: Buffer | null;
}

/** @returns undefined where there is no such document */
export async function readAnnotation(
  tenant: Tenant,
  documentId: string,
): Promise<AnnotationRead | undefined> {
  try {
    const [row] = await run<AnnotationRow>(
      tenant.pool,
      `select a.part, a.rid, a.ver, a.state, a.attempts, a.pipeline, a.error, a.updated_at, a.sealed,
         a.owner, pk.wv, pk.wrapped
       from locator l join annotation a on a.part = l.part and a.rid = l.rid ${ownKeyOf('a')} where l.rtype = $1 and l.rid = $2`,
      [typeNumber(DOCUMENT), tenant.keys.rid(DOCUMENT, documentId)],
      'store-annotation-read',
    );
    return (
      row && {
        state: ANNOTATION_STATES[row.state]!,
        version: row.ver,
        attempts: row.attempts,
        pipeline: row.pipeline ?? undefined,
        error: row.error ?? undefined,
        updatedAt: Number(row.updated_at),
        annotation: row.sealed ? openAnnotation(tenant.keys, row, row.sealed) : undefined,
      }
    );
  } catch (error) {
    throw faultOf(error);
  }
}

/** States of several documents at once, by document id; without those that are none. */
export async function annotationStates(
  tenant: Tenant,
  documentIds: readonly string[],
): Promise<Map<string, AnnotationState>> {
  const ids = new Map(documentIds.map((id) => [tenant.keys.rid(DOCUMENT, id), id]));
  const rows = await run<{ rid: bigint; state: number }>(
    tenant.pool,
    `select a.rid, a.state from locator l join unnest($2::bigint[]) as k (rid) on l.rtype = $1 and l.rid = k.rid
     join annotation a on a.part = l.part and a.rid = l.rid`,
    [typeNumber(DOCUMENT), intArray([...ids.keys()])],
    'store-annotation-states',
  );
  return new Map(rows.map((row) => [ids.get(row.rid)!, ANNOTATION_STATES[row.state]!]));
}

/** How many documents are in each state. */
export async function countAnnotations(tenant: Tenant): Promise<Record<AnnotationState, number>> {
  const rows = await run<{ state: number; n: bigint }>(
    tenant.pool,
    'select state, count(*) as n from annotation group by state',
  );
  const counts = Object.fromEntries(ANNOTATION_STATES.map((s) => [s, 0])) as Record<AnnotationState, number>;
  for (const row of rows) counts[ANNOTATION_STATES[row.state]!] = Number(row.n);
  return counts;
}

/**
 * Puts documents that another version of the pipeline read back into the queue, so that what they yield is replaced.
 * @returns how many
 */
export async function requeueAnnotations(tenant: Tenant, currentPipeline: string): Promise<number> {
  const rows = await run(
    tenant.pool,
    `update annotation set state = ${PENDING}, attempts = 0
     where state in (${DONE}, ${FAILED}, ${NO_TEXT}) and pipeline is distinct from $1 returning 1`,
    [currentPipeline],
  );
  return rows.length;
}

/** An annotation repeats its own words; a note of the largest size allowed yields less than this. */
const MAX_ANNOTATION_BYTES = 256 * 1024 * 1024;

/** By document, the keys of the patients whose compartments the documents are in; none for those in no one's. */
async function patientKeys(
  keys: TenantKeys,
  tx: StoreTransaction,
  documents: readonly { readonly part: number; readonly rid: bigint }[],
): Promise<ReadonlyMap<bigint, PatientKey>> {
  if (documents.length === 0) return new Map();
  const { rows } = await tx.query(
    `select r.rid, r.pkey from resource r join unnest($1::int[], $2::bigint[]) as k (part, rid)
       on r.part = k.part and r.rid = k.rid where r.rtype = $3 and r.pkey is not null`,
    [intArray(documents.map((d) => d.part)), intArray(documents.map((d) => d.rid)), typeNumber(DOCUMENT)],
  );
  const db = { query: ({ text, values }: { text: string; values: unknown[] }) => tx.query(text, values) };
  const own = await ownKeys(
    keys,
    db as unknown as Queryable,
    rows.map((row) => row.pkey as bigint),
  );
  const found = new Map<bigint, PatientKey>();
  for (const row of rows) {
    const key = own.get(row.pkey as bigint);
    if (key) found.set(row.rid as bigint, key);
  }
  return found;
}

function sealAnnotation(
  keys: TenantKeys,
  part: number,
  rid: bigint,
  ver: number,
  annotation: unknown,
  patient: PatientKey | undefined,
): Buffer {
  const plain = deflateRawSync(stringifyJson(annotation), { level: 5 });
  return keys.seal(plain, { purpose: 'body', bind: annotationBind(part, rid, ver), patient });
}

function openAnnotation(keys: TenantKeys, row: AnnotationRow, sealed: Buffer): unknown {
  const bind = annotationBind(row.part, row.rid, row.ver);
  const plain = keys.open(sealed, { purpose: 'body', bind, patient: ownKey(keys, row) });
  return parseJson(inflateRawSync(plain, { maxOutputLength: MAX_ANNOTATION_BYTES }).toString('utf8'));
}
