import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import { customParameters } from '../../src/fhir/custom-parameters.js';
import { extendedRegistry } from '../../src/fhir/registry.js';
import { compileParameter, indexResource, matchesParameter } from '../../src/indexing/index.js';
import { context, holds, resource } from './support.js';

const definition = (members: Record<string, unknown>) =>
  resource('SearchParameter', {
    url: 'http://x.example/SearchParameter/p',
    code: 'nickname',
    base: ['Patient'],
    type: 'string',
    expression: "Patient.name.where(use='nickname').given",
    ...members,
  });

const patient = resource('Patient', {
  name: [
    { use: 'official', given: ['Margaret'] },
    { use: 'nickname', given: ['Peggy'] },
  ],
  maritalStatus: { coding: [{ system: 'http://m', code: 'M' }] },
  extension: [{ url: 'http://x.example/shoe', valueQuantity: { value: 38, unit: 'EU' } }],
  managingOrganization: { reference: 'Organization/o' },
  multipleBirthInteger: 2,
});

describe('search parameters of a site', () => {
  it.each([
    ['a string', {}, 'peg', true],
    ['a string that does not match', {}, 'mar', false],
    ['a token', { code: 'marital', type: 'token', expression: 'Patient.maritalStatus' }, 'http://m|M', true],
    [
      'an extension',
      { code: 'shoe', type: 'quantity', expression: "Patient.extension('http://x.example/shoe')" },
      '38',
      true,
    ],
    [
      'an extension by value',
      {
        code: 'shoe',
        type: 'quantity',
        expression: "Patient.extension.where(url='http://x.example/shoe').value.ofType(Quantity)",
      },
      '39',
      false,
    ],
    [
      'a reference',
      {
        code: 'keeper',
        type: 'reference',
        expression: 'Patient.managingOrganization',
        target: ['Organization'],
      },
      'o',
      true,
    ],
    [
      'a number',
      { code: 'birth-rank', type: 'number', expression: '(Patient.multipleBirth as integer)' },
      '2',
      true,
    ],
    [
      'several bases',
      {
        code: 'place',
        base: ['Patient', 'Organization'],
        type: 'string',
        expression: 'Patient.name.given | Organization.name',
      },
      'marg',
      true,
    ],
  ])('%s', (_what, members, text, answer) => {
    const [parameter] = customParameters(definition(members));
    const own = { ...context, registry: extendedRegistry([parameter!]) };
    const query = { parameter: parameter!, modifier: undefined, values: [{ prefix: 'eq' as const, text }] };
    const { clause, exact } = compileParameter(query, own);
    expect(exact).toBe(true);
    expect(holds(clause, indexResource(patient, own))).toBe(answer);
    expect(matchesParameter(query, patient, own)).toBe(answer);
  });

  it('are not indexed for a tenant that does not have them', () => {
    const [parameter] = customParameters(definition({}));
    const query = {
      parameter: parameter!,
      modifier: undefined,
      values: [{ prefix: 'eq' as const, text: 'peg' }],
    };
    expect(holds(compileParameter(query, context).clause, indexResource(patient, context))).toBe(false);
    expect(extendedRegistry([parameter!]).find('Patient', 'nickname')).toBe(parameter);
    expect(extendedRegistry([parameter!]).find('Patient', 'name')?.url).toContain('Patient-name');
    expect(extendedRegistry([]).find('Patient', 'nickname')).toBeUndefined();
  });

  it.each([
    ['a code of R4', { code: 'family' }, 'conflict', 'code'],
    ['a code with a dot', { code: 'a.b' }, 'invalid', 'code'],
    ['a code of every search', { code: '_mine' }, 'invalid', 'code'],
    ['no expression', { expression: undefined }, 'invalid', 'expression'],
    ['an expression of another type', { expression: 'Organization.name' }, 'invalid', 'expression'],
    ['an expression that gives no string', { expression: 'Patient.birthDate' }, 'invalid', 'expression'],
    ['an expression that is none', { expression: 'Patient..name' }, 'invalid', ''],
    ['a pattern', { expression: "Patient.name.given.matches('(a+)+')" }, 'unsupported', ''],
    ['a composite', { type: 'composite' }, 'unsupported', 'type'],
    ['no base', { base: [] }, 'invalid', 'base'],
    ['a base that is no resource', { base: ['HumanName'] }, 'invalid', 'base'],
    ['no url', { url: undefined }, 'invalid', 'url'],
  ])('with %s are refused', (_what, members, category, element) => {
    try {
      customParameters(definition(members));
    } catch (error) {
      expect(isFault(error) && error.category).toBe(category);
      if (element !== '') expect(isFault(error) && error.at).toBe(`SearchParameter.${element}`);
      return;
    }
    throw new Error('was accepted');
  });
});
