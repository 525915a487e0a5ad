import { createHash, randomUUID } from 'node:crypto';

/** FHIR `id` (R4 datatypes, "id"): 1 to 64 of A-Z a-z 0-9 - . */
const ID = /^[A-Za-z0-9\-.]{1,64}$/;

export function isFhirId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text);
}

/** A fresh random logical id, 36 characters. */
export function newId(): string {
  return randomUUID();
}

/** UUID version 5 (RFC 9562, 5.5): SHA-1 of namespace bytes and name. Deterministic. */
export function uuidV5(namespace: string, name: string): string {
  const ns = Buffer.from(namespace.replaceAll('-', ''), 'hex');
  const h = createHash('sha1').update(ns).update(name, 'utf8').digest();
  h[6] = (h[6]! & 0x0f) | 0x50;
  h[8] = (h[8]! & 0x3f) | 0x80;
  const x = h.toString('hex');
  return `${x.slice(0, 8)}-${x.slice(8, 12)}-${x.slice(12, 16)}-${x.slice(16, 20)}-${x.slice(20, 32)}`;
}
