import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Fault } from '../core/fault.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT = 1;

/** What a tenant key wraps: its data keys, and the password of its database role. */
export type WrappedPurpose = 'body' | 'index' | 'audit' | 'export' | 'role';

/** Wraps a secret under the tenant key with AES-256-GCM, bound to its tenant, purpose and version. */
export function wrapUnder(tenantKey: Buffer, plain: Uint8Array, place: WrapPlace): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', tenantKey, nonce);
  cipher.setAAD(associated(place));
  return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Fault `integrity` where the piece is not the one of this tenant, purpose and version. */
export function unwrapUnder(tenantKey: Buffer, wrapped: Uint8Array, place: WrapPlace): Buffer {
  const bytes = Buffer.from(wrapped);
  try {
    if (bytes[0] !== FORMAT) throw new Error('format');
    const decipher = createDecipheriv('aes-256-gcm', tenantKey, bytes.subarray(1, 1 + NONCE_BYTES));
    decipher.setAAD(associated(place));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw new Fault('integrity', `The ${place.purpose} key of the tenant is damaged or is another's.`, {
      remedy: 'Restore the tenant_key rows of the control database from a backup.',
      cause,
    });
  }
}

export interface WrapPlace {
  readonly tenantId: string;
  readonly purpose: WrappedPurpose;
  readonly version: number;
}

function associated(place: WrapPlace): Buffer {
  return Buffer.from(`cenote wrapped 1|${place.tenantId}|${place.purpose}|${place.version}`, 'utf8');
}
