import type { Clock } from '../../core/clock.js';
import { Fault } from '../../core/fault.js';
import type { KeyProvider } from '../tenant.js';
import { type AwsEnvironment, awsCredentials, awsDomain } from './aws-credentials.js';
import { signedHeaders } from './aws-signature.js';
import { checkKeyName, keyExists, missingKey, notWrappedHere } from './key-name.js';
import { callKeyService, requireSecureAddress, type ServiceAnswer } from './key-service.js';

export interface KmsSettings {
  readonly region: string;
  /** Where not AWS's own for the region: a VPC or FIPS endpoint. */
  readonly endpoint?: string;
  readonly environment: AwsEnvironment;
}

/** First byte of what `wrap` returns; the rest is KMS's own. */
const FORMAT = 1;
/** The shortest that AWS allows between the decision to delete a key and its deletion. */
const DELETION_WINDOW_DAYS = 7;

/**
 * Customer keys in AWS KMS: one symmetric key per tenant with the alias `alias/cenote-<name>`. What a key wraps is
 * bound to its purpose by the encryption context, which CloudTrail records. `destroyKey` disables the key at once
 * and has AWS delete it after seven days; until then an administrator of AWS could still call it back.
 * The rights it takes: kms:CreateKey, CreateAlias, TagResource, DescribeKey, Encrypt, Decrypt, DisableKey,
 * ScheduleKeyDeletion.
 */
export function openAwsKms(settings: KmsSettings, clock: Clock): KeyProvider {
  const { region } = settings;
  const url = `${requireSecureAddress('CENOTE_KMS_ENDPOINT', settings.endpoint ?? `https://kms.${region}.${awsDomain(region)}`)}/`;
  const place = `AWS KMS, region ${region}`;
  const credentials = awsCredentials(settings.environment, region, clock);
  const aliasOf = (ref: string): string => {
    checkKeyName(ref);
    return `alias/cenote-${ref}`;
  };

  async function call(operation: string, input: object): Promise<ServiceAnswer> {
    const body = JSON.stringify(input);
    return callKeyService(
      'AWS KMS',
      async () => {
        const headers = {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': `TrentService.${operation}`,
        };
        const request = { method: 'POST', url, headers, body } as const;
        return {
          ...request,
          headers: signedHeaders(request, await credentials(), { region, service: 'kms' }, clock.now()),
        };
      },
      (answer) => TRANSIENT.has(errorOf(answer)),
    );
  }

  /** State of the key behind a name; undefined where there is none. */
  async function stateOf(ref: string): Promise<{ id: string; state: string } | undefined> {
    const answer = await call('DescribeKey', { KeyId: aliasOf(ref) });
    if (answer.status === 200) {
      const { KeyId, KeyState } = (answer.json as { KeyMetadata: { KeyId: string; KeyState: string } })
        .KeyMetadata;
      return { id: KeyId, state: KeyState };
    }
    if (errorOf(answer) === 'NotFoundException') return undefined;
    throw refused(answer);
  }

  async function ok(operation: string, input: object): Promise<Record<string, unknown>> {
    const answer = await call(operation, input);
    if (answer.status !== 200) throw refused(answer);
    return (answer.json ?? {}) as Record<string, unknown>;
  }

  const bound = (ref: string, context: string) => ({ 'cenote:key': ref, 'cenote:context': context });

  return {
    kind: 'aws-kms',

    async hasKey(ref) {
      return (await stateOf(ref))?.state === 'Enabled';
    },

    async createKey(ref) {
      const alias = aliasOf(ref);
      if (await stateOf(ref)) throw keyExists(ref);
      const made = await ok('CreateKey', {
        KeyUsage: 'ENCRYPT_DECRYPT',
        KeySpec: 'SYMMETRIC_DEFAULT',
        Description: `Cenote ${ref}`,
        Tags: [{ TagKey: 'cenote', TagValue: ref }],
      });
      const id = (made.KeyMetadata as { KeyId: string }).KeyId;
      const named = await call('CreateAlias', { AliasName: alias, TargetKeyId: id });
      if (named.status === 200) return;
      // The alias decides who was first; a key that got no name wraps nothing and goes.
      await call('ScheduleKeyDeletion', { KeyId: id, PendingWindowInDays: DELETION_WINDOW_DAYS });
      throw errorOf(named) === 'AlreadyExistsException' ? keyExists(ref) : refused(named);
    },

    async wrap(ref, plain, context) {
      const answer = await call('Encrypt', {
        KeyId: aliasOf(ref),
        Plaintext: Buffer.from(plain).toString('base64'),
        EncryptionContext: bound(ref, context),
      });
      if (MISSING.has(errorOf(answer))) throw missingKey(ref, place);
      if (answer.status !== 200) throw refused(answer);
      const { CiphertextBlob } = answer.json as { CiphertextBlob: string };
      return Buffer.concat([Buffer.of(FORMAT), Buffer.from(CiphertextBlob, 'base64')]);
    },

    async unwrap(ref, wrapped, context) {
      const bytes = Buffer.from(wrapped);
      if (bytes[0] !== FORMAT || bytes.length < 2) {
        if ((await stateOf(ref))?.state !== 'Enabled') throw missingKey(ref, place);
        throw notWrappedHere();
      }
      const answer = await call('Decrypt', {
        KeyId: aliasOf(ref),
        CiphertextBlob: bytes.subarray(1).toString('base64'),
        EncryptionContext: bound(ref, context),
      });
      if (answer.status === 200)
        return Buffer.from((answer.json as { Plaintext: string }).Plaintext, 'base64');
      if (MISSING.has(errorOf(answer))) throw missingKey(ref, place);
      if (NOT_THEIRS.has(errorOf(answer))) throw notWrappedHere();
      throw refused(answer);
    },

    async destroyKey(ref) {
      const key = await stateOf(ref);
      if (!key || key.state === 'PendingDeletion') throw missingKey(ref, place);
      await ok('DisableKey', { KeyId: key.id });
      await ok('ScheduleKeyDeletion', { KeyId: key.id, PendingWindowInDays: DELETION_WINDOW_DAYS });
    },
  };
}

const MISSING = new Set([
  'NotFoundException',
  'DisabledException',
  'KMSInvalidStateException',
  'KeyUnavailableException',
]);
const NOT_THEIRS = new Set(['InvalidCiphertextException', 'IncorrectKeyException', 'ValidationException']);
const TRANSIENT = new Set([
  'ThrottlingException',
  'LimitExceededException',
  'DependencyTimeoutException',
  'KMSInternalException',
  'RequestLimitExceeded',
]);

/** `com.amazonaws.kms#NotFoundException` or `NotFoundException` → the latter. */
function errorOf(answer: ServiceAnswer): string {
  const type = (answer.json as { __type?: unknown } | undefined)?.__type;
  return answer.status === 200 || typeof type !== 'string' ? '' : (type.split('#').at(-1) ?? '');
}

function refused(answer: ServiceAnswer): Fault {
  const why: Readonly<Record<string, string>> = {
    AccessDeniedException: 'the role in use may not',
    UnrecognizedClientException: 'it does not know the credentials',
    InvalidSignatureException: 'it does not accept the signature; is the clock right?',
    ExpiredTokenException: 'the credentials have ended',
    ThrottlingException: 'it is overloaded',
  };
  const error = errorOf(answer);
  return new Fault('unavailable', `AWS KMS refuses: ${why[error] ?? (error || `status ${answer.status}`)}.`, {
    remedy: 'Check the role of this machine and the key policy.',
    log: answer.body.slice(0, 500),
  });
}
