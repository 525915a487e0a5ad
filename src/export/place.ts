import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { type AwsEnvironment, awsCredentials, awsDomain } from '../tenancy/key-providers/aws-credentials.js';
import { type BlobStore, folderStore } from './blob-store.js';
import { s3Store } from './s3-store.js';

export interface S3Settings {
  /** The region's own where not given. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly environment: AwsEnvironment;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * Where an export goes: a folder, or `s3://bucket/prefix`.
 * @throws Fault `invalid` for an address that is none
 */
export function openPlace(
  place: string,
  { endpoint, region, environment }: S3Settings,
  clock: Clock,
): BlobStore {
  if (!/^[a-z0-9+.-]+:\/\//i.test(place)) return folderStore(place);
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]+)(?:\/(.*?))?\/*$/.exec(place) ?? [];
  if (!BUCKET.test(bucket) || !/^[A-Za-z0-9._=/-]*$/.test(prefix) || /(^|\/)\.*(\/|$)/.test(prefix || 'x')) {
    throw new Fault('invalid', 'The place for the export is no address.', {
      at: '--out',
      remedy: 'Name a folder, or s3://bucket/prefix of letters, digits and . _ = - /.',
    });
  }
  return s3Store({
    endpoint: endpoint ?? `https://s3.${region}.${awsDomain(region)}`,
    region,
    bucket,
    prefix,
    credentials: awsCredentials(environment, region, clock),
  });
}
