import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixedClock, systemClock } from '../../src/core/clock.js';
import type { AwsEnvironment } from '../../src/tenancy/key-providers/aws-credentials.js';
import { openAwsKms } from '../../src/tenancy/key-providers/aws-kms.js';
import { signedHeaders } from '../../src/tenancy/key-providers/aws-signature.js';
import { keyProviderContract } from './key-provider.contract.js';
import { type KmsStandIn, startKms } from './stand-ins/kms.js';

const region = 'eu-central-1';
const withKeys = (kms: KmsStandIn) => ({
  region,
  endpoint: kms.endpoint,
  environment: { accessKeyId: kms.accessKeyId, secretAccessKey: kms.secretAccessKey },
});

keyProviderContract('AWS KMS', async () => {
  const kms = await startKms(systemClock);
  return {
    provider: openAwsKms(withKeys(kms), systemClock),
    again: async () => openAwsKms(withKeys(kms), systemClock),
    close: () => kms.close(),
  };
});

// AWS's own test vectors for Signature Version 4, "get-vanilla" and "post-vanilla".
test.each([
  ['GET', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
  ['POST', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
])('a %s request is signed as AWS signs it', (method, signature) => {
  const credentials = {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  };
  const headers = signedHeaders(
    { method: method as string, url: 'https://example.amazonaws.com/', headers: {}, body: '' },
    credentials,
    { region: 'us-east-1', service: 'service' },
    Date.UTC(2015, 7, 30, 12, 36, 0),
  );
  expect(headers.authorization).toBe(
    `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`,
  );
});

describe('AWS KMS', () => {
  const clock = fixedClock(Date.UTC(2026, 2, 1));
  const plain = Buffer.alloc(32, 3);
  const folder = mkdtempSync(join(tmpdir(), 'cenote-kms-'));
  let kms: KmsStandIn;
  beforeAll(async () => {
    kms = await startKms(clock);
  });
  afterAll(async () => {
    await kms.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const open = (environment: AwsEnvironment) =>
    openAwsKms({ region, endpoint: kms.endpoint, environment }, clock);

  test.each(['ThrottlingException', 'KMSInternalException', 'DependencyTimeoutException'])(
    'is tried again on %s',
    async (error) => {
      const provider = openAwsKms(withKeys(kms), clock);
      kms.fail(error, error === 'ThrottlingException' ? 400 : 500, 2);
      expect(await provider.hasKey('nothing')).toBe(false);
    },
  );

  test('that keeps failing is unavailable', async () => {
    kms.fail('KMSInternalException', 500, 99);
    await expect(openAwsKms(withKeys(kms), clock).wrap('x', plain, 'x')).rejects.toMatchObject({
      category: 'unavailable',
    });
    kms.fail('', 0, 0);
  });

  test('refuses wrong keys, a wrong clock and missing rights as unavailable, never as damaged data', async () => {
    const wrong = { accessKeyId: kms.accessKeyId, secretAccessKey: 'secret-word' };
    const fault = await open(wrong)
      .hasKey('x')
      .catch((error: Error) => error);
    expect(fault).toMatchObject({ category: 'unavailable', message: expect.stringContaining('signature') });
    expect(JSON.stringify(fault) + String(fault)).not.toContain('secret-word');
    const late = openAwsKms(withKeys(kms), fixedClock(clock.now() + 600_000));
    await expect(late.unwrap('x', Buffer.of(1, 2), 'x')).rejects.toMatchObject({ category: 'unavailable' });
    kms.fail('AccessDeniedException', 400, 1);
    await expect(openAwsKms(withKeys(kms), clock).unwrap('x', Buffer.of(1, 2), 'x')).rejects.toMatchObject({
      category: 'unavailable',
    });
  });

  test('a key scheduled for deletion wraps nothing, and its name is not given again', async () => {
    const provider = openAwsKms(withKeys(kms), clock);
    await provider.createKey('going');
    const wrapped = await provider.wrap('going', plain, 'x');
    await provider.destroyKey('going');
    await expect(provider.wrap('going', plain, 'x')).rejects.toMatchObject({ category: 'unavailable' });
    await expect(provider.unwrap('going', wrapped, 'x')).rejects.toMatchObject({ category: 'unavailable' });
    await expect(provider.createKey('going')).rejects.toMatchObject({ category: 'conflict' });
    await expect(provider.destroyKey('going')).rejects.toMatchObject({ category: 'unavailable' });
  });

  const tokenFile = join(folder, 'token');
  const sources: readonly (readonly [string, () => AwsEnvironment])[] = [
    [
      'a container',
      () => ({
        containerCredentialsUri: `${kms.endpoint}/container`,
        containerAuthorizationToken: 'container-token',
      }),
    ],
    [
      'a pod with a token file',
      () => {
        writeFileSync(tokenFile, 'container-token\n');
        return {
          containerCredentialsUri: `${kms.endpoint}/container`,
          containerAuthorizationTokenFile: tokenFile,
        };
      },
    ],
    [
      'a web identity',
      () => {
        writeFileSync(tokenFile, 'web-token\n');
        return {
          webIdentityTokenFile: tokenFile,
          roleArn: 'arn:aws:iam::1:role/r',
          stsEndpoint: `${kms.endpoint}/sts`,
        };
      },
    ],
    ['an instance', () => ({ metadataEndpoint: kms.endpoint })],
  ];
  test.each(sources)(
    'takes the temporary credentials of %s and renews them before they end',
    async (_, environment) => {
      const provider = open(environment());
      const before = kms.handedOut;
      expect(await provider.hasKey('nothing')).toBe(false);
      expect(await provider.hasKey('nothing')).toBe(false);
      expect(kms.handedOut).toBe(before + 1);
      clock.advance(kms.lifeMs - 60_000);
      expect(await provider.hasKey('nothing')).toBe(false);
      expect(kms.handedOut).toBe(before + 2);
    },
  );

  test('without any credentials is unavailable and says how to give it some', async () => {
    await expect(open({}).hasKey('x')).rejects.toMatchObject({
      category: 'unavailable',
      remedy: expect.stringContaining('AWS_ACCESS_KEY_ID'),
    });
  });
});
