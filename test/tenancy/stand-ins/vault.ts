import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Speaks the HTTP API of Vault's transit engine as its documentation and its own tests have it: the same paths,
 * fields, statuses and error texts for keys of type aes256-gcm96, and the same ciphertext form.
 */
export interface VaultStandIn {
  readonly address: string;
  readonly token: string;
  /** Answers with this status, without looking, as many times. */
  fail(status: number, times: number): void;
  /** Whether `encrypt` makes a key that is missing, as Vault does where the policy allows `create`. */
  upsert: boolean;
  requests: number;
  close(): Promise<void>;
}

interface Key {
  versions: Buffer[];
  deletionAllowed: boolean;
}

interface Answer {
  status: number;
  body?: object;
}

const NONCE = 12;
const TAG = 16;

export async function startVault(mount = 'transit'): Promise<VaultStandIn> {
  const keys = new Map<string, Key>();
  const token = `hvs.${randomBytes(12).toString('hex')}`;
  let failing = { status: 0, times: 0 };

  const errors = (status: number, ...texts: string[]): Answer => ({ status, body: { errors: texts } });
  const newKey = (): Key => ({ versions: [randomBytes(32)], deletionAllowed: false });

  function answer(method: string, path: string, body: Record<string, string | boolean>): Answer {
    const match = new RegExp(`^/v1/${mount}/(keys|encrypt|decrypt)/([^/]+?)(/config)?$`).exec(path);
    if (!match) return errors(404);
    const [, operation, name, config] = match as unknown as [string, string, string, string | undefined];
    const key = keys.get(name);
    if (operation === 'keys' && config) {
      if (!key) return errors(400, `no existing key named ${name} could be found`);
      key.deletionAllowed = body.deletion_allowed === true;
      return { status: 200, body: { data: { name, deletion_allowed: key.deletionAllowed } } };
    }
    if (operation === 'keys') {
      if (method === 'GET')
        return key ? { status: 200, body: { data: { name, type: 'aes256-gcm96' } } } : errors(404);
      if (method === 'DELETE') {
        if (!key) return errors(400, `error deleting policy ${name}: could not delete key; not found`);
        if (!key.deletionAllowed)
          return errors(400, `error deleting policy ${name}: deletion is not allowed for this key`);
        keys.delete(name);
        return { status: 204 };
      }
      if (key) return { status: 200, body: { data: { name }, warnings: [`key ${name} already existed`] } };
      keys.set(name, newKey());
      return { status: 200, body: { data: { name }, warnings: null } };
    }
    const aad = Buffer.from(String(body.associated_data ?? ''), 'base64');
    if (operation === 'encrypt') {
      if (!key && !standIn.upsert) return errors(403, '1 error occurred:\n\t* permission denied\n\n');
      const used = key ?? newKey();
      keys.set(name, used);
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', used.versions.at(-1)!, nonce);
      cipher.setAAD(aad);
      const sealed = Buffer.concat([
        nonce,
        cipher.update(Buffer.from(String(body.plaintext), 'base64')),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return {
        status: 200,
        body: { data: { ciphertext: `vault:v${used.versions.length}:${sealed.toString('base64')}` } },
      };
    }
    if (!key) return errors(400, 'encryption key not found');
    const parts = /^vault:v(\d+):(.*)$/.exec(String(body.ciphertext));
    if (!parts) return errors(400, 'invalid ciphertext: no prefix');
    const version = Number(parts[1]);
    if (version > key.versions.length) return errors(400, 'invalid ciphertext: version is too new');
    if (version < 1) return errors(400, 'ciphertext or signature version is disallowed by policy (too old)');
    const sealed = Buffer.from(parts[2]!, 'base64');
    if (sealed.length < NONCE + TAG) return errors(400, 'invalid ciphertext: too short');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.versions[version - 1]!, sealed.subarray(0, NONCE));
      decipher.setAAD(aad);
      decipher.setAuthTag(sealed.subarray(-TAG));
      const plain = Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()]);
      return { status: 200, body: { data: { plaintext: plain.toString('base64') } } };
    } catch {
      return errors(400, 'cipher: message authentication failed');
    }
  }

  const server = createServer(async (request, response) => {
    const body = await read(request);
    standIn.requests += 1;
    let given: Answer;
    if (failing.times > 0) {
      failing.times -= 1;
      given = errors(failing.status, 'Vault is sealed');
    } else if (request.headers['x-vault-token'] !== token) given = errors(403, 'permission denied');
    else given = answer(request.method ?? '', request.url ?? '', body ? JSON.parse(body) : {});
    response.writeHead(given.status, { 'content-type': 'application/json' });
    response.end(given.body ? JSON.stringify({ request_id: 'r', lease_id: '', ...given.body }) : undefined);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const standIn: VaultStandIn = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    upsert: true,
    requests: 0,
    fail(status, times) {
      failing = { status, times };
    },
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  return standIn;
}

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}
