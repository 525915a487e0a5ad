import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import type { Blind, IndexPrivacy } from '../core/blind.js';
import { Fault } from '../core/fault.js';
import { PatientKey } from './patient-key.js';
import { dataKey, MAX_KEY_VERSION, openBytes, sealBytes, sealedKeyVersion } from './seal.js';
import { createSipHash, type SipHash } from './siphash.js';
import type { SealContext, TenantKeys, WrappedPatientKey } from './tenant.js';
import { unwrapUnder, wrapUnder } from './wrap.js';

/** The unwrapped keys of one tenant, 32 bytes each. */
export interface TenantKeyMaterial {
  /** Bound into every sealed piece. */
  readonly tenantId: string;
  /** Version in `body` that new pieces are sealed under. */
  readonly currentVersion: number;
  /** Body keys by version, 1 to 65535; old ones stay as long as a piece sealed under them exists. */
  readonly body: ReadonlyMap<number, Buffer>;
  /** Keys that wrap patients' own keys, by version; none in a tenant of before. */
  readonly patient?: ReadonlyMap<number, Buffer> | undefined;
  /** Version in `patient` that wraps new ones; 0 where there is none. */
  readonly wrapVersion?: number | undefined;
  /** Root of the terms that are searched. */
  readonly index: Buffer;
  /** While the index key is changed: root of the terms that are written besides. */
  readonly alsoIndex?: Buffer | undefined;
  /** Steps of changes of the index key so far. */
  readonly indexPhase?: number | undefined;
  /** What must stay equal over time (`identityOf`); where absent, it is derived from `index`. */
  readonly identity?: Buffer | undefined;
  /** How much the terms tell; `exact` where absent. */
  readonly privacy?: IndexPrivacy | undefined;
  /** By version; old ones stay, since the log and its chain are never written anew. */
  readonly audit: ReadonlyMap<number, Buffer>;
  readonly auditVersion: number;
  /** By version; old ones stay as long as files sealed under them are kept. */
  readonly export: ReadonlyMap<number, Buffer>;
  readonly exportVersion: number;
}

/** Key version written for page links, whose key stays with the tenant. */
const UNVERSIONED = 1;
const IDENTITY_BYTES = { rid: 16, digest: 16, cursor: 32 } as const;

/**
 * The keys of hashed ids, of digests and of page links, derived from the first index key: kept by themselves, they stay
 * the same when that key is destroyed, and nothing of the index follows from them.
 */
export function identityOf(index: Buffer, tenantId: string): Buffer {
  const { rid, digest, cursor } = IDENTITY_BYTES;
  return Buffer.concat([
    derive(index, tenantId, 'rid', rid),
    derive(index, tenantId, 'digest', digest),
    derive(index, tenantId, 'cursor', cursor),
  ]);
}

/** HKDF-SHA-256 (RFC 5869) of a root key for one named use. */
function derive(root: Buffer, tenantId: string, use: string, bytes: number): Buffer {
  if (root.length !== 32) throw new Fault('internal', 'A data key must have 32 bytes.');
  return Buffer.from(hkdfSync('sha256', root, tenantId, `cenote ${use} 1`, bytes));
}

/**
 * What is derived of a tenant's keys. It can be sent to another thread of this process, where `keysOf` makes the same
 * keys of it: secrets are `KeyObject`s, whose bytes stay outside of any heap on the way.
 */
export interface DerivedKeys {
  readonly tenantId: string;
  readonly privacy: IndexPrivacy | undefined;
  readonly currentVersion: number;
  readonly wrapVersion: number;
  readonly auditVersion: number;
  readonly exportVersion: number;
  readonly indexPhase: number;
  /** By purpose and version. Job pieces share the body's versions but not its key. */
  readonly data: ReadonlyMap<string, KeyObject>;
  readonly wraps: ReadonlyMap<number, KeyObject>;
  /** Of ids and of digests, 16 bytes each. */
  readonly identity: KeyObject;
  readonly terms: KeyObject;
  readonly alsoTerms: KeyObject | undefined;
}

/** Uses that a thread which prepares and seals what is written has keys for. */
const HANDED_USES = /^(?:body|patient|audit|audit-chain) /;

function derivedKeys(material: TenantKeyMaterial, identity: Buffer): DerivedKeys {
  const { tenantId, index, alsoIndex } = material;
  if (!material.body.has(material.currentVersion))
    throw new Fault('internal', 'The current body key of the tenant is missing.', {
      remedy: 'Check the tenant_key rows of this tenant in the control database.',
    });
  const data = new Map<string, KeyObject>();
  for (const [version, key] of material.body) {
    if (!Number.isInteger(version) || version < 1 || version > MAX_KEY_VERSION)
      throw new Fault('internal', 'A key version is out of range.');
    for (const use of ['body', 'job', 'patient'])
      data.set(`${use} ${version}`, dataKey(derive(key, tenantId, use, 32)));
  }
  for (const [version, key] of material.audit)
    for (const use of ['audit', 'audit-chain'])
      data.set(`${use} ${version}`, dataKey(derive(key, tenantId, use, 32)));
  for (const [version, key] of material.export)
    data.set(`export ${version}`, dataKey(derive(key, tenantId, 'export', 32)));
  data.set(`cursor ${UNVERSIONED}`, dataKey(identity.subarray(32)));
  const termKey = (root: Buffer) => createSecretKey(derive(root, tenantId, 'term', 16));
  return {
    tenantId,
    privacy: material.privacy,
    currentVersion: material.currentVersion,
    wrapVersion: material.wrapVersion ?? 0,
    auditVersion: material.auditVersion,
    exportVersion: material.exportVersion,
    indexPhase: material.indexPhase ?? 0,
    data,
    wraps: new Map([...(material.patient ?? [])].map(([version, key]) => [version, createSecretKey(key)])),
    identity: createSecretKey(identity.subarray(0, 32)),
    terms: termKey(index),
    alsoTerms: alsoIndex && termKey(alsoIndex),
  };
}

/** SipHash under a key of 16 bytes, whose copy is overwritten. */
function sipHashOf(key: KeyObject): SipHash {
  const bytes = key.export();
  const hash = createSipHash(bytes);
  bytes.fill(0);
  return hash;
}

function blindUnder(key: KeyObject, privacy: IndexPrivacy | undefined, also?: Blind): Blind {
  const terms = sipHashOf(key);
  return Object.assign((text: string) => terms.text(text), { privacy, also });
}

/** Associated data: every part preceded by its length, so that no two contexts give the same bytes. */
function associatedData(tenantId: string, keyVersion: number, context: SealContext): Buffer {
  let text = `${tenantId.length}:${tenantId}${context.purpose.length}:${context.purpose}${keyVersion}:`;
  for (const part of context.bind) {
    // The type is bound as well: the number 1 and the text "1" are different contexts.
    const s = typeof part === 'string' ? `s${part}` : `n${part}`;
    text += `${s.length}:${s}`;
  }
  if (context.patient) text += `patient ${context.patient.owner}`;
  return Buffer.from(text, 'utf8');
}

/** Keys that can be brought up to date where they are, for whoever holds them. */
export interface LiveKeys extends TenantKeys {
  /** Takes on other versions. What does not change over time (terms, rid, digests) must be the same. */
  adopt(material: TenantKeyMaterial): void;
  /** Forgets them: everything is refused as `unavailable` until they are adopted again. */
  withdraw(): void;
}

/** Patients' keys remembered unwrapped, some 500 bytes each; a batch of a bulk load or export meets fewer. */
const MAX_REMEMBERED_PATIENTS = 10_000;

/**
 * The keys of one tenant, ready to use. Nothing here touches a database; the catalog unwraps the material and calls
 * this once per opened tenant. The buffers passed in may be overwritten afterwards.
 * @param reload what `TenantKeys.reload` does; nothing where keys never change
 */
export function createTenantKeys(
  given: TenantKeyMaterial,
  reload: () => Promise<void> = async () => {},
): LiveKeys {
  const identity = Buffer.from(given.identity ?? identityOf(given.index, given.tenantId));
  const keys = keysUnder(derivedKeys(given, identity), reload);
  return Object.assign(keys, {
    adopt: (material: TenantKeyMaterial) => keys.take(derivedKeys(material, identity)),
  });
}

/** The keys of a tenant in a thread that was handed what is derived of them (`TenantKeys.handOver`). */
export function keysOf(handed: DerivedKeys): TenantKeys {
  return keysUnder(handed, async () => {});
}

function keysUnder(
  given: DerivedKeys,
  reload: () => Promise<void>,
): TenantKeys & { take(next: DerivedKeys): void; withdraw(): void } {
  let derived = given;
  let withdrawn = false;
  let blind: Blind | undefined;
  /** In order of use, oldest first. What is wrapped stands beside it: another row for the owner is another key. */
  const patients = new Map<bigint, { readonly wrapped: Buffer; readonly key: PatientKey }>();
  /** What `handOver` gives, made once for as long as the keys are these. */
  let handed: DerivedKeys | undefined;

  function take(next: DerivedKeys): void {
    // It stays the same function as long as its key does, since terms are remembered by it.
    const same =
      next.terms.equals(derived.terms) &&
      (next.alsoTerms ? derived.alsoTerms?.equals(next.alsoTerms) : !derived.alsoTerms);
    if (!blind || !same) {
      const also = next.alsoTerms && blindUnder(next.alsoTerms, next.privacy);
      blind = blindUnder(next.terms, next.privacy, also);
    }
    derived = next;
    withdrawn = false;
    handed = undefined;
    // Patients' keys hold what they give with each version of the body key, dropped ones included.
    patients.clear();
  }
  const identity = given.identity.export();
  const rids = createSipHash(identity.subarray(0, 16));
  const digests = createSipHash(identity.subarray(16, 32));
  identity.fill(0);
  take(given);

  const keyFor = (use: string, version: number): KeyObject => {
    if (withdrawn) throw unavailable();
    const key = derived.data.get(`${use} ${version}`);
    if (!key) throw unknownVersion();
    return key;
  };
  const dataKeyFor = ({ purpose, patient }: SealContext, version: number): KeyObject =>
    patient ? patient.with(version, keyFor('patient', version)) : keyFor(purpose, version);

  const versionFor = (purpose: SealContext['purpose']): number => {
    switch (purpose) {
      case 'body':
      case 'job':
        return derived.currentVersion;
      case 'audit':
        return derived.auditVersion;
      case 'export':
        return derived.exportVersion;
      case 'cursor':
        return UNVERSIONED;
    }
  };

  const wrapFor = (version: number): KeyObject => {
    if (withdrawn) throw unavailable();
    const key = derived.wraps.get(version);
    if (!key) throw unknownVersion();
    return key;
  };
  const place = (owner: bigint, version: number) =>
    ({ tenantId: given.tenantId, purpose: 'patient', version, owner }) as const;

  function remember(key: PatientKey, wrapped: Buffer): PatientKey {
    patients.delete(key.owner);
    patients.set(key.owner, { wrapped, key });
    if (patients.size > MAX_REMEMBERED_PATIENTS)
      for (const oldest of patients.keys()) {
        patients.delete(oldest);
        break;
      }
    return key;
  }

  return {
    get currentVersion() {
      return derived.currentVersion;
    },
    get wrapVersion() {
      return derived.wrapVersion;
    },
    take,
    withdraw() {
      withdrawn = true;
      handed = undefined;
      derived = { ...derived, data: new Map(), wraps: new Map() };
      patients.clear();
    },
    reload,
    handOver() {
      if (withdrawn) throw unavailable();
      handed ??= {
        ...derived,
        data: new Map([...derived.data].filter(([use]) => HANDED_USES.test(use))),
      };
      return handed;
    },
    get blind() {
      return blind!;
    },
    get auditVersion() {
      return derived.auditVersion;
    },
    get indexPhase() {
      return derived.indexPhase;
    },
    rid: (type, id) => rids.text(`${type}/${id}`),
    digest: (bytes) => (typeof bytes === 'string' ? digests.text(bytes) : digests.bytes(bytes)),
    auditMac: (version, bytes) => createHmac('sha256', keyFor('audit-chain', version)).update(bytes).digest(),
    seal(plain, context) {
      const version = versionFor(context.purpose);
      return sealBytes(
        dataKeyFor(context, version),
        version,
        plain,
        associatedData(given.tenantId, version, context),
      );
    },
    open(sealed, context) {
      const version = sealedKeyVersion(sealed);
      return openBytes(
        dataKeyFor(context, version),
        sealed,
        associatedData(given.tenantId, version, context),
      );
    },
    newPatientKey(owner) {
      const secret = randomBytes(32);
      const row = {
        owner,
        wv: derived.wrapVersion,
        wrapped: wrapUnder(wrapFor(derived.wrapVersion), secret, place(owner, derived.wrapVersion)),
      };
      return { key: new PatientKey(owner, secret), row };
    },
    openPatientKey({ owner, wv, wrapped }) {
      const known = patients.get(owner);
      if (known?.wrapped.equals(wrapped)) {
        if (patients.size === MAX_REMEMBERED_PATIENTS) remember(known.key, known.wrapped);
        return known.key;
      }
      // A copy: what comes from the database is a view on a whole packet of the connection.
      const own = Buffer.from(wrapped);
      return remember(new PatientKey(owner, unwrapUnder(wrapFor(wv), own, place(owner, wv))), own);
    },
    rewrapPatientKey({ owner, wv, wrapped }): WrappedPatientKey | undefined {
      const { wrapVersion } = derived;
      if (wv >= wrapVersion) return undefined;
      const secret = unwrapUnder(wrapFor(wv), wrapped, place(owner, wv));
      const again = wrapUnder(wrapFor(wrapVersion), secret, place(owner, wrapVersion));
      secret.fill(0);
      return { owner, wv: wrapVersion, wrapped: again };
    },
  };
}

function unavailable(): Fault {
  return new Fault('unavailable', 'The keys of this tenant cannot be had now.', {
    remedy: 'Try again when its key provider answers.',
  });
}

function unknownVersion(): Fault {
  return new Fault('integrity', 'Stored data is sealed under a key version that this tenant does not have.', {
    remedy: 'Restore the missing key version, or check that the data belongs to this tenant.',
  });
}
