import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve, TENANT } from './served.js';

/** What a tenant asks of everything written to it: its level of validation, and references that hold. */
let served: Served;
beforeAll(async () => {
  served = await serve();
  await served.system.tenants.setDefaults(TENANT, { integrity: true, validation: 'structure' });
});
afterAll(() => served.close());

const http = () => served.http();
const observation = (subject: string) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  subject: { reference: subject },
});
const entry = (method: string, url: string, resource?: object, fullUrl?: string) => ({
  request: { method, url },
  ...(resource ? { resource } : {}),
  ...(fullUrl ? { fullUrl } : {}),
});
const bundle = (type: string, ...entries: object[]) => ({ resourceType: 'Bundle', type, entry: entries });

describe('a tenant that asks for integrity', () => {
  it('answers 422 with the place of a reference to nothing, by whatever interaction', async () => {
    const id = (await http().post(`${BASE}/Patient`).send(patient()).expect(201)).body.id;
    const made = await http()
      .post(`${BASE}/Observation`)
      .send(observation(`Patient/${id}`))
      .expect(201);
    const url = `${BASE}/Observation/${made.body.id}`;
    const bad = observation('Patient/nobody');
    const requests = [
      http().post(`${BASE}/Observation`).send(bad),
      http()
        .put(`${BASE}/Observation/new`)
        .send({ ...bad, id: 'new' }),
      http().put(`${BASE}/Observation?identifier=urn:x|1`).send(bad),
      http().post(`${BASE}/Observation`).set('If-None-Exist', 'identifier=urn:x|1').send(bad),
      http()
        .patch(url)
        .set('Content-Type', 'application/json-patch+json')
        .send([{ op: 'replace', path: '/subject/reference', value: 'Patient/nobody' }]),
    ];
    for (const request of requests) {
      const { status, body } = await request;
      expect({ status, expression: body.issue?.[0]?.expression }).toEqual({
        status: 422,
        expression: ['Observation.subject.reference'],
      });
    }
  });

  it('refuses a whole transaction and names the entry, and in a batch the entry alone', async () => {
    const entries = [
      entry('POST', 'Patient', patient(), 'urn:uuid:5b1c2b0e-6a32-4f8c-8a0c-3f9a4f6f4f01'),
      entry('POST', 'Observation', observation('urn:uuid:5b1c2b0e-6a32-4f8c-8a0c-3f9a4f6f4f01')),
      entry('POST', 'Observation', observation('Patient/nobody')),
    ];
    const { body } = await http()
      .post(BASE)
      .send(bundle('transaction', ...entries))
      .expect(422);
    expect(body.issue[0].expression).toEqual(['Bundle.entry[2].resource.subject.reference']);
    await http()
      .post(BASE)
      .send(bundle('transaction', ...entries.slice(0, 2)))
      .expect(200);
    const batch = await http()
      .post(BASE)
      .send(bundle('batch', entries[0]!, entries[2]!))
      .expect(200);
    expect(
      batch.body.entry.map((e: { response: { status: string } }) => e.response.status.slice(0, 3)),
    ).toEqual(['201', '422']);
  });

  it('answers 409 to the deletion of what others refer to', async () => {
    const id = (await http().post(`${BASE}/Patient`).send(patient()).expect(201)).body.id;
    const made = await http()
      .post(`${BASE}/Observation`)
      .send(observation(`Patient/${id}`))
      .expect(201);
    await http().delete(`${BASE}/Patient/${id}`).expect(409);
    await http().delete(`${BASE}/Patient?_id=${id}`).expect(409);
    await http()
      .post(BASE)
      .send(bundle('transaction', entry('DELETE', `Patient/${id}`)))
      .expect(409);
    await http()
      .post(BASE)
      .send(
        bundle(
          'transaction',
          entry('DELETE', `Patient/${id}`),
          entry('DELETE', `Observation/${made.body.id}`),
        ),
      )
      .expect(200);
    await http().get(`${BASE}/Patient/${id}`).expect(410);
  });

  it('checks at its own level, or at the one a request asks for', async () => {
    const loose = patient({ gender: 'girl' });
    await http().post(`${BASE}/Patient`).send(loose).expect(201);
    await http().post(`${BASE}/Patient`).set('X-Cenote-Validation', 'strict').send(loose).expect(422);
  });

  it('says so in the CapabilityStatement', async () => {
    const { body } = await http().get(`${BASE}/metadata`).expect(200);
    expect(body.rest[0].resource[0].referencePolicy).toContain('enforced');
    expect(body.rest[0].documentation).toContain('structure');
  });
});
