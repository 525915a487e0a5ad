import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, type Served, serve } from '../http/served.js';
import { RECORDS } from './search-records.js';
import { ROWS, type Row, SORTED } from './search-rows.js';

/** R4 search.html over HTTP: every kind of parameter with every modifier and prefix, and the forms of the answer. */
let served: Served;
beforeAll(async () => {
  served = await serve();
  const entry = RECORDS.map((resource) => ({
    resource,
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  }));
  await served.http().post(BASE).send({ resourceType: 'Bundle', type: 'transaction', entry }).expect(200);
});
afterAll(() => served.close());

interface Searchset {
  readonly total?: number;
  readonly link: { relation: string; url: string }[];
  readonly entry?: {
    fullUrl: string;
    resource: Record<string, unknown> & { id: string; resourceType: string };
    search: { mode: string };
  }[];
}

const words = (text: string) => text.split(' ').filter(Boolean);
const ids = ({ entry = [] }: Searchset) => entry.map(({ resource }) => resource.id);
const matches = ({ entry = [] }: Searchset) => entry.filter(({ search }) => search.mode === 'match');

/** Path and encoded parameters of a search as it is written in the rows. */
function taken(search: string): { path: string; pairs: [string, string][] } {
  const [path = '', ...rest] = search.split('?');
  const query = rest.join('?').replace('$BASE', served.base);
  const pairs =
    query === ''
      ? []
      : query.split('&').map((pair): [string, string] => {
          const at = pair.indexOf('=');
          return [pair.slice(0, at), pair.slice(at + 1).replaceAll('%2B', '+')];
        });
  return { path, pairs };
}

const inside = (url: string) => url.slice(url.indexOf(BASE));
const where = (path: string) => (path === '' ? BASE : `${BASE}/${path}`);

async function get(search: string, prefer = 'handling=strict', status = 200): Promise<Searchset> {
  const { path, pairs } = taken(search);
  const url = `${where(path)}?${new URLSearchParams(pairs)}`;
  return (await served.http().get(url).set('Prefer', prefer).expect(status)).body;
}

async function post(search: string): Promise<Searchset> {
  const { path, pairs } = taken(search);
  const url = `${where(path)}/_search`;
  const text = new URLSearchParams(pairs).toString();
  return (await served.http().post(url).set('Prefer', 'handling=strict').type('form').send(text).expect(200))
    .body;
}

const groups = new Map<string, Row[]>();
for (const row of ROWS) groups.set(row[0], [...(groups.get(row[0]) ?? []), row]);

describe.each([...groups])('%s', (_what, rows) => {
  it.each(rows)('%s: %s answers %s, by GET and by POST', async (_name, search, expected) => {
    const wanted = words(expected).sort();
    const found = await get(search);
    expect(ids(found).sort()).toEqual(wanted);
    for (const { fullUrl, resource } of found.entry ?? [])
      expect(new URL(fullUrl).pathname).toBe(`${BASE}/${resource.resourceType}/${resource.id}`);
    const { pairs } = taken(search);
    const self = new URL(found.link.find(({ relation }) => relation === 'self')!.url);
    for (const [name] of pairs) expect([...self.searchParams.keys()]).toContain(name);
    expect(ids(await post(search)).sort()).toEqual(wanted);
  });

  it.each(rows)('%s: %s is counted right and paged right', async (_name, search, expected) => {
    const mark = search.includes('?') ? '&' : '?';
    const counted = await get(`${search}${mark}_summary=count`);
    const whole = await get(search);
    expect(counted.total).toBe(matches(whole).length);
    expect(counted.entry).toBeUndefined();
    const seen: string[] = [];
    let page = await get(`${search}${mark}_count=1`);
    for (let i = 0; i < 20; i++) {
      seen.push(...matches(page).map(({ resource }) => resource.id));
      const next = page.link.find(({ relation }) => relation === 'next')?.url;
      if (next === undefined) break;
      page = (await served.http().get(inside(next)).expect(200)).body;
    }
    expect(seen.sort()).toEqual(
      matches(whole)
        .map(({ resource }) => resource.id)
        .sort(),
    );
    expect(words(expected)).toEqual(expect.arrayContaining(seen));
  });
});

const sorted = new Map<string, Row[]>();
for (const row of SORTED) sorted.set(row[0], [...(sorted.get(row[0]) ?? []), row]);

describe.each([...sorted])('%s', (_what, rows) => {
  it.each(rows)('%s: %s answers %s in this order, page by page too', async (_name, search, expected) => {
    expect(ids(await get(search))).toEqual(words(expected));
    const seen: string[] = [];
    let page = await get(`${search}&_count=1`);
    for (let i = 0; i < 20; i++) {
      seen.push(...ids(page));
      const next = page.link.find(({ relation }) => relation === 'next')?.url;
      if (next === undefined) break;
      page = (await served.http().get(inside(next)).expect(200)).body;
    }
    expect(seen).toEqual(words(expected));
  });
});
