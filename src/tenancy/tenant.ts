import type pg from 'pg';
import type { Blind, IndexPrivacy } from '../core/blind.js';
import type { DerivedKeys } from './keys.js';
import type { PatientKey } from './patient-key.js';

export type TenantState = 'active' | 'suspended' | 'shredded';

/** What a tenant asks of what is written to it, where a request says nothing. */
export interface TenantDefaults {
  /** How strictly resources are checked; as the server is set where absent. */
  readonly validation?: 'strict' | 'structure' | 'minimal';
  /**
   * Whether a literal reference must name a resource that is here, and a resource that others refer to cannot be
   * deleted; neither where absent.
   */
  readonly integrity?: boolean;
}

/** What is chosen when a tenant is made. */
export interface NewTenant extends TenantDefaults {
  /** How much the index tells; it stays as it is chosen here. `exact` where absent. */
  readonly indexPrivacy?: IndexPrivacy | undefined;
}

/** A row of the catalog. */
export interface TenantRecord extends TenantDefaults {
  /** UUID, never reused; bound into every sealed body. */
  readonly id: string;
  /** 1 to 40 of a-z 0-9 -, starting with a letter; the segment in `/fhir/{tenant}`. */
  readonly name: string;
  readonly database: string;
  readonly state: TenantState;
  readonly epoch: number;
  /** ms since the epoch. */
  readonly createdAt: number;
  /** How much the index tells; as it was made. */
  readonly indexPrivacy: IndexPrivacy;
  /** Name of the configured place it is at, where that is not the control database's server. */
  readonly place?: string;
  /** Being moved to another place: it is read, and not written. */
  readonly moving?: true;
}

/** What a sealed piece is bound to. A piece opened under any other context fails. */
export interface SealContext {
  readonly purpose: 'body' | 'audit' | 'job' | 'cursor' | 'export';
  /** Bound as associated data, in order, length-prefixed; the tenant's id and the key version come first on their own. */
  readonly bind: readonly (string | number | bigint)[];
  /** With purpose `body`: sealed so that this key is needed as well; its owner is bound too. */
  readonly patient?: PatientKey | undefined;
}

/** A patient's own key as it is stored. */
export interface WrappedPatientKey {
  readonly owner: bigint;
  /** Version of the tenant's key that wraps it. */
  readonly wv: number;
  readonly wrapped: Buffer;
}

/** The keys of one tenant, unwrapped in memory. Nothing of another tenant's can be reached from here. */
export interface TenantKeys {
  /** Version of the body key that `seal` uses now. */
  readonly currentVersion: number;
  /** 64-bit keyed hash of search values (SipHash-2-4 under the tenant's index key). Another one when that key changes. */
  readonly blind: Blind;
  /** The step of a change of the index key that `blind` is of; what was made at another is made anew. */
  readonly indexPhase: number;
  /** 64-bit keyed hash of `Type/id`: the `rid` columns. */
  rid(type: string, id: string): bigint;
  /** 64-bit keyed digest of arbitrary bytes; equality of stored content. */
  digest(bytes: Uint8Array | string): bigint;
  /** Version of the audit key that new rows and anchors are under. */
  readonly auditVersion: number;
  /** HMAC-SHA-256 of `bytes` under the audit key of this version: what chains audit rows and signs their anchors. */
  auditMac(version: number, bytes: Uint8Array): Buffer;
  /** AES-256-GCM; output carries format, key version, nonce and tag. Random nonce. */
  seal(plain: Uint8Array, context: SealContext): Buffer;
  /** @throws Fault `integrity` when the piece, its context or its key do not belong together. */
  open(sealed: Uint8Array, context: SealContext): Buffer;
  /** Version of the key that wraps new patients' keys; 0 where the tenant has none yet, and patients no keys. */
  readonly wrapVersion: number;
  /** Makes a key for a record; nothing may be sealed with it before its row is written. */
  newPatientKey(owner: bigint): { readonly key: PatientKey; readonly row: WrappedPatientKey };
  /** Unwraps; the keys met last are remembered. @throws Fault `integrity` */
  openPatientKey(row: WrappedPatientKey): PatientKey;
  /** The same key wrapped by the newest version; undefined where it is already. */
  rewrapPatientKey(row: WrappedPatientKey): WrappedPatientKey | undefined;
  /**
   * Asks for the keys anew, so that a program that holds the tenant for long learns of versions made meanwhile.
   * @throws Fault `unavailable`
   */
  reload(): Promise<void>;
  /**
   * What another thread of this process makes the same keys of (`keysOf`), to prepare and seal what is written: the same
   * object for as long as the keys are these. Without those of page links, jobs and exports.
   * @throws Fault `unavailable`
   */
  handOver(): DerivedKeys;
}

/** An open tenant: its record, its own connection pool and its own keys. The only way to reach its data. */
export interface Tenant {
  readonly record: TenantRecord;
  readonly pool: pg.Pool;
  readonly keys: TenantKeys;
}

/** The catalog of tenants: opens them, bounded and cached, and closes them. */
export interface Tenants {
  create(name: string, defaults?: NewTenant): Promise<TenantRecord>;
  list(): Promise<TenantRecord[]>;
  find(name: string): Promise<TenantRecord | undefined>;
  /**
   * @throws Fault `not-found` for a name that is none, `forbidden` for a suspended tenant,
   * `unavailable` when its key or database cannot be had now.
   */
  open(name: string): Promise<Tenant>;
  /** Brings this tenant's database to the current schema; harmless when it is. */
  migrate(name: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Holds the customer's own keys outside the database. Implementations: key file now; PKCS#11, AWS KMS and
 * Vault transit later, all behind one contract suite.
 */
export interface KeyProvider {
  readonly kind: string;
  /** Makes a key for `ref`. @throws Fault `conflict` if it exists: a key is never silently replaced. */
  createKey(ref: string): Promise<void>;
  /** Wraps 32 bytes under the key; `context` is authenticated. @throws Fault `unavailable` if there is no key. */
  wrap(ref: string, plain: Uint8Array, context: string): Promise<Buffer>;
  unwrap(ref: string, wrapped: Uint8Array, context: string): Promise<Buffer>;
  /** Destroys the key for good, or as soon as the provider allows; nothing wrapped opens any more from now on. */
  destroyKey(ref: string): Promise<void>;
  /** Whether there is a key that wraps and unwraps. @throws Fault `unavailable` when the provider cannot be asked. */
  hasKey(ref: string): Promise<boolean>;
}
