import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { bundleEntries } from '../../src/ingest/json-bundle.js';

/** The entries and the rest, the text coming in chunks of so many bytes. */
async function read(text: string | Buffer, size: number): Promise<{ entries: string[]; rest: unknown }> {
  const bytes = Buffer.from(text as string);
  const chunks: Buffer[] = [];
  for (let i = 0; i < bytes.length; i += size) chunks.push(bytes.subarray(i, i + size));
  const found = bundleEntries(Readable.from(chunks));
  const entries: string[] = [];
  for (;;) {
    const next = await found.next();
    if (next.done) return { entries, rest: next.value };
    entries.push(next.value);
  }
}

const ENTRIES = [
  {
    fullUrl: 'urn:uuid:1',
    resource: { resourceType: 'Basic', code: { text: 'brackets ]}[{ and "quotes\\" é' } },
  },
  { resource: { resourceType: 'List', entry: [{ item: { reference: 'urn:uuid:1' } }, {}] } },
  { resource: {} },
];
const BUNDLE = {
  resourceType: 'Bundle',
  meta: { tag: [{ code: 'a b' }] },
  entry: ENTRIES,
  type: 'collection',
};

it.each([
  ['as written', JSON.stringify(BUNDLE)],
  ['indented, with a byte order mark', `\uFEFF${JSON.stringify(BUNDLE, undefined, 3)}\n`],
  [
    'with the entries first',
    JSON.stringify({ entry: ENTRIES, resourceType: 'Bundle', meta: BUNDLE.meta, type: 'collection' }),
  ],
])('gives the entries of a Bundle one by one, wherever the file is cut: %s', async (_what, text) => {
  for (const size of [1, 2, 3, 7, 64, 100_000]) {
    const { entries, rest } = await read(text, size);
    expect(entries.map((entry) => JSON.parse(entry))).toEqual(ENTRIES);
    expect(rest).toEqual({ resourceType: 'Bundle', meta: BUNDLE.meta, type: 'collection' });
  }
});

it.each([
  ['a file that ends early', JSON.stringify(BUNDLE).slice(0, -30)],
  ['a file that ends within an entry', JSON.stringify(BUNDLE).slice(0, 120)],
  ['an entry that is no object', '{"resourceType":"Bundle","entry":[{},null]}'],
  ['a comma too many', '{"resourceType":"Bundle","entry":[{},]}'],
  ['a comma too few', '{"resourceType":"Bundle","entry":[{}{}]}'],
  ['a bracket that closes another', '{"resourceType":"Bundle","entry":[{}}]'],
  ['two lists of entries', '{"entry":[{}],"entry":[{}]}'],
  ['text in UTF-16', Buffer.from('\uFEFF{}', 'utf16le')],
])('refuses %s', async (_what, text) => {
  await expect(read(text, 16)).rejects.toMatchObject({ category: 'invalid' });
});
