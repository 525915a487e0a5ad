import { describe, expect, it } from 'vitest';
import { mapReferences, parseReference, visitReferences } from '../../src/fhir/references.js';

const BASE = 'https://lake.example/fhir/demo';

describe('references', () => {
  it.each([
    ['Patient/1', { kind: 'local', type: 'Patient', id: '1' }],
    ['Patient/1/_history/3', { kind: 'local', type: 'Patient', id: '1', version: '3' }],
    [`${BASE}/Patient/1`, { kind: 'local', type: 'Patient', id: '1' }],
    [`${BASE}2/Patient/1`, { kind: 'external', url: `${BASE}2/Patient/1`, type: 'Patient', id: '1' }],
    [
      'http://a.example/Patient/1/_history/2',
      {
        kind: 'external',
        url: 'http://a.example/Patient/1/_history/2',
        type: 'Patient',
        id: '1',
        version: '2',
      },
    ],
    ['http://a.example/picture.png', { kind: 'external', url: 'http://a.example/picture.png' }],
    ['#med', { kind: 'contained', id: 'med' }],
    ['#', { kind: 'contained', id: '' }],
    ['urn:uuid:7b1e', { kind: 'urn', urn: 'urn:uuid:7b1e' }],
    [
      'Practitioner?identifier=http://x|1/2',
      { kind: 'conditional', type: 'Practitioner', query: 'identifier=http://x|1/2' },
    ],
    ['Patient', { kind: 'malformed' }],
    ['Nobody/1', { kind: 'malformed' }],
    ['Patient/', { kind: 'malformed' }],
    ['Patient/a b', { kind: 'malformed' }],
    ['Patient/1/2', { kind: 'malformed' }],
    ['Nobody?identifier=1', { kind: 'malformed' }],
    ['', { kind: 'malformed' }],
    ['urn:', { kind: 'malformed' }],
  ])('reads %s', (text, parsed) => {
    expect(parseReference(text, BASE)).toEqual(parsed);
  });

  const observation = {
    resourceType: 'Observation',
    code: { text: 'x' },
    subject: { reference: 'urn:uuid:1' },
    performer: [{ reference: 'Practitioner/7' }, { reference: 'urn:uuid:2' }],
    contained: [{ resourceType: 'Condition', subject: { reference: 'urn:uuid:1' } }],
  };

  it('are replaced in a copy that shares what does not change', () => {
    const seen: string[] = [];
    const mapped = mapReferences(observation, (reference, where) => {
      seen.push(where());
      return reference === 'urn:uuid:1' ? 'Patient/p' : undefined;
    });
    expect(seen).toEqual([
      'Observation.subject.reference',
      'Observation.performer[0].reference',
      'Observation.performer[1].reference',
      'Observation.contained[0].subject.reference',
    ]);
    expect(mapped.subject).toEqual({ reference: 'Patient/p' });
    expect(mapped.contained[0]!.subject).toEqual({ reference: 'Patient/p' });
    expect(mapped.code).toBe(observation.code);
    expect(mapped.performer).toBe(observation.performer);
    expect(observation.subject.reference).toBe('urn:uuid:1');
  });

  it('leave the very same object where nothing changes', () => {
    expect(mapReferences(observation, () => undefined)).toBe(observation);
  });

  it('are offered where a uri names an entry of the bundle, and not where a value merely looks like one', () => {
    const resource = {
      resourceType: 'Basic',
      identifier: [{ system: 'http://x', value: 'urn:uuid:1' }],
      extension: [{ url: 'http://x', valueUri: 'urn:uuid:1' }],
      list: ['urn:uuid:1'],
    };
    const mapped = mapReferences(resource, () => 'Patient/p');
    expect(mapped).toEqual({
      resourceType: 'Basic',
      identifier: [{ system: 'http://x', value: 'urn:uuid:1' }],
      extension: [{ url: 'http://x', valueUri: 'Patient/p' }],
      list: ['Patient/p'],
    });
  });

  it('do not include uris that happen to be named reference', () => {
    const seen: string[] = [];
    visitReferences(
      { resourceType: 'DetectedIssue', reference: 'see page 4', patient: { reference: 'Patient/1' } },
      (text) => seen.push(text),
    );
    expect(seen).toEqual(['Patient/1']);
  });
});
