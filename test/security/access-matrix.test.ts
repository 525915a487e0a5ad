import { describe, expect, it } from 'vitest';
import { compartmentParameters } from '../../src/fhir/compartment.js';
import { RESOURCE_TYPES } from '../../src/fhir/resource-types.js';
import { authorise } from '../../src/http/fhir-endpoint.js';
import { interactionRoutes } from '../../src/http/interactions.js';
import { createRouter } from '../../src/http/router.js';
import { accessOf, type Permission } from '../../src/http/scopes.js';
import { visibilityOf } from '../../src/search/visibility.js';

/** Every resource type × interaction × form of scope: granted or denied as this table says, by the product's own routes. */

/** SMART App Launch 2.2, "Scopes for requesting FHIR Resources": the letter that each interaction needs. */
const INTERACTIONS: readonly (readonly [name: string, method: string, path: string, letter: Permission])[] = [
  ['create', 'POST', '{type}', 'c'],
  ['read', 'GET', '{type}/x', 'r'],
  ['vread', 'GET', '{type}/x/_history/1', 'r'],
  ['history of one', 'GET', '{type}/x/_history', 'r'],
  ['update', 'PUT', '{type}/x', 'u'],
  ['patch', 'PATCH', '{type}/x', 'u'],
  ['conditional update', 'PUT', '{type}', 'u'],
  ['conditional patch', 'PATCH', '{type}', 'u'],
  ['delete', 'DELETE', '{type}/x', 'd'],
  ['conditional delete', 'DELETE', '{type}', 'd'],
  ['search', 'GET', '{type}', 's'],
  ['search by POST', 'POST', '{type}/_search', 's'],
  ['history of the type', 'GET', '{type}/_history', 's'],
];

/** What a scope grants of the type: letters, and whether of a patient's part only. */
interface Form {
  readonly scope: (type: string) => string;
  readonly letters: string;
  readonly patient?: string;
  /** The patient whose part it is. */
  readonly part?: boolean;
}
const V2 = ['c', 'r', 'u', 'd', 's', 'rs', 'cu', 'cud', 'cruds', 'crus', 'ds'];
const V1 = { read: 'rs', write: 'cud', '*': 'cruds' };
const FORMS: readonly Form[] = [
  ...['system', 'user'].flatMap((context): Form[] => [
    ...V2.map((letters): Form => ({ scope: (t) => `${context}/${t}.${letters}`, letters })),
    ...V2.map((letters): Form => ({ scope: () => `${context}/*.${letters}`, letters })),
    ...Object.entries(V1).map(([v1, letters]): Form => ({ scope: (t) => `${context}/${t}.${v1}`, letters })),
    ...Object.entries(V1).map(([v1, letters]): Form => ({ scope: () => `${context}/*.${v1}`, letters })),
  ]),
  ...V2.flatMap((letters): Form[] => [
    { scope: (t) => `patient/${t}.${letters}`, letters, patient: 'mine', part: true },
    { scope: () => `patient/*.${letters}`, letters, patient: 'mine', part: true },
    // Without a patient there is nothing that is the patient's.
    { scope: (t) => `patient/${t}.${letters}`, letters: '' },
  ]),
  { scope: (t) => `system/${t}.r system/${t}.s`, letters: 'rs' },
  { scope: (t) => `system/${otherThan(t)}.cruds`, letters: '' },
  ...['', ' ', 'openid', 'launch/patient', 'admin'].map((text): Form => ({ scope: () => text, letters: '' })),
  ...['rw', 'sr', '', 'x', 'Cruds', 'r s'].map(
    (bad): Form => ({ scope: (t) => `system/${t}.${bad}`, letters: bad === 'r s' ? 'r' : '' }),
  ),
  { scope: (t) => `SYSTEM/${t}.cruds`, letters: '' },
  { scope: (t) => `system/${t.toLowerCase()}.cruds`, letters: '' },
  { scope: (t) => `*/${t}.cruds`, letters: '' },
  { scope: (t) => `system/${t}.cruds?`, letters: '' },
  { scope: (t) => `system/${t}.read?_id=x`, letters: '' },
];

const otherThan = (type: string): string => (type === 'Basic' ? 'Account' : 'Basic');
const nothing = undefined as never;
const router = createRouter(
  interactionRoutes({
    clock: nothing,
    bundles: { store: nothing } as never,
    search: nothing,
    decorate: nothing,
    multipleDelete: false,
    parseInstant: nothing,
    capabilities: nothing,
    batch: nothing,
    operations: [],
  }),
);

function isGranted(scope: string, patient: string | undefined, method: string, path: string): boolean {
  try {
    authorise({ access: accessOf(scope, patient) }, router.match(method, path));
    return true;
  } catch {
    return false;
  }
}

it('grants each interaction with each type to the scopes that say so, and to no others', () => {
  const wrong: string[] = [];
  let tried = 0;
  for (const type of RESOURCE_TYPES) {
    for (const [name, method, path, letter] of INTERACTIONS) {
      for (const { scope, letters, patient } of FORMS) {
        const text = scope(type);
        const granted = isGranted(text, patient, method, `/${path.replace('{type}', type)}`);
        tried++;
        if (granted !== letters.includes(letter)) wrong.push(`${name} ${type} with "${text}": ${granted}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(tried).toBeGreaterThan(100_000);
});

const BLIND = () => 1n;
/** Types without patients that a patient's scopes read; every other type without a compartment is closed to them. */
const DIRECTORY = new Set([
  'Practitioner',
  'PractitionerRole',
  'Organization',
  'Location',
  'HealthcareService',
  'Endpoint',
  'Medication',
  'Substance',
]);

describe('what a scope covers of a type', () => {
  const keys = { rid: () => 0n };
  const context = { blind: nothing, base: 'http://x/fhir/t', now: 0 };
  /** A record of somebody, whatever its type calls them. */
  const recordOf = (resourceType: string, patient: string) => {
    const reference = { reference: `Patient/${patient}` };
    const people = Object.fromEntries(
      ['subject', 'patient', 'beneficiary', 'individual', 'for'].map((n) => [n, reference]),
    );
    return resourceType === 'Patient' ? { resourceType, id: patient } : { resourceType, id: 'x', ...people };
  };

  it('is what the form of the scope says, for mine and for another’s', () => {
    const wrong: string[] = [];
    for (const type of RESOURCE_TYPES) {
      const ofPatients =
        type === 'Patient' ||
        compartmentParameters('Patient', type).some((c) =>
          ['subject', 'patient', 'beneficiary', 'individual'].includes(c),
        );
      if (!ofPatients && !DIRECTORY.has(type) && compartmentParameters('Patient', type).length > 0) continue;
      for (const { scope, letters, patient, part } of FORMS) {
        const { grants } = accessOf(scope(type), patient);
        const sees = grants && visibilityOf(grants, keys, { ...context, blind: BLIND });
        for (const letter of ['c', 'r', 'u', 'd', 's'] as const) {
          const has = letters.includes(letter);
          const directory = DIRECTORY.has(type) && 'rs'.includes(letter);
          const mine = sees?.allows(letter, recordOf(type, 'mine')) ?? true;
          const others = sees?.allows(letter, recordOf(type, 'other')) ?? true;
          const shouldMine = has && (!part || ofPatients || directory);
          const shouldOthers = has && (!part || directory);
          // What the type calls its patient may be none of the names above: then nothing is covered, which is safe.
          if (mine && !shouldMine) wrong.push(`${letter} of mine: ${type} with "${scope(type)}"`);
          if (others !== shouldOthers) wrong.push(`${letter} of another's: ${type} with "${scope(type)}"`);
          if (type === 'Observation' && mine !== shouldMine)
            wrong.push(`${letter} of my ${type}: "${scope(type)}"`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    ['a chain', 'system/Observation.rs?patient.gender=female'],
    ['a reverse chain', 'system/Observation.rs?_has:Observation:has-member:code=x'],
    ['an unknown parameter', 'system/Observation.rs?nonsense=x'],
    ['a value set', 'system/Observation.rs?code:in=http://x/vs'],
    ['a filter with a chain', 'system/Observation.rs?_filter=subject.name%20co%20%22x%22'],
    ['a control', 'system/Observation.rs?_count=1'],
    ['an empty value', 'system/Observation.rs?status='],
    ['one good and one bad parameter', 'system/Observation.rs?status=final&nonsense=x'],
  ])('is nothing where its query is %s', (_what, scope) => {
    const { grants } = accessOf(scope);
    const sees = visibilityOf(grants!, keys, { ...context, blind: BLIND });
    for (const letter of ['r', 's'] as const) {
      expect(sees.allows(letter, { ...recordOf('Observation', 'p'), status: 'final' })).toBe(false);
      expect(sees.rows(letter, { values: [] })).toBe('false');
    }
  });
});
