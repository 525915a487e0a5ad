import { Fault } from '../../core/fault.js';
import { readSecretFile } from '../secret-file.js';
import type { KeyProvider } from '../tenant.js';
import { checkKeyName, keyExists, missingKey, notWrappedHere } from './key-name.js';
import { callKeyService, requireSecureAddress, type ServiceAnswer, type ServiceCall } from './key-service.js';

export interface VaultSettings {
  /** `https://vault.example.org:8200`. */
  readonly address: string;
  /** File with the token, mode 0600; read anew for each call, since an agent renews it. */
  readonly tokenFile: string;
  /** Where the transit engine is mounted. */
  readonly mount: string;
  readonly namespace?: string;
}

/** First byte of what `wrap` returns; then the version of the key as four bytes, then what Vault made. */
const FORMAT = 1;
const HEADER_BYTES = 5;
const CIPHERTEXT = /^vault:v(\d{1,9}):([A-Za-z0-9+/]+={0,2})$/;

/**
 * Customer keys in HashiCorp Vault (or OpenBao), transit engine: the keys never leave it. The policy it takes:
 * `create`, `read` and `delete` on `<mount>/keys/*`, `update` on `<mount>/keys/+/config`, `encrypt/*` and `decrypt/*`.
 * `create` on `encrypt/*` is not wanted: with it Vault makes a key that is missing.
 */
export function openVault(settings: VaultSettings): KeyProvider {
  const base = `${requireSecureAddress('CENOTE_VAULT_ADDR', settings.address)}/v1/${settings.mount}`;
  const place = `Vault, engine ${settings.mount}`;

  const call = (method: ServiceCall['method'], path: string, body?: object): Promise<ServiceAnswer> =>
    callKeyService('Vault', () => ({
      method,
      url: `${base}/${path}`,
      headers: {
        'x-vault-token': readSecretFile(settings.tokenFile).toString('utf8').trim(),
        'x-vault-request': 'true',
        ...(settings.namespace ? { 'x-vault-namespace': settings.namespace } : {}),
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      body: body && JSON.stringify(body),
    }));

  async function hasKey(ref: string): Promise<boolean> {
    checkKeyName(ref);
    const answer = await call('GET', `keys/${ref}`);
    if (answer.status === 200) return true;
    if (answer.status === 404) return false;
    throw refused(answer);
  }

  return {
    kind: 'vault',
    hasKey,

    async createKey(ref) {
      if (await hasKey(ref)) throw keyExists(ref);
      const answer = await call('POST', `keys/${ref}`, {
        type: 'aes256-gcm96',
        exportable: false,
        allow_plaintext_backup: false,
      });
      if (answer.status !== 200 && answer.status !== 204) throw refused(answer);
      // Making a key that exists is no error to Vault, only a warning: somebody else was first.
      if (warningsOf(answer).some((w) => w.includes('already existed'))) throw keyExists(ref);
    },

    async wrap(ref, plain, context) {
      // Asked first, since with a generous policy Vault would make the key that is missing.
      if (!(await hasKey(ref))) throw missingKey(ref, place);
      const answer = await call('POST', `encrypt/${ref}`, {
        plaintext: Buffer.from(plain).toString('base64'),
        associated_data: associated(ref, context),
      });
      if (answer.status !== 200) throw refused(answer);
      const match = CIPHERTEXT.exec(String(dataOf(answer).ciphertext));
      if (!match) throw new Fault('unavailable', 'Vault answered with something that is no ciphertext.');
      const header = Buffer.alloc(HEADER_BYTES, FORMAT);
      header.writeUInt32BE(Number(match[1]), 1);
      return Buffer.concat([header, Buffer.from(match[2]!, 'base64')]);
    },

    async unwrap(ref, wrapped, context) {
      checkKeyName(ref);
      const bytes = Buffer.from(wrapped);
      if (bytes.length <= HEADER_BYTES || bytes[0] !== FORMAT) {
        if (!(await hasKey(ref))) throw missingKey(ref, place);
        throw notWrappedHere();
      }
      const ciphertext = `vault:v${bytes.readUInt32BE(1)}:${bytes.subarray(HEADER_BYTES).toString('base64')}`;
      const answer = await call('POST', `decrypt/${ref}`, {
        ciphertext,
        associated_data: associated(ref, context),
      });
      if (answer.status === 200) return Buffer.from(String(dataOf(answer).plaintext), 'base64');
      if (answer.status === 400 || answer.status === 404) {
        // One status for a missing key and for a piece that does not open; which of them it was is asked.
        if (!(await hasKey(ref))) throw missingKey(ref, place);
        if (answer.status === 400) throw notWrappedHere();
      }
      throw refused(answer);
    },

    async destroyKey(ref) {
      if (!(await hasKey(ref))) throw missingKey(ref, place);
      const allowed = await call('POST', `keys/${ref}/config`, { deletion_allowed: true });
      if (allowed.status !== 200 && allowed.status !== 204) throw refused(allowed);
      const deleted = await call('DELETE', `keys/${ref}`);
      if (deleted.status !== 204) throw refused(deleted);
    },
  };
}

function associated(ref: string, context: string): string {
  return Buffer.from(`cenote vault 1|${ref.length}:${ref}|${context}`).toString('base64');
}

function dataOf(answer: ServiceAnswer): Record<string, unknown> {
  return (answer.json as { data?: Record<string, unknown> } | undefined)?.data ?? {};
}

function warningsOf(answer: ServiceAnswer): string[] {
  const { warnings } = (answer.json ?? {}) as { warnings?: unknown };
  return Array.isArray(warnings) ? warnings.map(String) : [];
}

function refused(answer: ServiceAnswer): Fault {
  const why: Readonly<Record<number, string>> = {
    403: 'it does not allow this token to',
    404: 'its transit engine is not at that mount',
    429: 'it is overloaded',
    503: 'it is sealed or in maintenance',
  };
  return new Fault('unavailable', `Vault refuses: ${why[answer.status] ?? `status ${answer.status}`}.`, {
    remedy: 'Check CENOTE_VAULT_TOKEN_FILE, CENOTE_VAULT_MOUNT and the token\u2019s policy.',
    log: answer.body.slice(0, 500),
  });
}
