import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixedClock } from '../../src/core/clock.js';
import type { Resource } from '../../src/core/resource.js';
import type { Page, SearchRequest } from '../../src/search/request.js';
import type { Search } from '../../src/search/search.js';
import { visibilityOf } from '../../src/search/visibility.js';
import type { Store } from '../../src/store/contract.js';
import { narrow } from '../../src/store/visible.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import type { Timeline } from '../../src/timeline/timeline.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Pages while a writer changes, between any two of them, the very values that they are sorted by. */

const actor = { id: 'test', kind: 'job' as const };
const clock = fixedClock(Date.parse('2024-01-01T00:00:00Z'));
const SIZE = 24;
const PAGE = 5;

let system: TestSystem;
let tenant: Tenant;
let store: Store;
let search: Search;
let timeline: Timeline;
let base: string;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'], clock });
  const rooms = await system.rooms();
  ({ store, search, timeline } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
});

afterAll(() => system.close());

/** Numbers that repeat, from a seed: the same run each time. */
function* numbers(seed: number): Generator<number, never> {
  for (let x = seed; ; ) {
    x = (x * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield Math.floor(x / 65_536) % 97;
  }
}

const UNITS = ['mg', 'g', 'kg'];

/** A record with other values in everything it can be sorted by; some have none. */
function record(
  type: 'Observation' | 'Procedure',
  id: string,
  patient: string,
  code: string,
  n: number,
): Resource {
  const when =
    n % 7 === 0
      ? {}
      : {
          [type === 'Observation' ? 'effectiveDateTime' : 'performedDateTime']:
            `20${10 + (n % 14)}-0${1 + (n % 9)}`,
        };
  const value =
    n % 5 === 0
      ? {}
      : { valueQuantity: { value: 1 + (n % 11), system: 'http://unitsofmeasure.org', code: UNITS[n % 3]! } };
  return {
    resourceType: type,
    id,
    status: type === 'Observation' ? 'final' : 'completed',
    code: { coding: [{ system: 'urn:c', code }], text: `Text ${(n * 31) % 89}` },
    subject: { reference: `Patient/${patient}` },
    ...when,
    ...(type === 'Observation' ? { issued: `2023-01-01T00:00:${10 + (n % 40)}Z`, ...value } : {}),
  };
}

async function write(resources: readonly Resource[], deleted: readonly string[] = []): Promise<void> {
  clock.advance(1_000);
  await store.commit(
    tenant,
    [
      ...resources.map((resource) => ({
        op: 'update' as const,
        type: resource.resourceType,
        id: resource.id!,
        resource,
      })),
      ...deleted.map((name) => ({
        op: 'delete' as const,
        type: name.split('/')[0]!,
        id: name.split('/')[1]!,
      })),
    ],
    actor,
  );
}

/** A page, given the link of the one before. */
type Turn = (
  next: string | undefined,
) => Promise<{ ids: string[]; next: string | undefined; total?: number | undefined }>;

const ids = (page: Page) =>
  page.entries.filter((e) => e.mode === 'match').map((e) => `${e.resource.resourceType}/${e.resource.id}`);

const searched =
  (request: Partial<SearchRequest>, query: string, of = () => tenant): Turn =>
  async (next) => {
    const page = await search.search(of(), {
      ...request,
      params: [...new URLSearchParams(next ?? `${query}&_count=${PAGE}`)],
      strict: true,
      base,
    });
    return { ids: ids(page), next: page.next, total: page.total };
  };

/** Names of the case stand in the code, so that each has records of its own. */
const CASES: readonly [name: string, turn: (code: string) => Turn][] = [
  ...[
    'date',
    '-date',
    '_lastUpdated',
    '-_lastUpdated',
    'value-quantity',
    '-value-quantity',
    'date,value-quantity',
    '-date,-_lastUpdated',
    '-value-quantity,date',
    'code',
    '-code,date',
    'code,-_lastUpdated',
    'patient',
    '_id',
  ].map((sort): [string, (code: string) => Turn] => [
    `Observation sorted by ${sort}`,
    (code) => searched({ type: 'Observation' }, `code=${code}&_sort=${sort}`),
  ]),
  ['as they come', (code) => searched({ type: 'Observation' }, `code=${code}`)],
  ['a patient’s, newest first', (code) => searched({ type: 'Observation' }, `patient=${code}&_sort=-date`)],
  [
    'a patient’s with a code, oldest first',
    (code) => searched({ type: 'Observation' }, `patient=${code}&code=${code}&_sort=date`),
  ],
  [
    'with what they refer to',
    (code) => searched({ type: 'Observation' }, `code=${code}&_sort=-date&_include=Observation:patient`),
  ],
  [
    'with a clause that is rechecked',
    (code) => searched({ type: 'Observation' }, `code=${code}&code:text=text&_sort=date`),
  ],
  ['through a chain', (code) => searched({ type: 'Observation' }, `patient._id=${code}&_sort=-date`)],
  [
    'of several types, newest first',
    (code) => searched({}, `_type=Observation,Procedure&_tag=${code}&_sort=-_lastUpdated`),
  ],
  [
    'of several types, by date',
    (code) => searched({}, `_type=Observation,Procedure&_tag=${code}&_sort=date`),
  ],
  [
    'of a compartment',
    (code) =>
      searched({ type: 'Observation', compartment: { type: 'Patient', id: code } }, '_sort=date,code'),
  ],
  [
    'of a compartment by date',
    (code) => searched({ type: 'Observation', compartment: { type: 'Patient', id: code } }, '_sort=-date'),
  ],
  [
    'as a token sees it that is for one patient',
    (code) => searched({ type: 'Observation' }, `code=${code}&_sort=-date`, () => seenFor(code)),
  ],
  [
    'by text, as such a token sees it',
    (code) => searched({ type: 'Observation' }, `code=${code}&_sort=code`, () => seenFor(code)),
  ],
  [
    'a timeline',
    (code) => async (next) => {
      const page = await timeline.timeline(tenant, {
        patient: code,
        params: [...new URLSearchParams(next ?? `_type=Observation&_count=${PAGE}`)],
        strict: true,
        base,
      });
      return { ids: page.events.map((e) => `${e.resource.resourceType}/${e.resource.id}`), next: page.next };
    },
  ],
];

function seenFor(patient: string): Tenant {
  const grants = [{ type: '*', letters: 'rs', patient }];
  return narrow(tenant, visibilityOf(grants, tenant.keys, { blind: tenant.keys.blind, base }), 's');
}

describe.each(CASES)('%s', (name, turnOf) => {
  test('each that stays comes once, whatever is written between pages, in the order of the first page', async () => {
    const at = CASES.findIndex(([n]) => n === name);
    const code = `p${at}`;
    const next = numbers(at + 1);
    const tagged = (r: Resource): Resource => ({ ...r, meta: { tag: [{ system: 'urn:t', code }] } });
    const typeOf = (i: number) =>
      name.includes('several types') && i % 2 === 1 ? 'Procedure' : 'Observation';
    const make = (prefix: string, i: number) =>
      tagged(record(typeOf(i), `${code}-${prefix}${i}`, code, code, next.next().value));
    const stay = Array.from({ length: SIZE }, (_, i) => make('stays', i));
    await write([
      { resourceType: 'Patient', id: code },
      { resourceType: 'Patient', id: `${code}-other` },
      ...stay.slice(0, SIZE / 2),
    ]);
    await write([...stay.slice(SIZE / 2), ...Array.from({ length: 6 }, (_, i) => make('goes', i))]);

    const turn = turnOf(code);
    // As it would have been with nobody writing.
    const still = await once(turn);
    const staying = (list: readonly string[]) => list.filter((n) => n.includes('-stays'));
    expect(staying(still).sort()).toEqual(stay.map((r) => `${r.resourceType}/${r.id}`).sort());
    const inOrder = staying(still);

    const seen: string[] = [];
    let link: string | undefined;
    for (let n = 0; n === 0 || link !== undefined; n++) {
      const page = await turn(link);
      seen.push(...page.ids);
      link = page.next;
      const changed = Array.from({ length: 10 }, () => next.next().value % SIZE);
      const gone = still.filter((one) => one.includes(`goes${n}`));
      await write(
        [
          ...[...new Set(changed)].map((i) => make('stays', i)),
          make('new', n * 2),
          make('new', n * 2 + 1),
          // Once of another patient, then of this one.
          record('Observation', `${code}-moves`, n % 2 === 0 ? `${code}-other` : code, code, n),
        ],
        gone,
      );
      if (n > 0) await write([], [`${typeOf(n * 2 - 1)}/${code}-new${n * 2 - 1}`]);
    }
    expect(staying(seen)).toEqual(inOrder);
    expect(seen.filter((one, i) => seen.indexOf(one) !== i)).toEqual([]);
  });
});

/** All of a result in one go. */
async function once(turn: Turn): Promise<string[]> {
  const seen: string[] = [];
  let link: string | undefined;
  do {
    const page = await turn(link);
    seen.push(...page.ids);
    link = page.next;
  } while (link !== undefined);
  return seen;
}

test('a total is that of the first page, on each page', async () => {
  const make = (i: number) => record('Observation', `total${i}`, 'total', 'total', i);
  await write(Array.from({ length: 12 }, (_, i) => make(i)));
  const turn = searched({ type: 'Observation' }, 'code=total&_sort=-date&_total=accurate');
  const totals: unknown[] = [];
  let link: string | undefined;
  for (let n = 0; n === 0 || link !== undefined; n++) {
    const page = await turn(link);
    totals.push(page.total);
    link = page.next;
    await write([make(20 + n)], [`Observation/total${11 - n}`]);
  }
  expect(new Set(totals)).toEqual(new Set([12]));
});

test('a write that gets its time before the first page and is committed after it moves nothing', async () => {
  const make = (i: number, year: number): Resource => ({
    ...record('Observation', `late${i}`, 'late', 'late', 1),
    effectiveDateTime: `${year}`,
  });
  await write(Array.from({ length: 9 }, (_, i) => make(i, 2001 + i)));
  let commit!: () => void;
  let begun!: () => void;
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const writing = store.transact(tenant, actor, async (tx) => {
    // The first two go behind everything, the last before it.
    await tx.write(
      [make(0, 2020), make(1, 2021), make(8, 1990)].map((resource) => ({
        op: 'update',
        type: 'Observation',
        id: resource.id!,
        resource,
      })),
    );
    begun();
    await new Promise<void>((resolve) => {
      commit = resolve;
    });
  });
  await started;
  await write([record('Observation', 'newer', 'else', 'else', 1)]);
  const turn = searched({ type: 'Observation' }, 'code=late&_sort=date');
  const first = await turn(undefined);
  commit();
  await writing;
  const second = await turn(first.next);
  expect([...first.ids, ...second.ids]).toEqual(Array.from({ length: 9 }, (_, i) => `Observation/late${i}`));
  expect(second.next).toBeUndefined();
});
