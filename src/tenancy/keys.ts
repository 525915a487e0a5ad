import { createHmac, hkdfSync, type KeyObject } from 'node:crypto';
import { Fault } from '../core/fault.js';
import { dataKey, MAX_KEY_VERSION, openBytes, sealBytes, sealedKeyVersion } from './seal.js';
import { createSipHash } from './siphash.js';
import type { SealContext, TenantKeys } from './tenant.js';

/** The unwrapped keys of one tenant, 32 bytes each. */
export interface TenantKeyMaterial {
  /** Bound into every sealed piece. */
  readonly tenantId: string;
  /** Version in `body` that new pieces are sealed under. */
  readonly currentVersion: number;
  /** Body keys by version, 1 to 65535; old ones stay as long as a piece sealed under them exists. */
  readonly body: ReadonlyMap<number, Buffer>;
  /** Root of everything that must stay equal over time: rid, terms, digests. Not versioned. */
  readonly index: Buffer;
  readonly audit: Buffer;
  readonly export: Buffer;
}

/** Key version written for purposes whose key has no versions. */
const UNVERSIONED = 1;

/** HKDF-SHA-256 (RFC 5869) of a root key for one named use. */
function derive(root: Buffer, tenantId: string, use: string, bytes: number): Buffer {
  if (root.length !== 32) throw new Fault('internal', 'A data key must have 32 bytes.');
  return Buffer.from(hkdfSync('sha256', root, tenantId, `cenote ${use} 1`, bytes));
}

/** Associated data: every part preceded by its length, so that no two contexts give the same bytes. */
function associatedData(tenantId: string, keyVersion: number, context: SealContext): Buffer {
  let text = `${tenantId.length}:${tenantId}${context.purpose.length}:${context.purpose}${keyVersion}:`;
  for (const part of context.bind) {
    // The type is bound as well: the number 1 and the text "1" are different contexts.
    const s = typeof part === 'string' ? `s${part}` : `n${part}`;
    text += `${s.length}:${s}`;
  }
  return Buffer.from(text, 'utf8');
}

/**
 * The keys of one tenant, ready to use. Nothing here touches a database; the catalog unwraps the material and calls
 * this once per opened tenant. The buffers passed in may be overwritten afterwards.
 */
export function createTenantKeys(material: TenantKeyMaterial): TenantKeys {
  const { tenantId, currentVersion } = material;
  if (!material.body.has(currentVersion))
    throw new Fault('internal', 'The current body key of the tenant is missing.', {
      remedy: 'Check the tenant_key rows of this tenant in the control database.',
    });
  const index = Buffer.from(material.index);
  const terms = createSipHash(derive(index, tenantId, 'term', 16));
  const rids = createSipHash(derive(index, tenantId, 'rid', 16));
  const digests = createSipHash(derive(index, tenantId, 'digest', 16));

  /** Purpose and version to key. Job pieces share the body's versions but not its key. */
  const keys = new Map<string, KeyObject>();
  for (const [version, key] of material.body) {
    if (!Number.isInteger(version) || version < 1 || version > MAX_KEY_VERSION)
      throw new Fault('internal', 'A key version is out of range.');
    keys.set(`body ${version}`, dataKey(derive(key, tenantId, 'body', 32)));
    keys.set(`job ${version}`, dataKey(derive(key, tenantId, 'job', 32)));
  }
  keys.set(`audit ${UNVERSIONED}`, dataKey(derive(material.audit, tenantId, 'audit', 32)));
  keys.set(`audit-chain ${UNVERSIONED}`, dataKey(derive(material.audit, tenantId, 'audit-chain', 32)));
  keys.set(`export ${UNVERSIONED}`, dataKey(derive(material.export, tenantId, 'export', 32)));
  keys.set(`cursor ${UNVERSIONED}`, dataKey(derive(index, tenantId, 'cursor', 32)));

  const versionFor = (purpose: SealContext['purpose']) =>
    purpose === 'body' || purpose === 'job' ? currentVersion : UNVERSIONED;

  return {
    currentVersion,
    blind: terms.text,
    rid: (type, id) => rids.text(`${type}/${id}`),
    digest: (bytes) => (typeof bytes === 'string' ? digests.text(bytes) : digests.bytes(bytes)),
    auditMac(version, bytes) {
      const key = keys.get(`audit-chain ${version}`);
      if (!key) throw unknownVersion();
      return createHmac('sha256', key).update(bytes).digest();
    },
    seal(plain, context) {
      const version = versionFor(context.purpose);
      return sealBytes(
        keys.get(`${context.purpose} ${version}`)!,
        version,
        plain,
        associatedData(tenantId, version, context),
      );
    },
    open(sealed, context) {
      const version = sealedKeyVersion(sealed);
      const key = keys.get(`${context.purpose} ${version}`);
      if (!key) throw unknownVersion();
      return openBytes(key, sealed, associatedData(tenantId, version, context));
    },
  };
}

function unknownVersion(): Fault {
  return new Fault('integrity', 'Stored data is sealed under a key version that this tenant does not have.', {
    remedy: 'Restore the missing key version, or check that the data belongs to this tenant.',
  });
}
