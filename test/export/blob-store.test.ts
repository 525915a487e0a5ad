import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BlobStore, folderStore } from '../../src/export/blob-store.js';
import { s3Store } from '../../src/export/s3-store.js';

/** One contract, both places: a folder, and a real server that speaks S3 (it knows keys, but does not check signatures). */
const folder = mkdtempSync(join(tmpdir(), 'cenote-blobs-'));
let server: InstanceType<typeof S3rver>;
let endpoint: string;

beforeAll(async () => {
  server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory: join(folder, 's3'),
    configureBuckets: [{ name: 'lake', configs: [] }],
  });
  endpoint = `http://127.0.0.1:${((await server.run()) as AddressInfo).port}`;
});
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const s3 = (prefix: string, accessKeyId = 'S3RVER', bucket = 'lake') =>
  s3Store({
    endpoint,
    region: 'us-east-1',
    bucket,
    prefix,
    credentials: async () => ({ accessKeyId, secretAccessKey: 'S3RVER' }),
  });
const PLACES: [string, (name: string) => BlobStore][] = [
  ['a folder', (name) => folderStore(join(folder, 'local', name))],
  ['an S3-compatible store', (name) => s3(`exports/${name}`)],
];

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const found: Uint8Array[] = [];
  for await (const piece of pieces) found.push(piece);
  return Buffer.concat(found);
}

describe.each(PLACES)('%s', (_what, open) => {
  it('is empty at first, and holds what was put', async () => {
    const store = open('a');
    expect(await store.isEmpty()).toBe(true);
    expect(await store.get('manifest.json')).toBeUndefined();
    await store.put('manifest.json', Buffer.from('{}'));
    await store.put('manifest.json', Buffer.from('{"a":1}'));
    expect((await store.get('manifest.json'))!.toString()).toBe('{"a":1}');
    expect(await store.isEmpty()).toBe(false);
    await store.remove('manifest.json');
    await store.remove('manifest.json');
    expect(await store.isEmpty()).toBe(true);
  });

  it.each([0, 1, 100_000, 12 * 1024 * 1024])(
    'gives back a blob of %i bytes written in pieces',
    async (size) => {
      const store = open('b');
      const bytes = randomBytes(size);
      const blob = await store.create('bucket=0001/Observation.parquet');
      for (let at = 0; at < size; at += 700_000) await blob.write(bytes.subarray(at, at + 700_000));
      await blob.finish();
      await blob.abandon();
      expect((await all(store.read('bucket=0001/Observation.parquet'))).equals(bytes)).toBe(true);
    },
  );

  it('shows nothing of a blob that is not finished', async () => {
    const store = open('c');
    const blob = await store.create('half.ndjson');
    for (let i = 0; i < 12; i++) await blob.write(randomBytes(1024 * 1024));
    expect(await store.get('half.ndjson')).toBeUndefined();
    expect(await store.isEmpty()).toBe(true);
    await blob.abandon();
    expect(await store.get('half.ndjson')).toBeUndefined();
  });

  it('takes no name that leads out of it', async () => {
    const store = open('d');
    for (const name of ['../x', '/x', 'a//b', '.x', 'a/../b', ''])
      await expect(store.put(name, Buffer.from('x'))).rejects.toMatchObject({ category: 'internal' });
  });
});

describe('an S3-compatible store', () => {
  it('that refuses the credentials is told apart from one that is not there', async () => {
    await expect(s3('x', 'wrong').put('a', Buffer.from('a'))).rejects.toMatchObject({
      category: 'forbidden',
    });
    await expect(s3('x', 'S3RVER', 'nobucket').put('a', Buffer.from('a'))).rejects.toMatchObject({
      category: 'unavailable',
    });
  });
});
