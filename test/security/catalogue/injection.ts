import { all } from './lab.js';
import { viewParameters } from './requests.js';
import type { Row } from './trial.js';

const SQL = [
  "' or '1'='1",
  "'; drop table resource; --",
  "') or 1=1 --",
  '"; select 1',
  '\\',
  "\\'; --",
  '$1',
  '$$',
  '%',
  '_',
  '*',
  '{1,2}',
  '{',
  '}',
  '\u0000',
  'a\\,b',
  'a\\$b',
  'a|',
  '|',
  '||',
  '|a',
  '$',
  ',',
  ',,,',
  '/*',
  '--',
  ';',
  '\\x00',
  "E'\\\\x27'",
  '(select 1)',
  'null',
  '-1',
  '1e309',
  '\u2019',
  '\ud83d\ude00',
];
const PARAMS = [
  'name',
  'identifier',
  'birthdate',
  '_id',
  '_lastUpdated',
  '_content',
  '_tag',
  'general-practitioner',
  '_profile',
  'name:contains',
  'name:exact',
  'identifier:of-type',
  '_sort',
  '_elements',
  '_summary',
  '_total',
  '_include',
  '_revinclude',
  '_has:Observation:patient:code',
  '_list',
  '_filter',
  '_type',
  '_count',
];
const OBSERVATION = [
  'value-quantity',
  'code-value-quantity',
  'code',
  'date',
  'subject',
  'subject:Patient.name',
  'code:in',
  'code:not',
  'code:below',
  'component-code-value-quantity',
];

export const INJECTION: readonly Row[] = [
  {
    id: 'S-35',
    title: 'SQL in searches',
    async attack(lab, t) {
      const token = await all(lab);
      const texts = lab.quick ? SQL.filter((_, i) => i % 5 === 0) : SQL;
      for (const [type, params] of [
        ['Patient', PARAMS],
        ['Observation', OBSERVATION],
      ] as const)
        for (const param of params) {
          const answers = await Promise.all(
            texts.map((text) =>
              lab.send({ path: `${type}?${encodeURIComponent(param)}=${encodeURIComponent(text)}`, token }),
            ),
          );
          const wrong = answers
            .map((a, i) => [a.status, texts[i]!] as const)
            .filter(([status]) => status >= 500 || ![200, 400, 403, 404, 422].includes(status));
          t.check(
            `${type}?${param}= with ${texts.length} texts`,
            wrong.length === 0,
            wrong
              .slice(0, 3)
              .map(([s, x]) => `${s} for ${JSON.stringify(x)}`)
              .join(),
          );
        }
      for (const name of [
        "name'--",
        'name"',
        'name;',
        'name:exact;drop',
        'name)',
        '(name',
        'name:',
        ':exact',
        'name:exact:exact',
        'constructor',
        '__proto__',
        'toString',
        '_has:',
        '_has:Observation',
        '_has:Observation:patient',
        '_has:x:y:z',
        'a.b.c.d',
        'subject:',
        'subject:x.name',
        'general-practitioner:Practitioner.',
        '',
      ])
        t.answer(
          `parameter "${name}"`,
          await lab.send({
            path: `Patient?${encodeURIComponent(name)}=x`,
            token,
            headers: { Prefer: 'handling=strict' },
          }),
          (a) => a.status < 500 && (a.status === 400 || name === ''),
        );
      for (const [param, value] of [
        ['birthdate', "ge';--"],
        ['birthdate', 'zz2020'],
        ['birthdate', 'ge'],
        ['_sort', 'name;drop'],
        ['_sort', '-'],
        ['_sort', '(select 1)'],
        ['_include', "Observation:subject'--"],
        ['_count', '1;drop'],
      ] as const)
        t.answer(
          `${param}=${value}`,
          await lab.send({
            path: `Patient?${param}=${encodeURIComponent(value)}`,
            token,
            headers: { Prefer: 'handling=strict' },
          }),
          [400],
        );
      t.answer('everything is still there', await lab.send({ path: 'Patient/mine', token }), [200]);
    },
  },
  {
    id: 'S-36',
    title: 'FHIRPath sent to us',
    async attack(lab, t) {
      const token = await all(lab);
      const view = (path: string) => viewParameters({ select: [{ column: [{ name: 'a', path }] }] });
      for (const path of [
        'repeat($this)',
        'descendants().descendants()',
        "trace('x')",
        'resolve()',
        "'http://127.0.0.1'.resolve()",
        '%resource',
        '%`ext-../x`',
        `${'iif(true,'.repeat(200)}1${',2)'.repeat(200)}`,
        `${'name.select('.repeat(60)}family${')'.repeat(60)}`,
        `${'('.repeat(5_000)}1${')'.repeat(5_000)}`,
        `1${'+1'.repeat(20_000)}`,
        "'",
        '{}{}',
        'now(',
        '$this.constructor',
        '__proto__',
        "getReferenceKey('x').repeat($this)",
      ])
        t.answer(
          path.slice(0, 40),
          await lab.send({
            method: 'POST',
            path: '$viewdefinition-run?_format=json',
            token,
            body: view(path),
          }),
          (a) => [200, 400, 422].includes(a.status) && a.ms < 5_000 && !a.text.includes('root:'),
        );
      for (const expression of [
        'Patient.repeat(children())',
        'Patient.descendants().where(true)',
        "Patient.name.trace('x')",
        'Patient.resolve()',
        `${'Patient.name.where('.repeat(100)}true${')'.repeat(100)}`,
      ]) {
        const body = {
          resourceType: 'SearchParameter',
          id: 'path',
          url: 'http://x.example/path',
          name: 'path',
          status: 'active',
          description: 'x',
          code: 'path',
          base: ['Patient'],
          type: 'string',
          expression,
        };
        t.answer(
          `search parameter ${expression.slice(0, 30)}`,
          await lab.send({ method: 'PUT', path: 'SearchParameter/path', token, body }),
          [200, 201, 400, 422],
        );
      }
      t.answer(
        'none of them is searched by',
        await lab.send({ path: 'Patient?path=x', token, headers: { Prefer: 'handling=strict' } }),
        [400],
      );
      const patch = (path: string) => ({
        resourceType: 'Parameters',
        parameter: [
          {
            name: 'operation',
            part: [
              { name: 'type', valueCode: 'replace' },
              { name: 'path', valueString: path },
              { name: 'value', valueString: 'x' },
            ],
          },
        ],
      });
      for (const path of [
        'Patient.repeat($this)',
        'Patient.descendants()',
        "Patient.name.where(family.matches('(a+)+$')).family",
        '%context',
        'Patient.id',
        'Patient.__proto__.x',
        'Patient.constructor',
        'Patient.meta.versionId',
        `Patient${'.name'.repeat(5_000)}`,
      ])
        t.answer(
          `patch ${path.slice(0, 40)}`,
          await lab.send({ method: 'PATCH', path: 'Patient/mine', token, body: patch(path) }),
          (a) =>
            [400, 422].includes(a.status) ||
            (path === 'Patient.meta.versionId' && a.json.meta.versionId !== 'x'),
        );
    },
  },
];
