import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Speaks the JSON protocol of AWS KMS for symmetric keys: operations, error names and key states as its API
 * reference has them, and checks every request's signature (Signature Version 4) from what came over the wire. It
 * also hands out temporary credentials as the container and the instance endpoint do.
 */
export interface KmsStandIn {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Credentials handed out by the endpoints so far. */
  handedOut: number;
  /** How long those last. */
  lifeMs: number;
  fail(error: string, status: number, times: number): void;
  close(): Promise<void>;
}

interface Key {
  id: string;
  bytes: Buffer;
  state: 'Enabled' | 'Disabled' | 'PendingDeletion';
}

type Input = Record<string, string> & { EncryptionContext?: Record<string, string> };

class KmsError extends Error {
  constructor(
    readonly type: string,
    readonly status = 400,
  ) {
    super(type);
  }
}

export async function startKms(clock: { now(): number }): Promise<KmsStandIn> {
  const keys = new Map<string, Key>();
  const aliases = new Map<string, string>();
  const secrets = new Map<string, { secret: string; token?: string }>();
  let failing = { error: '', status: 0, times: 0 };

  function keyOf(name: string | undefined): Key {
    const key = keys.get(name?.startsWith('alias/') ? (aliases.get(name) ?? '') : (name ?? ''));
    if (!key) throw new KmsError('NotFoundException');
    return key;
  }

  function usable(name: string | undefined): Key {
    const key = keyOf(name);
    if (key.state === 'Disabled') throw new KmsError('DisabledException');
    if (key.state !== 'Enabled') throw new KmsError('KMSInvalidStateException');
    return key;
  }

  const metadata = (key: Key) => ({
    KeyMetadata: { KeyId: key.id, KeyState: key.state, KeySpec: 'SYMMETRIC_DEFAULT' },
  });
  const contextBytes = (context: Record<string, string> = {}): Buffer =>
    Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))));

  const operations: Record<string, (input: Input) => object> = {
    CreateKey() {
      const key: Key = { id: randomUUID(), bytes: randomBytes(32), state: 'Enabled' };
      keys.set(key.id, key);
      return metadata(key);
    },
    CreateAlias({ AliasName, TargetKeyId }) {
      if (!/^alias\/[a-zA-Z0-9/_-]{1,250}$/.test(AliasName!)) throw new KmsError('InvalidAliasNameException');
      if (aliases.has(AliasName!)) throw new KmsError('AlreadyExistsException');
      aliases.set(AliasName!, keyOf(TargetKeyId).id);
      return {};
    },
    DescribeKey: ({ KeyId }) => metadata(keyOf(KeyId)),
    Encrypt({ KeyId, Plaintext, EncryptionContext }) {
      const key = usable(KeyId);
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce);
      cipher.setAAD(contextBytes(EncryptionContext));
      const sealed = Buffer.concat([cipher.update(Buffer.from(Plaintext!, 'base64')), cipher.final()]);
      const blob = Buffer.concat([Buffer.from(key.id), nonce, sealed, cipher.getAuthTag()]);
      return {
        KeyId: key.id,
        CiphertextBlob: blob.toString('base64'),
        EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      };
    },
    Decrypt({ KeyId, CiphertextBlob, EncryptionContext }) {
      const blob = Buffer.from(CiphertextBlob ?? '', 'base64');
      if (blob.length === 0) throw new KmsError('ValidationException');
      const key = usable(KeyId);
      if (blob.length < 64 || !keys.has(blob.subarray(0, 36).toString('latin1')))
        throw new KmsError('InvalidCiphertextException');
      if (blob.subarray(0, 36).toString('latin1') !== key.id) throw new KmsError('IncorrectKeyException');
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, blob.subarray(36, 48));
      decipher.setAAD(contextBytes(EncryptionContext));
      decipher.setAuthTag(blob.subarray(-16));
      try {
        const plain = Buffer.concat([decipher.update(blob.subarray(48, -16)), decipher.final()]);
        return { KeyId: key.id, Plaintext: plain.toString('base64') };
      } catch {
        throw new KmsError('InvalidCiphertextException');
      }
    },
    DisableKey({ KeyId }) {
      keyOf(KeyId).state = 'Disabled';
      return {};
    },
    ScheduleKeyDeletion({ KeyId, PendingWindowInDays }) {
      if (KeyId?.startsWith('alias/')) throw new KmsError('NotFoundException');
      const key = keyOf(KeyId);
      if (key.state === 'PendingDeletion') throw new KmsError('KMSInvalidStateException');
      if (Number(PendingWindowInDays) < 7) throw new KmsError('ValidationException');
      key.state = 'PendingDeletion';
      return { KeyId: key.id, KeyState: key.state };
    },
  };

  /** AWS Signature Version 4, from the receiving side. */
  function checkSignature(request: IncomingMessage, body: string): void {
    const parts =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
        request.headers.authorization ?? '',
      );
    if (!parts) throw new KmsError('MissingAuthenticationTokenException');
    const [, id, day, region, names, signature] = parts as unknown as string[];
    const known = secrets.get(id!);
    if (!known) throw new KmsError('UnrecognizedClientException');
    if (known.token !== request.headers['x-amz-security-token'])
      throw new KmsError('UnrecognizedClientException');
    const time = String(request.headers['x-amz-date']);
    const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
    if (!(Math.abs(at - clock.now()) < 5 * 60_000) || !time.startsWith(day!))
      throw new KmsError('InvalidSignatureException');
    for (const needed of ['host', 'x-amz-date', 'x-amz-target', 'content-type'])
      if (!names!.split(';').includes(needed)) throw new KmsError('InvalidSignatureException');
    const canonicalHeaders = names!
      .split(';')
      .map((name) => `${name}:${String(request.headers[name]).trim()}\n`)
      .join('');
    const sha = (text: string) => createHash('sha256').update(text).digest('hex');
    const canonical = `${request.method}\n${request.url}\n\n${canonicalHeaders}\n${names}\n${sha(body)}`;
    const toSign = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/kms/aws4_request\n${sha(canonical)}`;
    const key = [day!, region!, 'kms', 'aws4_request'].reduce<Buffer>(
      (k, part) => createHmac('sha256', k).update(part).digest(),
      Buffer.from(`AWS4${known.secret}`),
    );
    if (createHmac('sha256', key).update(toSign).digest('hex') !== signature)
      throw new KmsError('InvalidSignatureException');
  }

  function newCredentials(): object {
    const id = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
    const secret = randomBytes(20).toString('base64');
    const token = randomBytes(60).toString('base64');
    secrets.set(id, { secret, token });
    standIn.handedOut += 1;
    const Expiration = new Date(clock.now() + standIn.lifeMs).toISOString();
    return { AccessKeyId: id, SecretAccessKey: secret, SessionToken: token, Token: token, Expiration };
  }

  /** Container, instance metadata (version 2) and STS. */
  function endpoint(request: IncomingMessage, body: string): { status: number; text: string } | undefined {
    const json = (value: object) => ({ status: 200, text: JSON.stringify(value) });
    const role = '/latest/meta-data/iam/security-credentials/';
    switch (`${request.method} ${request.url}`) {
      case 'GET /container':
        return request.headers.authorization === 'container-token'
          ? json(newCredentials())
          : { status: 403, text: '' };
      case 'PUT /latest/api/token':
        return { status: 200, text: 'imds-token' };
      case `GET ${role}`:
        return request.headers['x-aws-ec2-metadata-token'] === 'imds-token'
          ? { status: 200, text: 'my-role' }
          : { status: 401, text: '' };
      case `GET ${role}my-role`:
        return request.headers['x-aws-ec2-metadata-token'] === 'imds-token'
          ? json(newCredentials())
          : { status: 401, text: '' };
      case 'POST /sts': {
        const form = new URLSearchParams(body);
        if (
          form.get('Action') !== 'AssumeRoleWithWebIdentity' ||
          form.get('WebIdentityToken') !== 'web-token'
        )
          return { status: 400, text: JSON.stringify({ Error: { Code: 'InvalidIdentityToken' } }) };
        const result = { Credentials: newCredentials() };
        return json({ AssumeRoleWithWebIdentityResponse: { AssumeRoleWithWebIdentityResult: result } });
      }
      default:
        return undefined;
    }
  }

  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const other = endpoint(request, body);
    if (other) {
      response.writeHead(other.status).end(other.text);
      return;
    }
    let [status, answer]: [number, object] = [200, {}];
    try {
      if (failing.times > 0) {
        failing.times -= 1;
        throw new KmsError(failing.error, failing.status);
      }
      checkSignature(request, body);
      const operation = operations[String(request.headers['x-amz-target']).replace('TrentService.', '')];
      if (!operation) throw new KmsError('UnknownOperationException');
      answer = operation(JSON.parse(body));
    } catch (error) {
      if (!(error instanceof KmsError)) throw error;
      [status, answer] = [error.status, { __type: error.type, message: error.type }];
    }
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const standIn: KmsStandIn = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accessKeyId: 'AKIASTANDIN',
    secretAccessKey: randomBytes(20).toString('base64'),
    handedOut: 0,
    lifeMs: 3_600_000,
    fail(error, status, times) {
      failing = { error, status, times };
    },
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  secrets.set(standIn.accessKeyId, { secret: standIn.secretAccessKey });
  return standIn;
}
