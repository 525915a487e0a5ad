import type { Clock } from '../core/clock.js';
import { laneOf } from '../core/profile.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { Tenant } from '../tenancy/tenant.js';
import { readSortLines } from './bodies.js';
import { resourceOf, resourceText } from './content.js';
import type { Actor, Store } from './contract.js';
import { faultOf } from './database.js';
import { erase } from './erase.js';
import { needsIntegrity } from './integrity.js';
import { createTenantParameters, type KnownParameters } from './parameters.js';
import { prepareWrites } from './prepare.js';
import { history, readCurrent, readMany, readRows, readVersion } from './read.js';
import { fenceIndex, reindexParts } from './reindex.js';
import { resealParts, resealRest, shutOldKeys } from './reseal-parts.js';
import { scanMembers } from './scan.js';
import { settledUpTo } from './settled.js';
import { singleWrite } from './single-write.js';
import { inTransaction } from './transaction.js';
import { verifyTenant } from './verify.js';
import { WriteTransaction } from './write-transaction.js';

export interface StoreSettings {
  readonly clock: Clock;
  /** Where tenants' FHIR bases start, without trailing slash: a tenant's own is `{base}/{name}`. */
  readonly base: string;
}

function baseOf({ base }: StoreSettings, tenant: Tenant): string {
  return `${base}/${tenant.record.name}`;
}

function indexContext(settings: StoreSettings, tenant: Tenant, { indexed }: KnownParameters): IndexContext {
  return { blind: tenant.keys.blind, base: baseOf(settings, tenant), registry: indexed };
}

export function createStore(settings: StoreSettings): Store {
  const { clock } = settings;
  const parameters = createTenantParameters();

  function transaction<T>(
    tenant: Tenant,
    actor: Actor,
    work: (tx: WriteTransaction, parameterEpoch: number) => Promise<T>,
  ): Promise<T> {
    return timed(actor, () =>
      inTransaction(tenant, async (client, epoch) => {
        const context = indexContext(settings, tenant, await parameters.ofEpoch(tenant, epoch, client));
        return work(new WriteTransaction(tenant, client, actor, context, clock.now()), epoch);
      }),
    );
  }

  return {
    async commit(tenant, writes, actor) {
      if (writes.length === 0) return [];
      const known = parameters.assumed(tenant);
      const { indexPhase } = tenant.keys;
      const prepare = () => prepareWrites(tenant.keys, indexContext(settings, tenant, known), writes);
      const lane = laneOf(actor);
      const prepared = await (lane ? lane.during('index', prepare) : prepare());
      const alone =
        prepared.length === 1 &&
        !prepared[0]!.holdFormer &&
        !(tenant.record.integrity && needsIntegrity(prepared[0]!, baseOf(settings, tenant)));
      if (alone) {
        const result = await singleWrite(tenant, prepared[0]!, actor, clock.now(), known.epoch, indexPhase);
        if (result) return [result];
      }
      return transaction(tenant, actor, (tx, epoch) =>
        epoch === known.epoch && indexPhase === tenant.keys.indexPhase
          ? tx.writePrepared(prepared)
          : tx.write(writes),
      );
    },
    async commitKept(tenant, batch, actor) {
      if (batch.columns.ids.length === 0) return [];
      return transaction(tenant, actor, async (tx, epoch) =>
        epoch === batch.parameters && batch.indexPhase === tenant.keys.indexPhase
          ? tx.writeKept(batch)
          : undefined,
      );
    },
    parameters,
    reindex: (tenant, types, parts) =>
      reindexParts(
        tenant,
        async (epoch, db) => indexContext(settings, tenant, await parameters.ofEpoch(tenant, epoch, db)),
        types,
        parts,
      ),
    fenceIndex: (tenant, phase) => fenceIndex(tenant, phase),
    reseal: (tenant, parts) => resealParts(tenant, baseOf(settings, tenant), parts),
    async endReseal(tenant) {
      await resealRest(tenant);
      return shutOldKeys(tenant);
    },
    erase: (tenant, request, actor) =>
      inTransaction(tenant, async (client, epoch) => {
        const context = indexContext(settings, tenant, await parameters.ofEpoch(tenant, epoch, client));
        return erase(tenant, client, actor, context, clock.now(), request);
      }),
    transact: (tenant, actor, work) => transaction(tenant, actor, (tx) => work(tx)),
    read: (tenant, type, id) => asFault(readCurrent(tenant, tenant.pool, type, id)),
    readVersion: (tenant, type, id, version) => asFault(readVersion(tenant, tenant.pool, type, id, version)),
    readMany: (tenant, keys) => asFault(readMany(tenant, tenant.pool, keys)),
    readRows: (tenant, rows) => asFault(readRows(tenant, tenant.pool, rows)),
    settled: (tenant) => asFault(settledUpTo(tenant, clock)),
    sortLines: (tenant, rows) => asFault(readSortLines(tenant.keys, tenant.pool, rows)),
    history: (tenant, type, id, options) => asFault(history(tenant, tenant.pool, type, id, options)),
    replaceDerivedGroup: (tenant, documentId, resources, actor) =>
      transaction(tenant, actor, (tx) => tx.replaceDerivedGroup(documentId, resources)),
    async verify(tenant, options) {
      const known = await parameters.current(tenant);
      return verifyTenant(tenant, indexContext(settings, tenant, known), options);
    },
    async *scan(tenant, options) {
      for await (const members of scanMembers(tenant, options))
        yield members.map((member) => resourceOf(member, member.content));
    },
    async *scanText(tenant, options) {
      for await (const members of scanMembers(tenant, options))
        yield members.map((member) => ({
          type: member.type,
          id: member.id,
          version: member.version,
          lastUpdated: member.lastUpdated,
          text: resourceText(member, member.content),
        }));
    },
  };
}

/** What a transaction takes besides sealing is, to a job's profile, its commit. */
async function timed<T>(actor: Actor, work: () => Promise<T>): Promise<T> {
  const lane = laneOf(actor);
  if (!lane) return work();
  const from = performance.now();
  const sealed = lane.total.seal;
  try {
    return await work();
  } finally {
    lane.add('commit', Math.max(performance.now() - from - (lane.total.seal - sealed), 0));
  }
}

async function asFault<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw faultOf(error);
  }
}
