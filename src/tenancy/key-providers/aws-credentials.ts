import { readFileSync } from 'node:fs';
import type { Clock } from '../../core/clock.js';
import { Fault } from '../../core/fault.js';
import type { AwsCredentials } from './aws-signature.js';
import { callKeyService, type ServiceAnswer } from './key-service.js';

/** What the environment says of AWS, by the names that all of AWS's own tools use; config.ts reads it. */
export interface AwsEnvironment {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
  /** EKS, IAM roles for service accounts. */
  readonly webIdentityTokenFile?: string;
  readonly roleArn?: string;
  /** ECS and EKS pod identity. */
  readonly containerCredentialsUri?: string;
  readonly containerAuthorizationToken?: string;
  readonly containerAuthorizationTokenFile?: string;
  readonly stsEndpoint?: string;
  /** EC2 instance metadata; undefined turns it off. */
  readonly metadataEndpoint?: string;
}

/** Credentials are renewed this long before they end. */
const RENEW_BEFORE_MS = 5 * 60_000;
const SESSION_NAME = 'cenote';

interface Temporary {
  readonly credentials: AwsCredentials;
  readonly until: number;
}

/**
 * Credentials in the usual order: keys in the environment, web identity, container, instance metadata (version 2
 * only). Temporary ones are kept until shortly before they end.
 */
export function awsCredentials(
  env: AwsEnvironment,
  region: string,
  clock: Clock,
): () => Promise<AwsCredentials> {
  const { accessKeyId, secretAccessKey, sessionToken } = env;
  if (accessKeyId && secretAccessKey) return async () => ({ accessKeyId, secretAccessKey, sessionToken });
  const fetchAnew = source(env, region, clock);
  let kept: Promise<Temporary> | undefined;
  return async () => {
    const have = await kept?.catch(() => undefined);
    if (!have || have.until - RENEW_BEFORE_MS <= clock.now()) kept = fetchAnew();
    return (await kept!).credentials;
  };
}

function source(env: AwsEnvironment, region: string, clock: Clock): () => Promise<Temporary> {
  const { webIdentityTokenFile, roleArn, containerCredentialsUri, metadataEndpoint } = env;
  if (webIdentityTokenFile && roleArn)
    return () => fromWebIdentity(env, region, webIdentityTokenFile, roleArn);
  if (containerCredentialsUri) return () => fromContainer(env, containerCredentialsUri);
  if (metadataEndpoint) return () => fromInstance(metadataEndpoint, clock);
  return async () => {
    throw noCredentials('none are configured');
  };
}

async function fromWebIdentity(
  env: AwsEnvironment,
  region: string,
  file: string,
  roleArn: string,
): Promise<Temporary> {
  const answer = await callKeyService('AWS STS', () => ({
    method: 'POST',
    url: env.stsEndpoint ?? `https://sts.${region}.${awsDomain(region)}/`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: roleArn,
      RoleSessionName: SESSION_NAME,
      WebIdentityToken: readFileSync(file, 'utf8').trim(),
    }).toString(),
  }));
  const result = answer.json as
    | {
        AssumeRoleWithWebIdentityResponse?: {
          AssumeRoleWithWebIdentityResult?: { Credentials?: StsCredentials };
        };
      }
    | undefined;
  const given = result?.AssumeRoleWithWebIdentityResponse?.AssumeRoleWithWebIdentityResult?.Credentials;
  if (answer.status !== 200 || !given) throw noCredentials('AWS STS refuses the web identity', answer);
  return {
    credentials: {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.SessionToken,
    },
    // Seconds since the epoch in JSON, a date in text.
    until: typeof given.Expiration === 'number' ? given.Expiration * 1000 : Date.parse(given.Expiration),
  };
}

interface StsCredentials {
  AccessKeyId: string;
  SecretAccessKey: string;
  SessionToken: string;
  Expiration: number | string;
}

/** The form that the container and the instance endpoint share. */
interface EndpointCredentials {
  AccessKeyId?: string;
  SecretAccessKey?: string;
  Token?: string;
  Expiration?: string;
}

async function fromContainer(env: AwsEnvironment, url: string): Promise<Temporary> {
  const { containerAuthorizationToken: token, containerAuthorizationTokenFile: file } = env;
  const answer = await callKeyService('AWS container credentials', () => {
    // The file is renewed while we run.
    const authorization = file ? readFileSync(file, 'utf8').trim() : token;
    const headers: Record<string, string> = authorization ? { authorization } : {};
    return { method: 'GET', url, headers };
  });
  return temporary(answer);
}

/** Instance metadata service, version 2: a token first, so that a forwarded request gets nothing. */
async function fromInstance(endpoint: string, clock: Clock): Promise<Temporary> {
  const token = await callKeyService('AWS instance metadata', () => ({
    method: 'PUT',
    url: `${endpoint}/latest/api/token`,
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '300' },
  }));
  if (token.status !== 200) throw noCredentials('the instance metadata gives no token', token);
  const headers = { 'x-aws-ec2-metadata-token': token.body.trim() };
  const path = `${endpoint}/latest/meta-data/iam/security-credentials/`;
  const get = (url: string) =>
    callKeyService('AWS instance metadata', () => ({ method: 'GET', url, headers }));
  const role = await get(path);
  if (role.status !== 200) throw noCredentials('the instance has no role', role);
  const found = temporary(await get(path + encodeURIComponent(role.body.trim().split('\n')[0] ?? '')));
  // While the metadata service itself is in trouble it hands out old ones; they are tried rather than refused.
  return found.until > clock.now() ? found : { ...found, until: clock.now() + 2 * RENEW_BEFORE_MS };
}

function temporary(answer: ServiceAnswer): Temporary {
  const given = (answer.json ?? {}) as EndpointCredentials;
  if (answer.status !== 200 || !given.AccessKeyId || !given.SecretAccessKey)
    throw noCredentials('the credentials endpoint gives none', answer);
  const until = given.Expiration ? Date.parse(given.Expiration) : Number.POSITIVE_INFINITY;
  return {
    credentials: {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.Token,
    },
    until,
  };
}

/** The part of AWS a region belongs to has its own domain. */
export function awsDomain(region: string): string {
  return region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
}

function noCredentials(why: string, answer?: ServiceAnswer): Fault {
  return new Fault('unavailable', `There are no AWS credentials: ${why}.`, {
    remedy: 'Give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    // The body of an answer that did not work may still hold a token; its status is enough.
    log: answer ? `status ${answer.status}` : undefined,
  });
}
