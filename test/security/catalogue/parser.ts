import { all, create } from './lab.js';
import type { Row } from './trial.js';

const patient = (over: object = {}) => ({ resourceType: 'Patient', ...over });
const REFUSED = [400, 413, 422];
/** Legal or not is the element's matter: stored or refused, but never broken. */
const ANSWERED = [200, 201, 400, 413, 422];

/** Texts as long as told, each the worst for some pattern. */
function pumped(size: number): [string, object][] {
  const pump = (text: string, end = '!') => text.repeat(Math.ceil(size / text.length)) + end;
  const observation = (over: object) => ({
    resourceType: 'Observation',
    status: 'final',
    code: { text: 'x' },
    ...over,
  });
  return [
    ['base64, 105 characters', patient({ photo: [{ data: `${'AAAA    '.repeat(13)}!` }] })],
    ['base64, 64 KB', patient({ photo: [{ data: pump('AAAA    ') }] })],
    ['base64, blanks', patient({ photo: [{ data: pump(' ') }] })],
    ['base64, line ends', patient({ photo: [{ data: pump('AAA\r\n') }] })],
    ['date', patient({ birthDate: pump('1970-01-') })],
    ['dateTime', patient({ deceasedDateTime: `2020-01-01T00:00:00.${pump('0')}` })],
    ['instant', patient({ meta: { lastUpdated: `2020-01-01T00:00:00.${pump('9')}Z` } })],
    ['code', patient({ gender: pump('a ') })],
    ['code, blanks', patient({ gender: pump('  ', 'a') })],
    ['id', patient({ contained: [{ resourceType: 'Organization', id: pump('a') }] })],
    ['uri', patient({ implicitRules: pump('a:') })],
    ['uri, blanks', patient({ identifier: [{ system: pump(' ', 'x') }] })],
    ['url', patient({ photo: [{ url: pump('http://a.') }] })],
    ['oid', patient({ identifier: [{ system: `urn:oid:${pump('1.', 'x')}` }] })],
    ['uuid', patient({ identifier: [{ system: `urn:uuid:${pump('a-', 'x')}` }] })],
    ['markdown', observation({ note: [{ text: pump('[](') }] })],
    ['string, blanks', patient({ name: [{ family: pump(' \t', 'x') }] })],
    ['string of line ends', patient({ name: [{ family: pump('\r\n', 'x') }] })],
    [
      'narrative, open tags',
      patient({
        text: {
          status: 'generated',
          div: `<div xmlns="http://www.w3.org/1999/xhtml">${pump('<b>')}</div>`,
        },
      }),
    ],
    [
      'narrative, attributes',
      patient({
        text: {
          status: 'generated',
          div: `<div xmlns="http://www.w3.org/1999/xhtml" ${pump('a="b" ')}></div>`,
        },
      }),
    ],
    [
      'narrative, comments',
      patient({
        text: {
          status: 'generated',
          div: `<div xmlns="http://www.w3.org/1999/xhtml">${pump('<!--')}</div>`,
        },
      }),
    ],
    [
      'narrative, entities',
      patient({
        text: {
          status: 'generated',
          div: `<div xmlns="http://www.w3.org/1999/xhtml">${pump('&#x')}</div>`,
        },
      }),
    ],
    ['base64, padding', patient({ photo: [{ data: pump('=') }] })],
    ['date, zone', patient({ deceasedDateTime: `2020-01-01T00:00:00${pump('+14:00')}` })],
    ['id of a reference', observation({ subject: { reference: `Patient/${pump('.-')}` } })],
    ['e-mail', patient({ telecom: [{ system: 'email', value: pump('a.a@') }] })],
    ['version of a canonical', patient({ meta: { profile: [`http://x|${pump('1.0-')}`] } })],
    ['time', observation({ valueTime: pump('12:') })],
    ['decimal', observation({ valueQuantity: { value: '1'.repeat(size) } })],
    [
      'unit of UCUM',
      observation({
        valueQuantity: { value: 1, system: 'http://unitsofmeasure.org', code: pump('(m.') },
      }),
    ],
    ['reference', observation({ subject: { reference: pump('Patient/') } })],
    ['reference, dots', observation({ subject: { reference: `http://${pump('a.')}/Patient/x` } })],
    ['language', patient({ language: pump('en-') })],
    ['canonical', patient({ meta: { profile: [pump('http://x|')] } })],
  ];
}

export const PARSER: readonly Row[] = [
  {
    id: 'S-10',
    title: 'texts that make patterns run for ever',
    async attack(lab, t) {
      const token = await all(lab);
      // The stricter the check, the more patterns a text meets.
      for (const [level, size] of [
        ['minimal', 65_536],
        ['strict', 65_536],
        ...(lab.quick ? [] : ([['strict', 1_000_000]] as const)),
      ] as const)
        for (const [name, body] of pumped(size)) {
          const { resourceType } = body as { resourceType: string };
          const headers = { 'X-Cenote-Validation': level };
          t.answer(
            `${name}, ${size} characters, ${level}`,
            await lab.send({ method: 'POST', path: resourceType, token, headers, body }),
            ANSWERED,
          );
        }
      const query = (text: string) => encodeURIComponent(text.repeat(Math.ceil(6_000 / text.length)));
      for (const [name, value] of [
        ['date', 'ge1970-'],
        ['name', 'a '],
        ['identifier', 'a|'],
        ['_lastUpdated', '2020-01-01T'],
        ['_id', 'a,'],
      ] as const)
        t.answer(
          `search by ${name}`,
          await lab.send({ path: `Patient?${name === 'date' ? 'birthdate' : name}=${query(value)}`, token }),
          [200, 400, 404, 413],
        );
      t.check('none took a second', t.slowestMs < 1_000, `${Math.round(t.slowestMs)} ms`);
    },
  },
  {
    id: 'S-11',
    title: 'patterns sent to us',
    async attack(lab, t) {
      const token = await all(lab);
      const bad = "matches('^(a+)+$')";
      const sp = (expression: string) => ({
        resourceType: 'SearchParameter',
        url: 'http://x.example/sp',
        name: 'bad',
        status: 'active',
        description: 'x',
        code: 'bad',
        base: ['Patient'],
        type: 'string',
        expression,
      });
      for (const expression of [
        `Patient.name.family.${bad}`,
        "Patient.name.family.replaceMatches('(a*)*b','')",
        "Patient.name.where(family.matches('(x+x+)+y')).family",
      ])
        t.answer(
          `search parameter: ${expression.slice(20, 48)}`,
          await lab.send({
            method: 'PUT',
            path: 'SearchParameter/bad',
            token,
            body: { ...sp(expression), id: 'bad' },
          }),
          // Kept as a resource, but never a way to search.
          [200, 201, 400, 422],
        );
      t.answer(
        'none of them is searched by',
        await lab.send({ path: 'Patient?bad=x', token, headers: { Prefer: 'handling=strict' } }),
        [400],
      );
      const view = (path: string) => ({
        resourceType: 'ViewDefinition',
        status: 'active',
        resource: 'Patient',
        name: 'bad',
        select: [{ column: [{ name: 'a', path }] }],
      });
      for (const path of [`name.family.first().${bad}`, "name.family.replaceMatches('(a*)*','')"])
        t.answer(
          `view: ${path.slice(0, 30)}`,
          await lab.send({ method: 'POST', path: 'ViewDefinition', token, body: view(path) }),
          [400, 422],
        );
      for (const filter of ["name re '(a+)+$'", 'name co (((((((((('])
        t.answer(
          `_filter=${filter}`,
          await lab.send({
            path: `Patient?_filter=${encodeURIComponent(filter)}`,
            token,
            headers: { Prefer: 'handling=strict' },
          }),
          filter.includes(' re ') ? [400, 422] : [200, 400, 422],
        );
    },
  },
  {
    id: 'S-12',
    title: 'depth',
    async attack(lab, t) {
      const deep = (open: string, n: number, close: string, inner = '') =>
        open.repeat(n) + inner + close.repeat(n);
      const wrap = (text: string) => `{"resourceType":"Patient","x":${text}}`;
      const inputs: [string, string][] = [
        ['a million arrays', deep('[', 1_000_000, ']')],
        ['a million arrays never closed', '['.repeat(1_000_000)],
        ['300,000 objects', deep('{"a":', 300_000, '}', '1')],
        ['65 arrays', wrap(deep('[', 64, ']'))],
        [
          'extensions in extensions',
          `{"resourceType":"Patient",${deep('"extension":[{"url":"u",', 40, '}]', '"extension":[]')}}`,
        ],
        ['contained in contained', deep('{"resourceType":"Patient","contained":[', 60, ']}')],
        [
          'items in items',
          `{"resourceType":"Questionnaire","status":"draft",${deep('"item":[{"linkId":"1","type":"group",', 50, '}]', '"text":"x"')}}`,
        ],
        ['arrays and objects by turns', deep('[{"a":', 100_000, '}]', '1')],
        ['brackets in text do no harm', JSON.stringify(patient({ name: [{ family: '['.repeat(100_000) }] }))],
      ];
      for (const [name, body] of inputs)
        t.answer(
          name,
          await create(lab, body, name.startsWith('items') ? 'Questionnaire' : 'Patient'),
          name.includes('no harm') ? ANSWERED : REFUSED,
        );
      t.answer(
        'depth in a bundle',
        await lab.send({
          method: 'POST',
          path: '/fhir/lake',
          token: await all(lab),
          body: deep('{"resourceType":"Bundle","type":"batch","entry":[{"resource":', 40, '}]}', '{}'),
        }),
        REFUSED,
      );
    },
  },
  {
    id: 'S-13',
    title: 'members and elements without number',
    async attack(lab, t) {
      const inputs: [string, string][] = [
        [
          'a member twice',
          '{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/mine"},"subject":{"reference":"Patient/hidden"}}',
        ],
        [
          'a member twice, once escaped',
          '{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/mine"},"s\\u0075bject":{"reference":"Patient/hidden"}}',
        ],
        ['resourceType twice', '{"resourceType":"Observation","resourceType":"Patient"}'],
        ['__proto__', '{"resourceType":"Observation","__proto__":{"status":"final"}}'],
        ['__proto__ escaped', '{"resourceType":"Observation","__pr\\u006fto__":{"status":"final"}}'],
        [
          '__proto__ further in',
          '{"resourceType":"Observation","status":"final","code":{"__proto__":{"text":"x"}}}',
        ],
        [
          'constructor',
          '{"resourceType":"Observation","status":"final","code":{"text":"x"},"constructor":{"prototype":{"polluted":1}}}',
        ],
        ['a name of 300 characters', `{"resourceType":"Observation","${'a'.repeat(300)}":1}`],
        [
          '100,000 members',
          `{"resourceType":"Observation",${Array.from({ length: 100_000 }, (_, i) => `"a${i}":1`).join()}}`,
        ],
        [
          'a million elements',
          `{"resourceType":"Observation","status":"final","code":{"text":"x"},"note":[${'1,'.repeat(1_000_000)}1]}`,
        ],
        [
          'a million empty objects',
          `{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":[${'{},'.repeat(1_000_000)}{}]}`,
        ],
        ['an array where none goes', '[{"resourceType":"Observation"}]'],
        ['a text', '"Observation"'],
        ['null', 'null'],
        ['nothing', ''],
        ['resourceType of another kind', '{"resourceType":["Observation"]}'],
      ];
      for (const [name, body] of inputs) t.answer(name, await create(lab, body, 'Observation'), REFUSED);
      t.check('nothing was polluted', ({} as { polluted?: unknown }).polluted === undefined);
    },
  },
  {
    id: 'S-14',
    title: 'numbers',
    async attack(lab, t) {
      const token = await all(lab);
      const body = (digits: string) =>
        `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":${digits}}}`;
      for (const digits of [
        '1.10',
        '0.10',
        '100.00',
        '1234567890123456.12',
        '0.000000000000001',
        '1.0e2',
        '-0.5',
        '12345678901234567890',
        `0.${'1'.repeat(30)}`,
      ]) {
        const made = await create(lab, body(digits), 'Observation');
        const at = new URL(made.headers.location ?? 'http://x/').pathname;
        const read = made.status === 201 ? await lab.send({ path: at, token }) : made;
        t.answer(
          `${digits} comes back`,
          read,
          (a) => a.status === 200 && a.text.includes(`"value":${digits}`),
        );
      }
      for (const digits of ['NaN', 'Infinity', '0x10', '01', '1.', '.5', '+1', '1e', '--1', '"1.0"', '1_000'])
        t.answer(digits, await create(lab, body(digits), 'Observation'), REFUSED);
      for (const digits of ['1e400', '-0', `1${'0'.repeat(5_000)}`, '1e-400', '1e999999999'])
        t.answer(digits.slice(0, 12), await create(lab, body(digits), 'Observation'), ANSWERED);
      for (const value of [
        'gt1e400',
        'NaN',
        '1e999999999',
        '0x10',
        '--1',
        `1${'0'.repeat(2_000)}`,
        'sa1',
        'ge',
      ])
        t.answer(
          `value-quantity=${value.slice(0, 14)}`,
          await lab.send({ path: `Observation?value-quantity=${value}`, token }),
          [200, 400],
        );
    },
  },
  {
    id: 'S-15',
    title: 'characters',
    async attack(lab, t) {
      const name = (family: string) => `{"resourceType":"Patient","name":[{"family":"${family}"}]}`;
      const refused: [string, string | Buffer][] = [
        ['NUL escaped', name('a\\u0000b')],
        ['NUL plain', name('a\0b')],
        ['half a pair', name('a\\ud800b')],
        ['the other half', name('a\\udc00b')],
        ['a pair the wrong way round', name('\\udc00\\ud800')],
        [
          'bytes that are no UTF-8',
          Buffer.concat([
            Buffer.from('{"resourceType":"Patient","name":[{"family":"'),
            Buffer.from([0xc3, 0x28]),
            Buffer.from('"}]}'),
          ]),
        ],
        [
          'an overlong slash',
          Buffer.concat([
            Buffer.from('{"resourceType":"Patient","language":"'),
            Buffer.from([0xc0, 0xaf]),
            Buffer.from('"}'),
          ]),
        ],
        ['UTF-16', Buffer.from(name('x'), 'utf16le')],
        ['a tab in a text', name('a\tb')],
      ];
      for (const [what, body] of refused) t.answer(what, await create(lab, body), REFUSED);
      const kept: [string, string][] = [
        ['U+2028', 'a\u2028b'],
        ['right to left', 'a\u202eb'],
        ['no width', 'a\u200bb'],
        ['beyond the first plane', '\u{1f9ec}'],
        ['one that grows when folded', '\u0130\u1e9e\ufb03'.repeat(500)],
        ['marks without end', `a${'\u0301'.repeat(5_000)}`],
        ['100 KB', 'x'.repeat(100_000)],
      ];
      for (const [what, family] of kept) t.answer(what, await create(lab, name(family)), [201, 400, 422]);
      t.answer('a byte order mark', await create(lab, `\ufeff${name('x')}`), [201, 400]);
      t.answer(
        'an address of 100 KB',
        await create(
          lab,
          patient({
            identifier: [{ system: `http://x.example/${'a'.repeat(100_000)}`, value: 'v'.repeat(100_000) }],
          }),
        ),
        [201, 400, 422],
      );
      const token = await all(lab);
      for (const id of [
        'a'.repeat(65),
        'a%00b',
        '%F0%9F%A7%AC',
        'a%0d%0ab',
        'a%C0%AF',
        '..',
        '.',
        '%2e%2e',
        '%',
      ])
        t.answer(`read ${id.slice(0, 20)}`, await lab.send({ path: `Patient/${id}`, token }), [400, 404]);
      for (const value of [
        '%00',
        'a%00b',
        '%ED%A0%80',
        '%C3%28',
        '%EF%BF%BF',
        '%E2%80%AE',
        '%',
        '%zz',
        '%u0041',
      ])
        t.answer(`search ${value}`, await lab.send({ path: `Patient?name=${value}`, token }), [200, 400]);
    },
  },
];
