import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Served, serve } from '../http/served.js';

/**
 * What a narrowed token is answered equals what everybody is answered once the hidden rows are gone for good: the same
 * searches are asked of the same database before and after the hidden resources are erased. Hidden is what this file
 * says, not what the product thinks.
 */

interface Resource {
  resourceType: string;
  id: string;
  [name: string]: unknown;
}

const FORMS = [
  {
    tenant: 'one-patient',
    narrow: 'patient/*.rs',
    wide: 'system/*.rs',
    patient: 'p1',
    hidden: (r: Resource) => !DIRECTORY.has(r.resourceType) && !patientsOf(r).includes('p1'),
  },
  {
    tenant: 'by-query',
    narrow:
      'system/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory system/Patient.rs?gender=female system/Condition.rs system/Encounter.rs?status=finished',
    wide: 'system/Observation.rs system/Patient.rs system/Condition.rs system/Encounter.rs',
    patient: undefined,
    hidden: (r: Resource) => {
      if (r.resourceType === 'Observation')
        return (r.category as Coded[])[0]!.coding[0]!.code !== 'laboratory';
      if (r.resourceType === 'Patient') return r.gender !== 'female';
      if (r.resourceType === 'Encounter') return r.status !== 'finished';
      return r.resourceType !== 'Condition';
    },
  },
  {
    tenant: 'own-part',
    narrow: 'patient/Observation.rs?status=final patient/Patient.rs patient/Group.rs',
    wide: 'system/Observation.rs system/Patient.rs system/Group.rs',
    patient: 'p2',
    hidden: (r: Resource) =>
      !['Observation', 'Patient', 'Group'].includes(r.resourceType) ||
      !patientsOf(r).includes('p2') ||
      (r.resourceType === 'Observation' && r.status !== 'final'),
  },
] as const;

interface Coded {
  coding: { code: string; system: string }[];
}
const DIRECTORY = new Set(['Practitioner', 'Organization', 'Location']);

function patientsOf(r: Resource): string[] {
  if (r.resourceType === 'Patient') return [r.id];
  return [...JSON.stringify(r).matchAll(/"reference":"Patient\/([^"]+)"/g)].map((m) => m[1]!);
}

/** Synthetic, deterministic: a small generator of numbers, so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

const PATIENTS = ['p1', 'p2', 'p3', 'p4'];
const CODES = ['2339-0', '718-7', '8480-6', '29463-7'];
const LOINC = 'http://loinc.org';
const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';

function records(): Resource[] {
  const next = random(7);
  const to = (type: string, id: string) => ({ reference: `${type}/${id}` });
  const all: Resource[] = [
    { resourceType: 'Organization', id: 'org', name: 'Cedar Clinic' },
    { resourceType: 'Practitioner', id: 'dr1', name: [{ family: 'Oak' }] },
    { resourceType: 'Practitioner', id: 'dr2', name: [{ family: 'Elm' }] },
    {
      resourceType: 'ValueSet',
      id: 'sugar',
      url: 'http://example.org/vs/sugar',
      status: 'active',
      compose: { include: [{ system: LOINC, concept: [{ code: CODES[0] }] }] },
    },
    {
      resourceType: 'Group',
      id: 'both',
      type: 'person',
      actual: true,
      member: [{ entity: to('Patient', 'p1') }, { entity: to('Patient', 'p2') }],
    },
    {
      resourceType: 'List',
      id: 'list',
      status: 'current',
      mode: 'working',
      subject: to('Patient', 'p3'),
      entry: [{ item: to('Observation', 'o-p1-0') }],
    },
    {
      resourceType: 'Appointment',
      id: 'shared',
      status: 'booked',
      participant: ['p1', 'p3'].map((p) => ({ actor: to('Patient', p), status: 'accepted' })),
    },
  ];
  for (const [i, p] of PATIENTS.entries()) {
    all.push({
      resourceType: 'Patient',
      id: p,
      gender: i % 2 === 0 ? 'female' : 'male',
      birthDate: `19${60 + i * 10}-0${i + 1}-11`,
      name: [{ family: ['Alder', 'Birch', 'Cedar', 'Dogwood'][i], given: ['Kim'] }],
      generalPractitioner: [to('Practitioner', i < 2 ? 'dr1' : 'dr2')],
      managingOrganization: to('Organization', 'org'),
      ...(p === 'p1' ? { link: [{ other: to('Patient', 'p4'), type: 'seealso' }] } : {}),
    });
    for (let n = 0; n < 2; n++) {
      all.push({
        resourceType: 'Encounter',
        id: `e-${p}-${n}`,
        status: n === 0 ? 'finished' : 'planned',
        class: { code: 'AMB' },
        subject: to('Patient', p),
        period: { start: `202${n}-03-0${i + 1}` },
        participant: [{ individual: to('Practitioner', n === 0 ? 'dr1' : 'dr2') }],
      });
      all.push({
        resourceType: 'Condition',
        id: `c-${p}-${n}`,
        subject: to('Patient', p),
        encounter: to('Encounter', `e-${p}-${n}`),
        code: { coding: [{ system: 'http://snomed.info/sct', code: n === 0 ? '44054006' : '38341003' }] },
        onsetDateTime: `201${next(9)}-05-05`,
      });
    }
    for (let n = 0; n < 6; n++) {
      all.push({
        resourceType: 'Observation',
        id: `o-${p}-${n}`,
        status: n % 3 === 0 ? 'preliminary' : 'final',
        category: [{ coding: [{ system: CATEGORY, code: n % 2 === 0 ? 'laboratory' : 'vital-signs' }] }],
        code: { coding: [{ system: LOINC, code: CODES[next(CODES.length)] }] },
        subject: to('Patient', p),
        encounter: to('Encounter', `e-${p}-${n % 2}`),
        performer: [to('Practitioner', 'dr1')],
        effectiveDateTime: `202${next(5)}-0${1 + next(9)}-1${next(9)}`,
        valueQuantity: {
          value: 60 + next(140),
          unit: 'mg/dL',
          system: 'http://unitsofmeasure.org',
          code: 'mg/dL',
        },
        ...(n === 5 ? { hasMember: [to('Observation', `o-${PATIENTS[(i + 1) % 4]}-0`)] } : {}),
      });
    }
  }
  return all;
}

/** Requests about visible and hidden things alike, by every road that leads to a row. */
function questions(): string[] {
  const next = random(11);
  const one = <T>(list: readonly T[]): T => list[next(list.length)]!;
  const value = () => 60 + next(140);
  const date = () => `${one(['ge', 'le', 'gt', ''])}202${next(5)}-0${1 + next(9)}`;
  const filters: Record<string, (() => string)[]> = {
    Observation: [
      () => `code=${LOINC}|${one(CODES)}`,
      () => `date=${date()}`,
      () => `value-quantity=${one(['gt', 'lt'])}${value()}`,
      () => `code-value-quantity=${one(CODES)}$gt${value()}`,
      () => `subject=Patient/${one(PATIENTS)}`,
      () => `patient.name=${one(['alder', 'birch', 'cedar'])}`,
      () => `patient.gender=${one(['male', 'female'])}`,
      () => `subject:Patient.general-practitioner.name=${one(['oak', 'elm'])}`,
      () => `encounter.status=${one(['finished', 'planned'])}`,
      () => `patient._has:Condition:patient:code=44054006`,
      () => `has-member.code=${one(CODES)}`,
      () => `_has:Observation:has-member:status=${one(['final', 'preliminary'])}`,
      () => `status:not=final`,
      () => `encounter:missing=${one(['true', 'false'])}`,
      () =>
        `_filter=${one([`status eq final`, `code eq ${LOINC}|${one(CODES)} or status eq preliminary`, `patient.name co "bir"`])}`,
      () => '_list=list',
      () => 'code:in=http://example.org/vs/sugar',
      () => `_id=o-${one(PATIENTS)}-${next(6)},o-${one(PATIENTS)}-${next(6)}`,
    ],
    Patient: [
      () => `name=${one(['alder', 'birch', 'kim'])}`,
      () => `_has:Observation:patient:code-value-quantity=${one(CODES)}$gt${value()}`,
      () => `_has:Observation:subject:value-quantity=gt${value()}`,
      () => `_has:Condition:patient:encounter.status=${one(['finished', 'planned'])}`,
      () => `_has:Group:member:_id=both`,
      () => `general-practitioner.name=${one(['oak', 'elm'])}`,
      () => `link.name=dogwood`,
      () => `birthdate=${one(['lt', 'ge'])}1975`,
      () => `gender:not=male`,
      () => `_id=${one(PATIENTS)}`,
    ],
    Condition: [
      () => `code=44054006`,
      () => `patient=${one(PATIENTS)}`,
      () => `patient.birthdate=lt1975`,
      () => `encounter.date=${one(['ge', 'lt'])}2021`,
      () => `onset-date=ge201${next(9)}`,
    ],
    Encounter: [
      () => `status=${one(['finished', 'planned'])}`,
      () => `participant.name=${one(['oak', 'elm'])}`,
      () => `_has:Condition:encounter:code=38341003`,
      () => `_has:Observation:encounter:value-quantity=gt${value()}`,
    ],
  };
  const also: Record<string, string[]> = {
    Observation: [
      '_sort=date',
      '_sort=-date&_count=2',
      '_sort=value-quantity',
      '_sort=patient.name',
      '_sort=status',
      '_include=Observation:subject',
      '_include=Observation:encounter&_include:iterate=Encounter:participant',
      '_include=Observation:has-member',
      '_revinclude=Observation:has-member',
      '_include=*',
    ],
    Patient: [
      '_revinclude=Observation:subject',
      '_revinclude=Condition:patient&_revinclude:iterate=Observation:encounter',
      '_include=Patient:general-practitioner',
      '_include=Patient:link',
      '_sort=birthdate',
      '_sort=-name',
      '_revinclude=Group:member',
    ],
    Condition: ['_include=Condition:encounter', '_sort=-onset-date', '_include=Condition:subject'],
    Encounter: ['_revinclude=Observation:encounter', '_sort=-date', '_include=Encounter:subject'],
  };
  const common = [
    '_total=accurate',
    '_total=estimate',
    '_summary=count',
    '_count=1',
    '_count=3&_total=accurate',
    '_elements=status',
    '',
  ];
  const asked: string[] = [];
  for (let n = 0; n < 90; n++) {
    const type = one(['Observation', 'Observation', 'Patient', 'Condition', 'Encounter']);
    const parts = [one(filters[type]!)()];
    if (next(3) === 0) parts.push(one(filters[type]!)());
    if (next(2) === 0) parts.push(one(also[type]!));
    parts.push(one(common));
    asked.push(`${type}?${parts.filter((p) => p !== '').join('&')}`);
  }
  for (const type of [
    'Observation',
    'Patient',
    'Condition',
    'Encounter',
    'Group',
    'List',
    'Appointment',
    'ValueSet',
  ])
    asked.push(`${type}?_total=accurate`, `${type}/_history?_count=7`);
  for (const p of PATIENTS) {
    asked.push(
      `Patient/${p}`,
      `Patient/${p}/_history`,
      `Patient/${p}/_history/1`,
      `Patient/${p}/$everything`,
    );
    asked.push(
      `Patient/${p}/$timeline`,
      `Patient/${p}/$timeline?asOf=2030-01-01`,
      `Patient/${p}/Observation`,
      `Patient/${p}/*`,
      `Encounter/e-${p}-0/Observation`,
    );
    asked.push(
      `Observation/o-${p}-0`,
      `Observation/o-${p}-0/_history`,
      `Observation/o-${p}-1`,
      `Condition/c-${p}-0`,
    );
    asked.push(
      `Encounter/e-${p}-0/$everything`,
      `Observation/$lastn?patient=${p}&max=1`,
      `Observation/o-${p}-2/$meta`,
    );
  }
  asked.push('Group/both', 'Group/both/$everything', 'Appointment/shared', 'List/list', 'ValueSet/sugar');
  asked.push(
    '?_type=Patient,Observation&_count=4',
    '_history?_type=Patient,Observation&_count=5',
    'Observation/none',
  );
  asked.push(
    'ValueSet/$expand?url=http://example.org/vs/sugar',
    `ValueSet/$validate-code?url=http://example.org/vs/sugar&system=${LOINC}&code=${CODES[0]}`,
  );
  return [...new Set(asked)];
}

let served: Served;
let server: Server;
let origin: string;
beforeAll(async () => {
  served = await serve({ dev: false }, ['lake', ...FORMS.map((f) => f.tenant)]);
  server = served.app.express.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await served.close();
});

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** All pages of an answer, without what is sealed anew each time. */
async function ask(tenant: string, token: string, path: string): Promise<Answer[]> {
  const pages: Answer[] = [];
  let url: string | undefined = encodeURI(`/fhir/${tenant}/${path}`).replaceAll('%25', '%');
  while (url !== undefined && pages.length < 30) {
    const answer = await fetch(`${origin}${url}`, { headers: { Authorization: `Bearer ${token}` } });
    const { status } = answer;
    const body = (await answer.json()) as Record<string, unknown>;
    const links = (body.link ?? []) as { relation: string; url: string }[];
    const next = links.find((l) => l.relation === 'next')?.url;
    const { id: _id, ...rest } = body;
    pages.push({
      status,
      body: {
        ...(body.resourceType === 'Bundle' ? rest : body),
        link: links.map((l) => l.relation),
        ...(body.timestamp ? { timestamp: '' } : {}),
      },
    });
    url = next && new URL(next).pathname + new URL(next).search;
  }
  return pages;
}

describe.each(FORMS)('a token of $narrow', ({ tenant: name, narrow, wide, patient, hidden }) => {
  it('is answered as if what it may not see were not there', async () => {
    const tenant = await served.system.tenant(name);
    const actor = { id: 'test', kind: 'job' as const };
    const all = records();
    await served.rooms.store.commit(
      tenant,
      all.map((resource) => ({ op: 'update', type: resource.resourceType, id: resource.id, resource })),
      actor,
    );
    const narrowToken = await served.token(name, narrow, 'who', patient);
    const wideToken = await served.token(name, wide, 'who');
    const asked = questions();
    const before = new Map<string, Answer[]>();
    for (const path of asked) before.set(path, await ask(name, narrowToken, path));

    const gone = all.filter(hidden);
    expect(gone.length).toBeGreaterThan(20);
    expect(all.length - gone.length).toBeGreaterThan(5);
    for (const { resourceType: type, id } of gone)
      await served.rooms.store.erase(tenant, { type, id, compartment: false, reason: 'test' }, actor);

    let answered = 0;
    const differ: unknown[] = [];
    for (const path of asked) {
      const without = await ask(name, wideToken, path);
      if (!isDeepStrictEqual(before.get(path), without))
        differ.push({ path, narrow: before.get(path), without });
      if (without.some((p) => p.status === 200 && p.body.entry !== undefined)) answered++;
    }
    expect(differ).toEqual([]);
    // Enough questions find something, or the comparison would prove nothing.
    expect(answered).toBeGreaterThan(asked.length / 10);
  }, 240_000);
});
