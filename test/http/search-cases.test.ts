import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, type Served, serve } from './served.js';

/** The searches R4 promises, asked over HTTP: each row is a search and the ids it must answer. */
let served: Served;
const UCUM = 'http://unitsofmeasure.org';
const observation = (id: string, more: object) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'urn:c', code: id, display: `Display ${id}` }], text: 'Body weight' },
  ...more,
});
const weight = (value: number, code: string) => ({
  valueQuantity: { value, unit: code, system: UCUM, code },
});
const RECORDS = [
  { resourceType: 'Organization', id: 'top', name: 'Top' },
  { resourceType: 'Organization', id: 'sub', name: 'Sub', partOf: { reference: 'Organization/top' } },
  {
    resourceType: 'Patient',
    id: 'ann',
    name: [{ family: 'Núñez', given: ['Ann'] }],
    gender: 'female',
    birthDate: '1980-05-06',
    identifier: [
      { type: { coding: [{ system: 'urn:t', code: 'MR' }] }, system: 'urn:mrn', value: 'a,b|c$1' },
    ],
    managingOrganization: { reference: 'Organization/sub' },
    generalPractitioner: [{ identifier: { system: 'urn:npi', value: '7' } }],
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Likes tramways</div>' },
  },
  { resourceType: 'Patient', id: 'bob', name: [{ family: 'Nunn' }], birthDate: '1980' },
  observation('w1', {
    ...weight(1500, 'g'),
    subject: { reference: 'Patient/ann' },
    effectiveDateTime: '2020-02-03',
  }),
  observation('w2', { ...weight(2, 'kg'), subject: { reference: 'Patient/bob' }, effectiveDateTime: '2020' }),
  { resourceType: 'Location', id: 'near', position: { latitude: 69.65, longitude: 18.95 } },
  { resourceType: 'Location', id: 'far', position: { latitude: 59.91, longitude: 10.75 } },
  {
    resourceType: 'List',
    id: 'list',
    status: 'current',
    mode: 'working',
    entry: [{ item: { reference: 'Patient/bob' } }],
  },
];
beforeAll(async () => {
  served = await serve();
  const entry = RECORDS.map((resource) => ({
    resource,
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  }));
  await served.http().post(BASE).send({ resourceType: 'Bundle', type: 'transaction', entry }).expect(200);
});
afterAll(() => served.close());

const ROWS: [search: string, ids: string][] = [
  ['Patient?gender:missing=true', 'bob'],
  ['Patient?family=nun', 'ann bob'],
  ['Patient?family:exact=Núñez', 'ann'],
  ['Patient?family:contains=ÑE', 'ann'],
  ['Patient?gender:not=female', 'bob'],
  ['Patient?identifier=urn:mrn|a\\,b\\|c\\$1', 'ann'],
  ['Patient?identifier:of-type=urn:t|MR|a\\,b\\|c\\$1', 'ann'],
  ['Patient?general-practitioner:identifier=urn:npi|7', 'ann'],
  ['Patient?organization.partof.name=top', 'ann'],
  ['Observation?subject:Patient.organization.partof.name=top', 'w1'],
  ['Patient?_has:Observation:patient:code=urn:c|w2', 'bob'],
  ['Organization?_has:Patient:organization:_has:Observation:subject:code=w1', 'sub'],
  ['Organization?_has:Patient:organization:organization.name=sub', 'sub'],
  ['Observation?code:text=body', 'w1 w2'],
  ['Observation?code:code-text=display w1', 'w1'],
  ['Observation?value-quantity=1.5|http://unitsofmeasure.org|kg', 'w1'],
  ['Observation?value-quantity=gt1.6|http://unitsofmeasure.org|kg', 'w2'],
  ['Observation?code-value-quantity=urn:c|w2$ge2000|http://unitsofmeasure.org|g', 'w2'],
  ['Observation?subject:Patient=ann', 'w1'],
  ['Observation?date=2020', 'w1 w2'],
  ['Observation?date=2020-02', 'w1'],
  ['Observation?date=gt2020-02-03', 'w2'],
  ['Observation?date=sa2020-02-02', 'w1'],
  ['Observation?date=eb2020-02-04', 'w1'],
  ['Observation?date=ne2020-02-03', 'w2'],
  ['Location?near=69.6|18.9|50|km', 'near'],
  ['Patient?_list=list', 'bob'],
  ['Patient?_filter=family sw "nun" and not (gender eq female)', 'bob'],
  ['Patient?_text=tramways', 'ann'],
  ['Patient?_content=tramways', 'ann'],
  ['?_type=Patient,Location&_id=bob,far', 'bob far'],
  ['Patient?_count=0', ''],
  ['Patient?_id=ann,bob&_sort=-birthdate', 'ann bob'],
  ['Observation?_id=w1&_include=Observation:subject&_include:iterate=Patient:organization', 'ann sub w1'],
  ['Patient?_id=ann&_revinclude=Observation:subject', 'ann w1'],
];

const idsOf = (body: { entry?: { resource: { id: string } }[] }) =>
  (body.entry ?? []).map(({ resource }) => resource.id).sort();

describe('a search', () => {
  it.each(ROWS)('%s answers %s, by GET and by POST', async (search, ids) => {
    const expected = ids.split(' ').filter(Boolean).sort();
    const [path, query = ''] = [search.slice(0, search.indexOf('?')), search.slice(search.indexOf('?') + 1)];
    const pairs = query.split('&').map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    });
    const text = new URLSearchParams(pairs).toString();
    const got = await served
      .http()
      .get(`${BASE}/${path}?${text}`)
      .set('Prefer', 'handling=strict')
      .expect(200);
    expect(idsOf(got.body)).toEqual(expected);
    const posted = await served
      .http()
      .post(`${BASE}${path === '' ? '' : `/${path}`}/_search`)
      .set('Prefer', 'handling=strict')
      .type('form')
      .send(text)
      .expect(200);
    expect(idsOf(posted.body)).toEqual(expected);
  });
});
