import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** What black-box suites ask of a FHIR server beside the common path, each as a client would notice it. */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const http = () => served.http();
const put = (resource: { resourceType: string; id: string; [name: string]: unknown }) =>
  http().put(`${BASE}/${resource.resourceType}/${resource.id}`).send(resource);

describe('history', () => {
  beforeAll(async () => {
    for (const gender of ['male', 'female', 'other'])
      await put(patient({ id: 'told', gender }) as never).expect((r) => expect(r.status).toBeLessThan(300));
  });

  it.each(['Patient/told/_history', 'Patient/_history', '_history?_type=Patient'])(
    '%s with _summary=count is its length alone',
    async (path) => {
      const { body } = await http()
        .get(`${BASE}/${path}${path.includes('?') ? '&' : '?'}_summary=count`)
        .expect(200);
      expect(body).toMatchObject({ type: 'history', total: 3 });
      expect(body.entry).toBeUndefined();
      expect(body.link.map((l: { relation: string }) => l.relation)).toEqual(['self']);
    },
  );

  it('_at of a period has every version that was current at some time of it', async () => {
    const versions = async (path: string, at: string) =>
      ((await http().get(`${BASE}/${path}?_at=${at}`).expect(200)).body.entry ?? []).length;
    const now = new Date(served.rooms.clock.now());
    for (const path of ['Patient/told/_history', 'Patient/_history']) {
      expect(await versions(path, String(now.getUTCFullYear()))).toBe(3);
      expect(await versions(path, new Date(now.getTime() + 1_000).toISOString())).toBe(1);
      expect(await versions(path, '2001')).toBe(0);
    }
  });
});

it('an update to what can be no id is 400, not an address that is not there', async () => {
  const { body } = await http()
    .put(`${BASE}/Patient/not_an_id`)
    .send(patient({ id: 'not_an_id' }))
    .expect(400);
  expect(body.resourceType).toBe('OperationOutcome');
});

it('_elements keeps what changes the meaning of the rest', async () => {
  await put(patient({ id: 'marked', active: false, gender: 'female' }) as never);
  for (const path of ['Patient/marked?_elements=gender', 'Patient?_id=marked&_elements=gender']) {
    const { body } = await http().get(`${BASE}/${path}`).expect(200);
    const found = body.entry?.[0].resource ?? body;
    expect(found).toMatchObject({ active: false, gender: 'female' });
    expect(found.name).toBeUndefined();
  }
});

it('metadata names the compartments, and gives the elements asked for', async () => {
  const { body } = await http().get(`${BASE}/metadata`).expect(200);
  expect(body.rest[0].compartment).toHaveLength(5);
  const some = (await http().get(`${BASE}/metadata?_elements=software`).expect(200)).body;
  expect(some).toMatchObject({ resourceType: 'CapabilityStatement', fhirVersion: '4.0.1' });
  expect(some.rest).toBeUndefined();
});

it('_revinclude=* brings all that points at a match', async () => {
  await put(patient({ id: 'pointed' }) as never);
  const subject = { reference: 'Patient/pointed' };
  await put({ resourceType: 'Condition', id: 'points', subject });
  await put({ resourceType: 'Basic', id: 'points', code: { text: 'x' }, subject });
  const { body } = await http().get(`${BASE}/Patient?_id=pointed&_revinclude=*`).expect(200);
  const along = body.entry.filter((e: { search: { mode: string } }) => e.search.mode === 'include');
  expect(along.map((e: { resource: { resourceType: string } }) => e.resource.resourceType).sort()).toEqual([
    'Basic',
    'Condition',
  ]);
});

describe('conditions of several parameters in one transaction', () => {
  const coded = (code: string, who: string, family = code) => ({
    request: {
      method: 'POST',
      url: 'Observation',
      ifNoneExist: `code=urn:several|${code}&subject=Patient/${who}`,
    },
    resource: {
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 'urn:several', code }], text: family },
      subject: { reference: `Patient/${who}` },
    },
  });
  const send = async (...entry: unknown[]) =>
    (await http().post(BASE).send({ resourceType: 'Bundle', type: 'transaction', entry }).expect(200))
      .body as { entry: { response: { status: string; location: string } }[] };
  const statuses = ({ entry }: Awaited<ReturnType<typeof send>>) =>
    entry.map((e) => e.response.status.slice(0, 3)).join(' ');

  it('each finds its own, whichever part of it is rare', async () => {
    for (const id of ['one', 'two']) await put(patient({ id }) as never);
    const rare = ['a', 'b', 'c', 'd'].map((code) => coded(code, 'one'));
    expect(statuses(await send(...rare))).toBe('201 201 201 201');
    expect(statuses(await send(...rare))).toBe('200 200 200 200');
    expect(statuses(await send(...['a', 'b', 'c', 'd'].map((code) => coded(code, 'two'))))).toBe(
      '201 201 201 201',
    );
    // One code of forty patients: then the patients tell them apart.
    const many = Array.from({ length: 40 }, (_, i) => `many-${i}`);
    for (const id of many) await put(patient({ id }) as never);
    const common = many.map((who) => coded('common', who));
    await send(...common);
    const again = await send(...common, coded('a', 'one'), coded('e', 'one'));
    expect(statuses(again)).toBe([...many.map(() => '200'), '200', '201'].join(' '));
    expect(new Set(again.entry.map((e) => e.response.location)).size).toBe(42);
  });

  it('a long text that others begin with too is found all the same', async () => {
    const long = 'Wolfeschlegelsteinhausen';
    for (let i = 0; i < 8; i++)
      await put(patient({ id: `w${i}`, name: [{ family: `${long}-${i}` }] }) as never);
    const entry = {
      request: { method: 'POST', url: 'Patient', ifNoneExist: `family=${long}-7` },
      resource: patient({ name: [{ family: `${long}-7` }] }),
    };
    expect(statuses(await send(entry))).toBe('200');
  });
});

describe('$meta of a type and of the system', () => {
  it('names the profiles, tags and labels in use, each once', async () => {
    const tag = (code: string) => ({ system: 'urn:meta', code });
    await put({ resourceType: 'Basic', id: 'm1', code: { text: 'x' }, meta: { tag: [tag('a'), tag('b')] } });
    await put({ resourceType: 'Basic', id: 'm2', code: { text: 'x' }, meta: { tag: [tag('a')] } });
    const profile = ['https://example.org/profile'];
    await put({ ...patient({ id: 'm3' }), resourceType: 'Patient', id: 'm3', meta: { profile } });
    const meta = async (path: string) =>
      (await http().get(`${BASE}/${path}`).expect(200)).body.parameter[0].valueMeta;
    expect(await meta('Basic/$meta')).toEqual({ tag: [tag('a'), tag('b')] });
    expect(await meta('Flag/$meta')).toEqual({});
    const all = await meta('$meta');
    expect(all).toMatchObject({ profile, tag: expect.arrayContaining([tag('a'), tag('b')]) });
  });
});

it('$translate finds the map by system and value sets where none is named', async () => {
  const map = (id: string, target: string, code: string) => ({
    resourceType: 'ConceptMap',
    id,
    url: `https://example.org/map/${id}`,
    status: 'active',
    sourceUri: 'https://example.org/vs/from',
    targetUri: `https://example.org/vs/${target}`,
    group: [
      {
        source: 'urn:from',
        target: `urn:${target}`,
        element: [{ code: 'x', target: [{ code, equivalence: 'equivalent' }] }],
      },
    ],
  });
  await put(map('to-one', 'one', 'y'));
  await put(map('to-two', 'two', 'z'));
  const translated = async (query: string) => {
    const { body } = await http().get(`${BASE}/ConceptMap/$translate?${query}`).expect(200);
    return body.parameter
      .filter((p: { name: string }) => p.name === 'match')
      .map(
        (m: { part: { name: string; valueCoding?: { code: string } }[] }) =>
          m.part.find((p) => p.name === 'concept')!.valueCoding!.code,
      )
      .sort();
  };
  expect(await translated('system=urn:from&code=x')).toEqual(['y', 'z']);
  expect(await translated('system=urn:from&code=x&target=https://example.org/vs/two')).toEqual(['z']);
  expect(await translated('system=urn:from&code=x&targetsystem=urn:one')).toEqual(['y']);
  expect(await translated('system=urn:one&code=y&reverse=true')).toEqual(['x']);
  await http().get(`${BASE}/ConceptMap/$translate?system=urn:none&code=x`).expect(404);
  await http().get(`${BASE}/ConceptMap/$translate?code=x`).expect(400);
});

describe('searches by words', () => {
  const found = async (query: string) => {
    const { body } = await http().get(`${BASE}/${query}`).expect(200);
    return (body.entry ?? []).map((e: { resource: { id: string } }) => e.resource.id).sort();
  };
  beforeAll(async () => {
    for (const [id, words] of [
      ['w-bone', 'bone and metastases'],
      ['w-liver', 'liver metastases'],
      ['w-lung', 'lung metastases or not'],
    ] as const)
      await put({
        resourceType: 'Basic',
        id,
        code: { text: 'x' },
        text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${words}</div>` },
      });
  });
  it.each([
    ['(bone OR liver) and metastases', 'w-bone w-liver'],
    ['bone OR lung', 'w-bone w-lung'],
    ['metastases', 'w-bone w-liver w-lung'],
    ['bone liver', ''],
    ['(bone or (liver and metastases))', 'w-bone w-liver'],
    // What does not add up is words, "or" among them.
    ['(lung or', 'w-lung'],
  ])('_text=%s', async (text, ids) => {
    const wanted = ids === '' ? [] : ids.split(' ');
    expect(await found(`Basic?_text=${encodeURIComponent(text)}`)).toEqual(wanted);
    expect(await found(`Basic?_content=${encodeURIComponent(text)}`)).toEqual(wanted);
  });

  it.each(['text', 'code-text'])(':%s of a reference is what it is called', async (modifier) => {
    const called = (id: string, display: string) =>
      put(patient({ id, generalPractitioner: [{ display }] }) as never);
    await called('gp-1', 'Dr. Élodie Brandt');
    await called('gp-2', 'Brandt');
    expect(await found(`Patient?general-practitioner:${modifier}=dr. elo`)).toEqual(['gp-1']);
    expect(await found(`Patient?general-practitioner:${modifier}=brandt`)).toEqual(['gp-2']);
    await http()
      .get(`${BASE}/Patient?general-practitioner:${modifier}=,`)
      .expect((r) => {
        expect(r.status).not.toBe(500);
      });
  });
});

describe('the pages of $everything', () => {
  interface Paged {
    entry?: { resource: { resourceType: string; id: string } }[];
    link: { relation: string; url: string }[];
  }
  const walk = async (path: string) => {
    const pages: string[][] = [];
    let next: string | undefined = `${BASE}/${path}`;
    while (next) {
      const body: Paged = (await http().get(next).expect(200)).body;
      pages.push((body.entry ?? []).map(({ resource }) => `${resource.resourceType}/${resource.id}`));
      const link: string | undefined = body.link.find((l) => l.relation === 'next')?.url;
      next = link && new URL(link).pathname + new URL(link).search;
    }
    return pages;
  };
  beforeAll(async () => {
    await put({ resourceType: 'Practitioner', id: 'ev-dr' });
    await put(patient({ id: 'ev' }) as never);
    for (let year = 2011; year <= 2019; year++)
      await put({
        resourceType: 'Observation',
        id: `ev-${year}`,
        status: 'final',
        code: { text: 'x' },
        subject: { reference: 'Patient/ev' },
        performer: [{ reference: 'Practitioner/ev-dr' }],
        effectiveDateTime: String(year),
      });
  });

  it('hold each resource once, what comes along with the last', async () => {
    const pages = await walk('Patient/ev/$everything?_count=3');
    const all = pages.flat();
    expect(all.length).toBe(11);
    expect(new Set(all).size).toBe(11);
    expect(pages.at(-1)).toContain('Practitioner/ev-dr');
  });

  it('are full where start and end leave out most', async () => {
    const pages = await walk('Patient/ev/$everything?_count=2&start=2014-01-01&end=2015-12-31');
    expect(pages.flat().sort()).toEqual([
      'Observation/ev-2014',
      'Observation/ev-2015',
      'Patient/ev',
      'Practitioner/ev-dr',
    ]);
    expect(pages.length).toBeLessThanOrEqual(2);
  });
});
