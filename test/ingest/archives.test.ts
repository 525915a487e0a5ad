import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readWhole } from '../../src/ingest/lines.js';
import { readSidecar } from '../../src/ingest/sidecar.js';
import { localSource, type SourceFile } from '../../src/ingest/source.js';
import { tarOf, zipOf } from './made-files.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cenote-archives-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const FILES = {
  'notes/a.txt': 'Cough',
  'notes/a.txt.json': '{"patient":"p1"}',
  'notes/b.txt.gz': gzipSync('Fever'),
  'practitioner.json': '{"resourceType":"Practitioner"}',
  'notes/.hidden.txt': 'x',
  '__MACOSX/notes/._a.txt': 'x',
};

async function filesOf(name: string, bytes: Buffer): Promise<SourceFile[]> {
  await writeFile(join(folder, name), bytes);
  return localSource([join(folder, name)]).files();
}
const read = async (file: SourceFile) => (await readWhole(file.open())).toString();

describe('archives', () => {
  it.each([
    ['all.zip', zipOf(FILES)],
    ['all.tar', tarOf(FILES)],
    ['all.tar.gz', gzipSync(tarOf(FILES))],
    ['all.tgz', gzipSync(tarOf(FILES))],
  ])('%s is walked without unpacking it, shared files first', async (name, bytes) => {
    const files = await filesOf(name, bytes);
    expect(files.map((f) => f.path.slice(f.path.indexOf('!/')))).toEqual([
      '!/practitioner.json',
      '!/notes/a.txt',
      '!/notes/a.txt.json',
      '!/notes/b.txt.gz',
    ]);
    const [practitioner, a, , b] = files as [SourceFile, SourceFile, SourceFile, SourceFile];
    // In any order, and more than once.
    expect(await Promise.all([b, a, practitioner, a].map(read))).toEqual([
      'Fever',
      'Cough',
      '{"resourceType":"Practitioner"}',
      'Cough',
    ]);
    expect(await readSidecar(a)).toEqual({ patient: 'p1' });
    expect(await readSidecar(b)).toBeUndefined();
  });

  it.each([
    ['escape.zip', zipOf({ '../x.txt': 'x' }), /leads out/],
    ['escape.tar', tarOf({ 'a/../../x.txt': 'x' }), /leads out/],
    ['damaged.zip', zipOf({ 'a.txt': 'x' }).subarray(0, 40), /damaged/],
    ['damaged.tgz', gzipSync(tarOf({ 'a.txt': 'x'.repeat(5000) }).subarray(0, 1500)), /damaged/],
    ['no.tar', Buffer.alloc(2048, 'x'), /damaged/],
    ['nested.zip', zipOf({ 'inner.zip': zipOf({ 'a.txt': 'x' }) }), /within an archive/],
    ['nested.tar', tarOf({ 'inner.tar.gz': gzipSync(tarOf({ 'a.txt': 'x' })) }), /within an archive/],
  ])('%s is refused when it is read, and stops nothing else', async (name, bytes, message) => {
    const [file] = await filesOf(name, bytes);
    await expect(read(file!)).rejects.toThrow(message);
  });

  it('refuses bombs', async () => {
    const packed = gzipSync(tarOf({ 'zeros.txt': Buffer.alloc(160 * 1024 * 1024) }), { level: 9 });
    const [file] = await filesOf('bomb.tgz', packed);
    await expect(read(file!)).rejects.toThrow(/times its size/);
    const zip = zipOf({ 'a.txt': Buffer.alloc(160 * 1024 * 1024) });
    const [zipped] = await filesOf('bomb.zip', zip);
    await expect(read(zipped!)).rejects.toThrow(/times its size/);
  });
});
