import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from '../http/served.js';

/** Batch and transaction (R4 http.html#transaction, #trules), through HTTP on a real database. */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const http = () => served.http();
const MRN = 'https://example.org/mrn';
const PATIENT_URN = 'urn:uuid:0b9f2a52-58a3-4c0a-8f0e-6d7a86a9c001';
const ENCOUNTER_URN = 'urn:uuid:0b9f2a52-58a3-4c0a-8f0e-6d7a86a9c002';

interface Answer {
  response: {
    status: string;
    location?: string;
    etag?: string;
    lastModified?: string;
    outcome?: { issue: { diagnostics: string }[] };
  };
  resource?: Record<string, unknown>;
}

const entry = (
  method: string,
  url: string,
  resource?: unknown,
  more: Record<string, unknown> = {},
  fullUrl?: string,
) => ({
  ...(fullUrl ? { fullUrl } : {}),
  ...(resource ? { resource } : {}),
  request: { method, url, ...more },
});
const bundle = (type: string, ...entries: unknown[]) => ({ resourceType: 'Bundle', type, entry: entries });
const statuses = (body: { entry: Answer[] }) => body.entry.map((e) => e.response.status.slice(0, 3));
const idOf = (answer: Answer) => /\/([^/]+)\/_history/.exec(answer.response.location ?? '')![1]!;
const condition = (over: Record<string, unknown> = {}) => ({
  resourceType: 'Condition',
  code: { text: 'Gout' },
  subject: { reference: PATIENT_URN },
  ...over,
});
const total = async (query: string): Promise<number> =>
  (await http().get(`${BASE}/${query}&_summary=count`).expect(200)).body.total;

describe('a transaction', () => {
  it('answers each entry in its place, with status, location, ETag and time', async () => {
    const { body } = await http()
      .post(BASE)
      .send(
        bundle(
          'transaction',
          entry('POST', 'Patient', patient(), {}, PATIENT_URN),
          entry('PUT', 'Basic/tx-1', { resourceType: 'Basic', id: 'tx-1', code: { text: 'x' } }),
        ),
      )
      .expect(200);
    expect(body.type).toBe('transaction-response');
    expect(statuses(body)).toEqual(['201', '201']);
    for (const { response } of body.entry as Answer[]) {
      expect(response.location).toMatch(/\/_history\/1$/);
      expect(response.etag).toBe('W/"1"');
      expect(Date.parse(response.lastModified!)).not.toBeNaN();
    }
  });

  it('puts ids in place of urn:uuid references wherever they stand', async () => {
    const document = {
      resourceType: 'DocumentReference',
      status: 'current',
      subject: { reference: PATIENT_URN },
      identifier: [{ system: 'urn:ietf:rfc:3986', value: PATIENT_URN }],
      extension: [
        {
          url: 'https://example.org/about',
          extension: [
            { url: 'who', valueReference: { reference: PATIENT_URN } },
            { url: 'how', valueReference: { reference: '#p' } },
          ],
        },
      ],
      contained: [
        {
          resourceType: 'Provenance',
          id: 'p',
          target: [{ reference: PATIENT_URN }],
          recorded: '2020-01-01T00:00:00Z',
          agent: [{ who: { display: 'x' } }],
        },
      ],
      content: [{ attachment: { url: ENCOUNTER_URN } }],
      text: {
        status: 'generated',
        div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${PATIENT_URN}">who</a></div>`,
      },
    };
    const binary = { resourceType: 'Binary', contentType: 'text/plain', data: 'eA==' };
    const { body } = await http()
      .post(BASE)
      .send(
        bundle(
          'transaction',
          entry('POST', 'DocumentReference', document),
          entry('POST', 'Patient', patient(), {}, PATIENT_URN),
          entry('POST', 'Binary', binary, {}, ENCOUNTER_URN),
        ),
      )
      .expect(200);
    const [documentAnswer, patientAnswer, binaryAnswer] = body.entry as [Answer, Answer, Answer];
    const subject = `Patient/${idOf(patientAnswer)}`;
    const { body: stored } = await http()
      .get(`${BASE}/DocumentReference/${idOf(documentAnswer)}`)
      .expect(200);
    expect(stored.subject.reference).toBe(subject);
    expect(stored.extension[0].extension[0].valueReference.reference).toBe(subject);
    expect(stored.contained[0].target[0].reference).toBe(subject);
    expect(stored.content[0].attachment.url).toBe(`Binary/${idOf(binaryAnswer)}`);
    expect(stored.text.div).toContain(`href="${subject}"`);
    // An identifier is a value and no link.
    expect(stored.identifier[0].value).toBe(PATIENT_URN);
  });

  it('resolves references relative to the fullUrl of their own entry', async () => {
    const { body } = await http()
      .post(BASE)
      .send(
        bundle(
          'transaction',
          entry('POST', 'Patient', patient(), {}, 'http://source.example/fhir/Patient/17'),
          entry(
            'POST',
            'Condition',
            condition({ subject: { reference: 'Patient/17' } }),
            {},
            'http://source.example/fhir/Condition/3',
          ),
        ),
      )
      .expect(200);
    const { body: stored } = await http()
      .get(`${BASE}/Condition/${idOf(body.entry[1])}`)
      .expect(200);
    expect(stored.subject.reference).toBe(`Patient/${idOf(body.entry[0])}`);
  });

  it('resolves conditional references, to stored resources and to its own', async () => {
    await http()
      .put(`${BASE}/Practitioner/dr-1`)
      .send({ resourceType: 'Practitioner', id: 'dr-1', identifier: [{ system: 'npi', value: '1' }] })
      .expect(201);
    const { body } = await http()
      .post(BASE)
      .send(
        bundle(
          'transaction',
          entry('POST', 'Patient', patient({ identifier: [{ system: MRN, value: 'own-1' }] })),
          entry(
            'POST',
            'Condition',
            condition({
              subject: { reference: `Patient?identifier=${MRN}|own-1` },
              asserter: { reference: 'Practitioner?identifier=npi|1' },
            }),
          ),
        ),
      )
      .expect(200);
    const { body: stored } = await http()
      .get(`${BASE}/Condition/${idOf(body.entry[1])}`)
      .expect(200);
    expect(stored.subject.reference).toBe(`Patient/${idOf(body.entry[0])}`);
    expect(stored.asserter.reference).toBe('Practitioner/dr-1');
  });

  it.each([
    ['no match', 'Practitioner?identifier=npi|none', 412, 'Bundle.entry[1].resource.asserter.reference'],
    ['a parameter that is none', 'Practitioner?identifyer=npi|1', 400, undefined],
  ])('fails on a conditional reference with %s', async (_what, reference, status, place) => {
    const { body } = await http()
      .post(BASE)
      .send(
        bundle(
          'transaction',
          entry('POST', 'Patient', patient(), {}, PATIENT_URN),
          entry('POST', 'Condition', condition({ asserter: { reference } })),
        ),
      )
      .expect(status);
    if (place) expect(body.issue[0].expression).toEqual([place]);
  });

  it('fails on a urn:uuid that no entry has', async () => {
    const { body } = await http()
      .post(BASE)
      .send(bundle('transaction', entry('POST', 'Condition', condition())))
      .expect(400);
    expect(body.issue[0].expression).toEqual(['Bundle.entry[0].resource.subject.reference']);
  });

  it('works in the order DELETE, POST, PUT, GET, whatever the order of its entries', async () => {
    await http()
      .put(`${BASE}/Basic/order-1`)
      .send({ resourceType: 'Basic', id: 'order-1', code: { text: 'before' } })
      .expect(201);
    const { body } = await http()
      .post(BASE)
      .send(
        bundle(
          'transaction',
          entry('GET', 'Basic/order-1'),
          entry('GET', 'Basic?_id=order-1,order-2'),
          entry('PUT', 'Basic/order-1', { resourceType: 'Basic', id: 'order-1', code: { text: 'after' } }),
          entry('PUT', 'Basic/order-2', { resourceType: 'Basic', id: 'order-2', code: { text: 'new' } }),
        ),
      )
      .expect(200);
    const answers = body.entry as Answer[];
    expect(answers[0]!.resource).toMatchObject({ code: { text: 'after' }, meta: { versionId: '2' } });
    expect((answers[1]!.resource as { entry: unknown[] }).entry).toHaveLength(2);
    expect(statuses(body)).toEqual(['200', '200', '200', '201']);
  });

  it.each([0, 1, 2, 3])('that fails at entry %i leaves nothing', async (k) => {
    const entries = Array.from({ length: 4 }, (_, i) =>
      entry(
        'POST',
        'Basic',
        { resourceType: 'Basic', code: { text: 'x' }, identifier: [{ system: 'atomic', value: `k${k}` }] },
        {},
        `urn:uuid:0b9f2a52-58a3-4c0a-8f0e-6d7a86a9d00${i}`,
      ),
    );
    entries[k] = entry(
      'PUT',
      'Basic/never',
      { resourceType: 'Basic', id: 'never', code: { text: 'x' } },
      { ifMatch: 'W/"3"' },
    ) as (typeof entries)[number];
    const { body } = await http()
      .post(BASE)
      .send(bundle('transaction', ...entries))
      .expect(412);
    expect(body.issue[0].expression[0]).toBe(`Bundle.entry[${k}]`);
    expect(await total(`Basic?identifier=atomic|k${k}`)).toBe(0);
    await http().get(`${BASE}/Basic/never`).expect(404);
  });

  it.each([
    ['a failing read', entry('GET', 'Patient/nobody'), 404],
    ['a search with an unreadable value', entry('GET', 'Patient?birthdate=yesterday'), 400],
    ['an entry without request', { resource: patient() }, 400],
    ['an unknown method', entry('FETCH', 'Patient'), 400],
    ['an address elsewhere', entry('POST', 'https://other.example/Patient', patient()), 400],
    ['a resource of another type', entry('POST', 'Condition', patient()), 400],
    ['an id that is not the address', entry('PUT', 'Patient/x', patient({ id: 'y' })), 400],
    ['a broken resource', entry('POST', 'Patient', patient({ birthDate: 'soon' })), 400],
    ['criteria without a value', entry('DELETE', 'Patient?identifier='), 412],
  ])('fails as a whole on %s', async (what, bad, status) => {
    const marker = {
      resourceType: 'Basic',
      code: { text: 'x' },
      identifier: [{ system: 'whole', value: what }],
    };
    await http()
      .post(BASE)
      .send(bundle('transaction', entry('POST', 'Basic', marker), bad))
      .expect(status);
    expect(await total(`Basic?identifier=${encodeURIComponent(`whole|${what}`)}`)).toBe(0);
  });

  it.each([
    [
      'two updates of one resource',
      [
        entry('PUT', 'Basic/dup', { resourceType: 'Basic', id: 'dup', code: { text: 'x' } }),
        entry('DELETE', 'Basic/dup'),
      ],
    ],
    [
      'one fullUrl twice',
      [
        entry('POST', 'Patient', patient(), {}, PATIENT_URN),
        entry('POST', 'Patient', patient(), {}, PATIENT_URN),
      ],
    ],
  ])('refuses %s', async (_what, entries) => {
    await http()
      .post(BASE)
      .send(bundle('transaction', ...entries))
      .expect(400);
  });

  it('creates once for ifNoneExist, and refers to the one that was there', async () => {
    const organization = {
      resourceType: 'Organization',
      name: 'Clinic',
      identifier: [{ system: 'org', value: 'o1' }],
    };
    const send = () =>
      http()
        .post(BASE)
        .send(
          bundle(
            'transaction',
            entry('POST', 'Organization', organization, { ifNoneExist: 'identifier=org|o1' }, PATIENT_URN),
            entry('POST', 'Organization', organization, { ifNoneExist: 'identifier=org|o1' }),
            entry('POST', 'Patient', patient({ managingOrganization: { reference: PATIENT_URN } })),
          ),
        )
        .expect(200);
    const first = (await send()).body;
    const second = (await send()).body;
    expect(statuses(first)).toEqual(['201', '200', '201']);
    expect(statuses(second)).toEqual(['200', '200', '201']);
    expect(await total('Organization?identifier=org|o1')).toBe(1);
    const { body: stored } = await http()
      .get(`${BASE}/Patient/${idOf(second.entry[2])}`)
      .expect(200);
    expect(stored.managingOrganization.reference).toBe(`Organization/${idOf(first.entry[0])}`);
  });

  it('updates and deletes by search, and patches', async () => {
    const basic = (value: string, text: string) => ({
      resourceType: 'Basic',
      code: { text },
      identifier: [{ system: 'cond', value }],
    });
    await http().post(`${BASE}/Basic`).send(basic('del', 'x')).expect(201);
    await http()
      .put(`${BASE}/Basic/patched`)
      .send({ ...basic('pat', 'x'), id: 'patched' })
      .expect(201);
    const patch = Buffer.from(JSON.stringify([{ op: 'replace', path: '/code/text', value: 'y' }])).toString(
      'base64',
    );
    const { body } = await http()
      .post(BASE)
      .send(
        bundle(
          'transaction',
          entry('PUT', 'Basic?identifier=cond|new', basic('new', 'a')),
          entry('DELETE', 'Basic?identifier=cond|del'),
          entry('DELETE', 'Basic/there-is-none'),
          entry('PATCH', 'Basic/patched', {
            resourceType: 'Binary',
            contentType: 'application/json-patch+json',
            data: patch,
          }),
        ),
      )
      .expect(200);
    expect(statuses(body)).toEqual(['201', '204', '204', '200']);
    expect(await total('Basic?identifier=cond|del')).toBe(0);
    expect((await http().get(`${BASE}/Basic/patched`).expect(200)).body.code.text).toBe('y');
  });

  it('sends the resources back when asked', async () => {
    const { body } = await http()
      .post(BASE)
      .set('Prefer', 'return=representation')
      .send(bundle('transaction', entry('POST', 'Patient', patient())))
      .expect(200);
    expect(body.entry[0].resource).toMatchObject({ resourceType: 'Patient', meta: { versionId: '1' } });
  });

  it('sends an outcome for each entry when asked', async () => {
    const { body } = await http()
      .post(BASE)
      .set('Prefer', 'return=OperationOutcome')
      .send(bundle('transaction', entry('POST', 'Patient', patient())))
      .expect(200);
    expect(body.entry[0].resource).toBeUndefined();
    expect(body.entry[0].response.outcome.issue[0].severity).toBe('information');
  });

  it('takes 5,000 entries that refer to each other', async () => {
    const entries: unknown[] = [
      entry('POST', 'Patient', patient({ identifier: [{ system: MRN, value: 'many' }] }), {}, PATIENT_URN),
    ];
    for (let i = 1; i < 5_000; i++) entries.push(entry('POST', 'Condition', condition()));
    const { body } = await http()
      .post(BASE)
      .send(bundle('transaction', ...entries))
      .expect(200);
    expect(new Set(statuses(body))).toEqual(new Set(['201']));
    expect(await total(`Condition?patient=${idOf(body.entry[0])}`)).toBe(4_999);
  });
});

describe('a batch', () => {
  it('does each entry on its own', async () => {
    const { body } = await http()
      .post(BASE)
      .send(
        bundle(
          'batch',
          entry('POST', 'Patient', patient()),
          entry('POST', 'Patient', patient({ birthDate: 'soon' })),
          entry('GET', 'Patient/nobody'),
          entry('GET', 'Patient?_count=1'),
          entry(
            'PUT',
            'Basic/b-1',
            { resourceType: 'Basic', id: 'b-1', code: { text: 'x' } },
            { ifMatch: 'W/"5"' },
          ),
          entry('DELETE', 'Basic/b-1'),
          { resource: patient() },
        ),
      )
      .expect(200);
    expect(body.type).toBe('batch-response');
    expect(statuses(body)).toEqual(['201', '400', '404', '200', '412', '204', '400']);
    expect(body.entry[1].response.outcome.resourceType).toBe('OperationOutcome');
    expect(body.entry[3].resource).toMatchObject({ resourceType: 'Bundle', type: 'searchset' });
  });

  it('answers conditional reads', async () => {
    await http()
      .put(`${BASE}/Basic/b-2`)
      .send({ resourceType: 'Basic', id: 'b-2', code: { text: 'x' } })
      .expect(201);
    const { body } = await http()
      .post(BASE)
      .send(bundle('batch', entry('GET', 'Basic/b-2', undefined, { ifNoneMatch: 'W/"1"' })))
      .expect(200);
    expect(statuses(body)).toEqual(['304']);
  });
});

describe('what is no batch or transaction', () => {
  it.each([
    ['another type of bundle', { resourceType: 'Bundle', type: 'collection', entry: [] }],
    ['another resource', patient()],
    ['entries that are no list', { resourceType: 'Bundle', type: 'batch', entry: {} }],
  ])('is refused: %s', async (_what, body) => {
    await http().post(BASE).send(body).expect(400);
  });
});
