import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import { recordsOf } from '../bench/support/records.js';
import { BASE, type Served, serve, TENANT } from '../http/served.js';

const SNOMED = 'http://snomed.info/sct';
const ICD = 'http://hl7.org/fhir/sid/icd-10-cm';
const subject = { reference: 'Patient/p' };
const condition = (id: string, coding: object[], text?: string): Resource => ({
  resourceType: 'Condition',
  id,
  subject,
  code: { ...(coding.length > 0 ? { coding } : {}), ...(text ? { text } : {}) },
});

/** Made-up patients of ten visits, and what is rare or odd. */
const RECORDS: Resource[] = [
  ...[1, 2, 3, 4, 5].flatMap((n) => recordsOf(n, 10)),
  { resourceType: 'Patient', id: 'p' },
  condition('rare', [{ system: SNOMED, code: '195967001', display: 'Asthma' }]),
  // Beside a code that is known by then, of another system.
  ...[1, 2, 3].map((n) =>
    condition(`both${n}`, [
      { system: SNOMED, code: '55822004' },
      { system: ICD, code: 'E78.5', display: 'Hyperlipidemia, unspecified' },
    ]),
  ),
  condition('own', [{ system: 'https://clinic.example/codes', code: 'X1', display: 'Örtliche Diagnose' }]),
  condition('words', [], 'something that has no code'),
  condition('bare', [{ code: 'no-system' }]),
];

/** What the bodies say, counted one by one. */
function counted(type: string, element: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const resource of RECORDS.filter((r) => r.resourceType === type)) {
    const value = resource[element];
    const codings = (Array.isArray(value) ? value : [value]).flatMap(
      (c) => (c as { coding?: { system?: string; code?: string }[] })?.coding ?? [],
    );
    for (const key of new Set(codings.filter((c) => c.system).map((c) => `${c.system}|${c.code}`)))
      counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

interface Part {
  readonly name: string;
  readonly valueCoding?: { system: string; code: string; display?: string };
  readonly valueInteger?: number;
  readonly valueBoolean?: boolean;
  readonly part?: readonly Part[];
}

let served: Served;
beforeAll(async () => {
  served = await serve({ dev: false });
  await served.rooms.store.commit(
    served.tenant,
    RECORDS.map((r) => ({ op: 'update', type: r.resourceType, id: r.id!, resource: r })),
    { id: 'test', kind: 'job' },
  );
}, 60_000);
afterAll(() => served.close());

async function ask(path: string, scope = 'system/*.cruds') {
  const answer = await served
    .http()
    .get(`${BASE}/${path}`)
    .set('authorization', `Bearer ${await served.token(TENANT, scope)}`);
  const parts = (answer.body.parameter ?? []) as Part[];
  const of = (name: string) => parts.find((p) => p.name === name);
  return {
    status: answer.status,
    total: of('total')?.valueInteger,
    examined: of('examined')?.valueInteger,
    complete: of('complete')?.valueBoolean,
    codes: parts
      .filter((p) => p.name === 'code')
      .map(({ part }) => ({ ...part![0]!.valueCoding!, count: part![1]!.valueInteger! })),
  };
}

describe('codes in use', () => {
  it.each([
    ['Condition', 'code'],
    ['Observation', 'code'],
    ['MedicationRequest', 'medicationCodeableConcept'],
    ['Encounter', 'type'],
  ])('of a %s are those in the records, each with how many have it', async (type, element) => {
    const { codes, complete, examined, total } = await ask(`${type}/$codes-in-use?_count=1000`);
    expect(complete).toBe(true);
    expect(examined).toBe(RECORDS.filter((r) => r.resourceType === type).length);
    expect(new Map(codes.map((c) => [`${c.system}|${c.code}`, c.count]))).toEqual(counted(type, element));
    expect(total).toBe(codes.length);
    const counts = codes.map((c) => c.count);
    expect(counts).toEqual([...counts].sort((a, b) => b - a));
  });

  it('are found by the beginnings of their words, whatever case and accents, or by the code', async () => {
    const found = async (text: string) =>
      (await ask(`Condition/$codes-in-use?_text=${encodeURIComponent(text)}`)).codes.map((c) => c.code);
    expect(await found('asth')).toEqual(['195967001']);
    expect(await found('DIAGNOSE ortl')).toEqual(['X1']);
    expect(await found('E78')).toEqual(['E78.5']);
    expect(await found('nothing like it')).toEqual([]);
  });

  it('count what the caller may read, and no more', async () => {
    const { codes, status } = await ask(
      'Condition/$codes-in-use',
      'system/Condition.rs?code=http://snomed.info/sct|195967001',
    );
    expect(status).toBe(200);
    expect(codes).toEqual([{ system: SNOMED, code: '195967001', display: 'Asthma', count: 1 }]);
    expect((await ask('Condition/$codes-in-use', 'system/Patient.rs')).status).toBe(403);
  });

  it('no longer count what was deleted', async () => {
    const before = (await ask('Condition/$codes-in-use?_text=asthma')).codes;
    expect(before).toHaveLength(1);
    const { rooms, tenant } = served;
    await rooms.store.commit(tenant, [{ op: 'delete', type: 'Condition', id: 'rare' }], {
      id: 'test',
      kind: 'job',
    });
    expect((await ask('Condition/$codes-in-use?_text=asthma')).codes).toEqual([]);
  });

  it.each([
    ['a type without codes', 'Binary/$codes-in-use', 400],
    ['a parameter there is not', 'Condition/$codes-in-use?patient=1', 400],
    ['too many', 'Condition/$codes-in-use?_count=99999', 400],
  ])('refuse %s', async (_, path, status) => {
    expect((await ask(path)).status).toBe(status);
  });
});
