import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { Fault } from '../core/fault.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT = 1;

/** What a tenant key wraps: its data keys, and the password of its database role. */
export type WrappedPurpose = 'body' | 'patient' | 'index' | 'identity' | 'audit' | 'export' | 'role';

/** Wraps a secret under the tenant key, or another that wraps, with AES-256-GCM, bound to its place. */
export function wrapUnder(tenantKey: Buffer | KeyObject, plain: Uint8Array, place: WrapPlace): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', tenantKey, nonce);
  cipher.setAAD(associated(place));
  return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Fault `integrity` where the piece is not the one of this tenant, purpose and version. */
export function unwrapUnder(tenantKey: Buffer | KeyObject, wrapped: Uint8Array, place: WrapPlace): Buffer {
  const bytes = Buffer.from(wrapped);
  try {
    if (bytes[0] !== FORMAT) throw new Error('format');
    const decipher = createDecipheriv('aes-256-gcm', tenantKey, bytes.subarray(1, 1 + NONCE_BYTES));
    decipher.setAAD(associated(place));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw place.owner === undefined
      ? new Fault('integrity', `The ${place.purpose} key of the tenant is damaged or is another's.`, {
          remedy: 'Restore the tenant_key rows of the control database from a backup.',
          cause,
        })
      : new Fault('integrity', "The key of a patient's record is damaged or is another's.", {
          remedy: 'Run `cenote verify` for this tenant and restore table patient_key from a backup.',
          cause,
        });
  }
}

export interface WrapPlace {
  readonly tenantId: string;
  readonly purpose: WrappedPurpose;
  /** Of the key that is wrapped; of a patient's own key, of the key that wraps it. */
  readonly version: number;
  /** Whose key it is, where it is one patient's. */
  readonly owner?: bigint;
}

function associated({ tenantId, purpose, version, owner }: WrapPlace): Buffer {
  const whose = owner === undefined ? '' : `|${owner}`;
  return Buffer.from(`cenote wrapped 1|${tenantId}|${purpose}|${version}${whose}`, 'utf8');
}
