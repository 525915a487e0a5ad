import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import { loadPackage } from '../../src/tasks/profiles.js';
import { tarOf } from '../ingest/made-files.js';
import { BASE, patient, type Served, serve } from './served.js';

/** Profiles come in packages and are validated by (R4 resource-operation-validate.html, profiling.html). */
const PROFILE = 'http://x.example/StructureDefinition/reachable-patient';
const base = 'http://hl7.org/fhir/StructureDefinition/Patient';
const element = (id: string, members: Record<string, unknown> = {}) => ({
  id,
  path: id,
  min: 0,
  max: '*',
  ...members,
});
const profile = {
  resourceType: 'StructureDefinition',
  id: 'reachable-patient',
  url: PROFILE,
  name: 'ReachablePatient',
  status: 'active',
  kind: 'resource',
  abstract: false,
  type: 'Patient',
  baseDefinition: base,
  derivation: 'constraint',
  snapshot: {
    element: [
      element('Patient'),
      element('Patient.telecom', { min: 1, type: [{ code: 'ContactPoint' }] }),
      element('Patient.maritalStatus', {
        max: '1',
        type: [{ code: 'CodeableConcept' }],
        binding: { strength: 'required', valueSet: 'http://x.example/ValueSet/bonds' },
      }),
    ],
  },
};
const valueSet = {
  resourceType: 'ValueSet',
  id: 'bonds',
  url: 'http://x.example/ValueSet/bonds',
  status: 'active',
  compose: { include: [{ system: 'http://x.example/bond', concept: [{ code: 'single' }] }] },
};
const manifest = { name: 'x.example', version: '1.0.0', fhirVersions: ['4.0.1'] };

function packed(files: Record<string, unknown>, outer: Record<string, string> = {}): Readable {
  const texts = Object.entries(files).map(([name, value]) => [`package/${name}`, JSON.stringify(value)]);
  return Readable.from([gzipSync(tarOf({ ...Object.fromEntries(texts), ...outer }))]);
}

let served: Served;
const load = (stream: Readable) =>
  loadPackage(served.rooms.bundles, served.tenant, stream, {
    actor: { id: 'profiles', kind: 'job' },
    base: served.base,
  });
const GOOD = {
  'package.json': manifest,
  'StructureDefinition-reachable-patient.json': profile,
  'ValueSet-bonds.json': valueSet,
  'Patient-example.json': patient({ id: 'not-a-definition' }),
};

beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const telecom = [{ system: 'phone', value: '555-0100' }];
const bond = (code: string) => ({ coding: [{ system: 'http://x.example/bond', code }] });
const validate = async (resource: Record<string, unknown>, query = '') =>
  (await served.http().post(`${BASE}/Patient/$validate${query}`).send(resource)).body.issue as {
    severity: string;
    expression?: string[];
    diagnostics: string;
  }[];

describe('a profile package', () => {
  it('is stored as resources, once, without its examples', async () => {
    const [unknown] = await validate(patient({ telecom }), `?profile=${PROFILE}`);
    expect(unknown?.diagnostics).toContain('cenote profiles load');
    const first = await load(packed(GOOD));
    expect(first).toMatchObject({ name: 'x.example', version: '1.0.0', refused: [] });
    expect(first.counts).toMatchObject({ created: 2, byType: { StructureDefinition: 1, ValueSet: 1 } });
    expect((await load(packed(GOOD))).counts).toMatchObject({ created: 0, unchanged: 2 });
    await served.http().get(`${BASE}/StructureDefinition/reachable-patient`).expect(200);
    await served.http().get(`${BASE}/Patient/not-a-definition`).expect(404);
  });

  it.each([
    ['what the profile asks for', patient({ telecom, maritalStatus: bond('single') }), []],
    ['a missing element', patient(), ['Patient.telecom']],
    [
      'a code outside of its value set',
      patient({ telecom, maritalStatus: bond('odd') }),
      ['Patient.maritalStatus'],
    ],
  ])('validates %s, asked for or claimed', async (_what, resource, places) => {
    const errors = (issues: Awaited<ReturnType<typeof validate>>) =>
      issues.filter((i) => i.severity === 'error').flatMap((i) => i.expression);
    expect(errors(await validate(resource, `?profile=${PROFILE}`))).toEqual(places);
    expect(errors(await validate({ ...resource, meta: { profile: [PROFILE] } }))).toEqual(places);
    expect(errors(await validate(resource))).toEqual([]);
  });

  it('is said not to be loaded where a resource claims a profile that nobody brought', async () => {
    const [issue] = await validate(patient({ meta: { profile: ['http://x.example/other'] } }));
    expect(issue).toMatchObject({ severity: 'warning', expression: ['Patient.meta.profile'] });
  });

  it('is validated by as it was last written', async () => {
    const looser = structuredClone(profile);
    looser.snapshot.element[1]!.min = 0;
    await served
      .http()
      .put(`${BASE}/StructureDefinition/reachable-patient`)
      .set('X-Cenote-Validation', 'structure')
      .send(looser)
      .expect(200);
    expect((await validate(patient(), `?profile=${PROFILE}`))[0]?.severity).toBe('information');
    await served.http().delete(`${BASE}/StructureDefinition/reachable-patient`).expect(204);
    expect((await validate(patient(), `?profile=${PROFILE}`))[0]?.diagnostics).toContain('not loaded');
  });

  it('does not replace a definition of another URL that has its id', async () => {
    const other = { ...valueSet, url: 'http://y.example/ValueSet/bonds' };
    const { refused, counts } = await load(
      packed({ 'package.json': manifest, 'ValueSet-bonds.json': other }),
    );
    expect(counts).toMatchObject({ created: 0, updated: 0, rejected: 1 });
    expect(refused[0]).toMatchObject({ file: 'ValueSet-bonds.json', fault: { category: 'conflict' } });
  });

  it.each<[string, () => Readable]>([
    ['no archive', () => Readable.from([Buffer.from('{}')])],
    ['no manifest', () => packed({ 'ValueSet-bonds.json': valueSet })],
    ['another release', () => packed({ 'package.json': { ...manifest, fhirVersions: ['5.0.0'] } })],
    ['a path that leads out', () => packed({ 'package.json': manifest }, { 'package/../../x.json': '{}' })],
    ['broken JSON', () => packed({ 'package.json': manifest }, { 'package/a.json': '{' })],
  ])('with %s is refused', async (_what, stream) => {
    const error = await load(stream()).catch((e: unknown) => e);
    expect(isFault(error) && error.category).toBe('invalid');
  });
});
