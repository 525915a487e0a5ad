import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, type Served, serve } from '../http/served.js';
import { RECORDS } from './search-records.js';

/** R4 search.html: what a search says of itself, how much it gives, and what it does with what it does not know. */
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

const search = (query: string, prefer = 'handling=strict', status = 200) =>
  served
    .http()
    .get(`${BASE}/${query}`)
    .set('Prefer', prefer)
    .expect(status)
    .then(({ body }) => body);
const SUBSETTED = expect.objectContaining({ code: 'SUBSETTED' });

describe('_summary and _elements', () => {
  // Elements given, elements left out, whether the resource says that it is not whole.
  const FORMS: [query: string, given: string[], left: string[], subsetted: boolean][] = [
    ['_summary=true', ['name', 'gender', 'birthDate', 'identifier', 'active'], ['text'], true],
    ['_summary=text', ['text', 'id'], ['name', 'gender', 'identifier'], true],
    ['_summary=data', ['name', 'gender', 'generalPractitioner'], ['text'], true],
    ['_summary=false', ['name', 'gender', 'text', 'generalPractitioner'], [], false],
    // `active` changes what the rest means (a modifier element), so it stays.
    ['_elements=gender,birthDate', ['gender', 'birthDate', 'id', 'meta', 'active'], ['name', 'text'], true],
    ['_elements=Patient.gender', ['gender'], ['name', 'text'], true],
  ];
  it.each(FORMS)('%s gives %j and leaves out %j, in a search', async (query, given, left, subsetted) => {
    const { entry } = await search(`Patient?_id=ann&${query}`);
    for (const name of given) expect(entry[0].resource).toHaveProperty(name);
    for (const name of left) expect(entry[0].resource).not.toHaveProperty(name);
    if (subsetted) expect(entry[0].resource.meta.tag).toContainEqual(SUBSETTED);
    else expect(entry[0].resource.meta.tag).not.toContainEqual(SUBSETTED);
  });
  it.each(FORMS)('%s gives %j and leaves out %j, in a read', async (query, given, left, subsetted) => {
    const body = await search(`Patient/ann?${query}`);
    for (const name of given) expect(body).toHaveProperty(name);
    for (const name of left) expect(body).not.toHaveProperty(name);
    if (subsetted) expect(body.meta.tag).toContainEqual(SUBSETTED);
  });
  it('_summary=count gives the number alone', async () => {
    const body = await search('Patient?_summary=count');
    expect(body).toMatchObject({ type: 'searchset', total: 3 });
    expect(body.entry).toBeUndefined();
  });
  it('_elements keeps what is mandatory, and applies to matches alone', async () => {
    const { entry } = await search('Observation?_id=d-day&_elements=issued&_include=Observation:subject');
    expect(entry[0].resource).toMatchObject({ status: 'final', code: {} });
    expect(entry[1].resource.name).toBeDefined();
    const named = await search(
      'Observation?_id=d-day&_elements=issued,Patient.gender&_include=Observation:subject',
    );
    expect(named.entry[1].resource.name).toBeUndefined();
    expect(named.entry[1].resource.gender).toBe('female');
  });
  it('_summary=text refuses _include, as R4 asks', async () => {
    const { entry } = await search('Observation?_id=d-day&_summary=text', 'handling=lenient');
    expect(entry).toHaveLength(1);
  });
});

describe('_total and _count', () => {
  it('_total=accurate is the number of matches, whatever the page', async () => {
    const body = await search('Patient?_total=accurate&_count=1');
    expect(body.total).toBe(3);
    expect(body.entry).toHaveLength(1);
  });
  it('_total=accurate counts matches and nothing that comes along', async () => {
    expect((await search('Observation?_id=d-day&_include=*&_total=accurate')).total).toBe(1);
  });
  it('_total=estimate is a number', async () => {
    expect((await search('Patient?_total=estimate')).total).toBeGreaterThan(0);
  });
  it('_total=none is none', async () => {
    expect((await search('Patient?_total=none&_count=1')).total).toBeUndefined();
  });
  it('is given unasked where the first page holds all', async () => {
    expect((await search('Patient?gender=male')).total).toBe(1);
    expect((await search('Patient?gender=male&_total=none')).total).toBeUndefined();
    expect((await search('Patient?_count=1')).total).toBeUndefined();
  });
  it('_count=0 is as _summary=count', async () => {
    const body = await search('Patient?_count=0');
    expect(body.total).toBe(3);
    expect(body.entry).toBeUndefined();
  });
  it('_count is an upper bound of matches, what comes along not counted', async () => {
    const body = await search(
      'Observation?category=dated&subject=Patient/ann&_count=1&_include=Observation:subject',
    );
    expect(body.entry.map((e: { search: unknown }) => e.search)).toEqual([
      { mode: 'match' },
      { mode: 'include' },
    ]);
  });
  it('a resource found twice stands once in a page, as a match', async () => {
    const { entry } = await search(
      'Observation?_id=bp,bp-raw&_include=Observation:derived-from&_include=Observation:subject',
    );
    const names = entry.map((e: { fullUrl: string }) => e.fullUrl);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('what a search does not know', () => {
  it.each([
    ['Patient?colour=blue'],
    ['Patient?gender:sounds-like=male'],
    ['Patient?birthdate:exact=1980'],
    ['Patient?gender:contains=male'],
    ['Patient?_include=Patient:colour'],
    ['Patient?_sort=colour'],
    ['Patient?subject.name=x'],
    ['Patient?_has:Observation:colour:code=1'],
    ['Patient?_query=everybody'],
  ])('%s is refused under handling=strict', async (query) => {
    const body = await search(query, 'handling=strict', 400);
    expect(body.resourceType).toBe('OperationOutcome');
    expect(body.issue[0].severity).toBe('error');
  });
  it.each([
    ['Patient?colour=blue', 'colour'],
    ['Patient?_sort=colour', '_sort'],
    ['Patient?_include=Patient:colour', '_include'],
  ])('%s is left out, said and not in the self link otherwise', async (query, name) => {
    for (const prefer of ['handling=lenient', '']) {
      const { entry, link } = await search(`${query}&gender=male`, prefer);
      expect(entry[0].resource.id).toBe('bob');
      const outcome = entry.find((e: { search: { mode: string } }) => e.search.mode === 'outcome').resource;
      expect(outcome).toMatchObject({ resourceType: 'OperationOutcome', issue: [{ severity: 'warning' }] });
      const self = new URL(link[0].url).searchParams;
      expect(self.has(name)).toBe(false);
      expect(self.get('gender')).toBe('male');
    }
  });
  it.each([
    ['Patient?birthdate=yesterday'],
    ['Patient?birthdate=2020-13'],
    ['Patient?birthdate=2020-02-30'],
    ['RiskAssessment?probability=many'],
    ['Observation?value-quantity=gt|mg'],
    ['Patient?active:missing=perhaps'],
    ['Patient?_count=-1'],
    ['Patient?_count=many'],
    ['Patient?_total=all'],
    ['Patient?_summary=everything'],
    ['Location?near=here'],
    ['Location?near=95|200'],
    ['Patient?_filter=name eq'],
    ['Patient?_lastUpdated=soon'],
    ['Observation?code:in=http://example.org/fhir/ValueSet/unknown'],
    ['?_type=Patients'],
  ])('%s cannot be understood and is refused, lenient or not', async (query) => {
    for (const prefer of ['handling=strict', 'handling=lenient'])
      expect((await search(query, prefer, 400)).issue[0].severity).toBe('error');
  });
  it('an empty value is no criterion', async () => {
    expect((await search('Patient?gender=&_id=ann')).entry).toHaveLength(1);
  });
  it('a parameter name is case-sensitive', async () => {
    await search('Patient?Gender=male', 'handling=strict', 400);
  });
});

describe('links and addresses', () => {
  it('the self link says what was searched, by POST too', async () => {
    const { body } = await served
      .http()
      .post(`${BASE}/Patient/_search?gender=male`)
      .type('form')
      .send('family=nunn&_count=5')
      .expect(200);
    const self = new URL(body.link[0].url);
    expect(self.pathname).toBe(`${BASE}/Patient`);
    expect(Object.fromEntries(self.searchParams)).toEqual({ gender: 'male', family: 'nunn', _count: '5' });
    expect(body.entry).toHaveLength(1);
  });
  it('POST _search asks for a form, and _format in it counts', async () => {
    await served.http().post(`${BASE}/Patient/_search`).send({}).expect(415);
    const form = (text: string) => served.http().post(`${BASE}/Patient/_search`).type('form').send(text);
    await form('_format=xml').expect(406);
    const { headers } = await form('_format=application/json').expect(200);
    expect(headers['content-type']).toMatch(/^application\/json/);
  });
  it('an empty POST _search is a search for everything', async () => {
    const { body } = await served.http().post(`${BASE}/Patient/_search`).type('form').send('').expect(200);
    expect(body.entry).toHaveLength(3);
  });
  it('GET {type}/_search is no search: R4 has POST alone', async () => {
    await served.http().get(`${BASE}/Patient/_search?gender=male`).expect(405);
  });
  it('a page link that was changed is refused', async () => {
    const { link } = await search('Patient?_count=1');
    const next = link.find((l: { relation: string }) => l.relation === 'next').url as string;
    await search(`${next.slice(next.indexOf(BASE) + BASE.length + 1, -4)}AAAA`, '', 400);
  });
  it('no match is a searchset without entries', async () => {
    const body = await search('Patient?family=nobody&_total=accurate');
    expect(body).toMatchObject({ resourceType: 'Bundle', type: 'searchset', total: 0 });
    expect(body.entry).toBeUndefined();
  });
  it('HEAD answers the headers of a search', async () => {
    const { headers, text } = await served.http().head(`${BASE}/Patient?gender=male`).expect(200);
    expect(headers['content-type']).toMatch(/fhir\+json/);
    expect(text ?? '').toBe('');
  });
});
