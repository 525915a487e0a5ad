import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { Fault } from '../core/fault.js';
import { dataKey } from './seal.js';

const USE = Buffer.from('cenote patient 1', 'ascii');

/**
 * The key of one patient's record, 32 random bytes that stand nowhere but wrapped in table `patient_key`. It is random
 * and not derived from another, since what can be derived again cannot be destroyed.
 */
export class PatientKey {
  readonly #secret: KeyObject;
  /** What it gives together with each version of the body key. */
  readonly #mixed = new Map<number, KeyObject>();

  /** @param secret is overwritten */
  constructor(
    readonly owner: bigint,
    secret: Buffer,
  ) {
    if (secret.length !== 32) throw new Fault('internal', 'A patient key must have 32 bytes.');
    this.#secret = createSecretKey(secret);
    secret.fill(0);
  }

  /** The data key of this record under one version of the body key: neither of the two opens anything alone. */
  with(version: number, body: KeyObject): KeyObject {
    let mixed = this.#mixed.get(version);
    if (!mixed) {
      const secret = this.#secret.export();
      const bytes = createHmac('sha256', body).update(USE).update(secret).digest();
      secret.fill(0);
      mixed = dataKey(bytes);
      bytes.fill(0);
      this.#mixed.set(version, mixed);
    }
    return mixed;
  }
}
