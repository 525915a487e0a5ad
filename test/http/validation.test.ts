import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** How strictly the API checks what is written (R4 validation.html). */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const http = () => served.http();
const ROWS: [
  what: string,
  resource: Record<string, unknown>,
  strict: number,
  structure: number,
  minimal: number,
][] = [
  ['a good resource', patient(), 201, 201, 201],
  ['a code that a required binding has not', patient({ gender: 'girl' }), 422, 201, 201],
  ['an invariant of severity error (pat-1)', patient({ contact: [{ gender: 'male' }] }), 422, 201, 201],
  [
    'script in narrative (txt-1)',
    patient({
      text: {
        status: 'generated',
        div: '<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>',
      },
    }),
    422,
    201,
    201,
  ],
  ['a date that is none', patient({ birthDate: 'soon' }), 400, 400, 201],
  ['an unknown element', patient({ hobby: 'chess' }), 400, 400, 201],
  ['a required element left out', { resourceType: 'Observation', code: { text: 'x' } }, 400, 400, 201],
];

describe('a write', () => {
  it.each(ROWS)(
    'of %s is %i strictly, %i by structure, %i minimally',
    async (_what, resource, strict, structure, minimal) => {
      for (const [level, status] of Object.entries({ strict, structure, minimal })) {
        await http()
          .post(`${BASE}/${resource.resourceType}`)
          .set('X-Cenote-Validation', level)
          .send(resource)
          .expect(status);
      }
    },
  );

  it('is checked strictly when the request says nothing, and by the setting where it says otherwise', async () => {
    await http()
      .post(`${BASE}/Patient`)
      .send(patient({ gender: 'girl' }))
      .expect(422);
    const loose = await serve({ validation: 'structure' });
    await loose
      .http()
      .post(`${BASE}/Patient`)
      .send(patient({ gender: 'girl' }))
      .expect(201);
    await loose.close();
  });

  it('of a level that is none is refused', async () => {
    await http().post(`${BASE}/Patient`).set('X-Cenote-Validation', 'lax').send(patient()).expect(400);
  });

  it('names the element and the remedy', async () => {
    const { body } = await http()
      .post(`${BASE}/Patient`)
      .send(patient({ gender: 'girl' }))
      .expect(422);
    expect(body.issue[0]).toMatchObject({ severity: 'error', expression: ['Patient.gender'] });
    expect(JSON.stringify(body)).not.toContain('girl');
  });
});

describe('what the server says of itself', () => {
  let fresh: Served;
  beforeAll(async () => {
    fresh = await serve();
    for (const id of ['a', 'b', 'c'])
      await fresh.http().put(`${BASE}/Patient/${id}`).send(patient({ id })).expect(201);
  });
  afterAll(() => fresh.close());

  it.each([
    ['its capabilities', 'metadata', 200],
    ['its terminology capabilities', 'metadata?mode=terminology', 200],
    ['a page of a search, with a warning', 'Patient?_count=2&unknown=1', 200],
    ['a page of history', '_history?_count=2', 200],
    ['everything of a patient', 'Patient/a/$everything', 200],
    ['a timeline', 'Patient/a/$timeline', 200],
    ['an error', 'Patient/nobody', 404],
  ])('is valid R4: %s', async (_what, path, status) => {
    const { body } = await fresh.http().get(`${BASE}/${path}`).expect(status);
    const outcome = await fresh.http().post(`${BASE}/${body.resourceType}/$validate`).send(body).expect(200);
    expect(outcome.body.issue).toEqual([expect.objectContaining({ severity: 'information' })]);
  });
});
