import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { all, create, type Lab, OTHER_TENANT } from './lab.js';
import type { Answer, Row } from './trial.js';

/** Answers a job of import with its lines of errors, once it has ended. */
async function imported(
  lab: Lab,
  body: Buffer | string,
  headers: Record<string, string> = {},
): Promise<Answer & { errors: string }> {
  const token = await all(lab);
  const kick = await lab.send({
    method: 'POST',
    path: '$import',
    token,
    body,
    headers: { Prefer: 'respond-async', 'Content-Type': 'application/fhir+ndjson', ...headers },
  });
  const at = kick.headers['content-location'];
  if (kick.status !== 202 || typeof at !== 'string') return { ...kick, errors: '' };
  const path = new URL(at).pathname;
  for (let i = 0; i < 240; i++) {
    const status = await lab.send({ path, token });
    if (status.status !== 202) {
      const named = status.text.match(/\$import-file\/[^"]+/)?.[0];
      const errors = named ? (await lab.send({ path: named, token })).text : '';
      return { ...status, errors };
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return { ...kick, errors: 'never ended' };
}

export const LOAD: readonly Row[] = [
  {
    id: 'S-16',
    title: 'bombs',
    slow: true,
    async attack(lab, t) {
      const packed = (body: Buffer, encoding: string, path = 'Patient') =>
        all(lab).then((token) =>
          lab.send({ method: 'POST', path, token, body, headers: { 'Content-Encoding': encoding } }),
        );
      const zeros = Buffer.alloc(64 * 1024 * 1024, 32);
      const bomb = gzipSync(zeros);
      t.answer('gzip', await packed(bomb, 'gzip'), [413]);
      t.answer('gzip, as a bundle', await packed(bomb, 'gzip', '/fhir/lake'), [413]);
      t.answer('gzip in gzip', await packed(gzipSync(bomb), 'gzip'), [400, 413]);
      t.answer('gzip, gzip', await packed(gzipSync(bomb), 'gzip, gzip'), [415]);
      t.answer('brotli', await packed(brotliCompressSync(zeros.subarray(0, 1 << 20)), 'br'), [415]);
      t.answer('deflate', await packed(deflateSync(zeros), 'deflate'), [415]);
      t.answer('zstd', await packed(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 'zstd'), [415]);
      t.answer('an encoding of nobody', await packed(Buffer.from('{}'), 'x'.repeat(500)), [415]);
      t.answer('no gzip at all', await packed(Buffer.from('{}'), 'gzip'), [400]);
      t.answer(
        'gzip cut short',
        await packed(gzipSync('{"resourceType":"Patient"}').subarray(0, 25), 'gzip'),
        [400],
      );
      t.answer(
        'gzip with rubbish behind',
        await packed(Buffer.concat([gzipSync('{"resourceType":"Patient"}'), Buffer.from('rubbish')]), 'gzip'),
        [201, 400],
      );
      t.answer('17 MB', await create(lab, `{"resourceType":"Patient","x":"${'a'.repeat(17 << 20)}"}`), [413]);
      const form = await lab.send({
        method: 'POST',
        path: 'Patient/_search',
        token: await all(lab),
        body: `name=${'a'.repeat(2 << 20)}`,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      });
      t.answer('a form of 2 MB', form, [413]);
    },
  },
  {
    id: 'S-16b',
    title: 'bombs in imports',
    slow: true,
    async attack(lab, t) {
      const token = await all(lab);
      const good = (id: string) => `{"resourceType":"Basic","id":"${id}","code":{"text":"x"}}\n`;
      const around = async (name: string, middle: string | Buffer, packed = false) => {
        const id = `bomb-${t.inputs.length}`;
        const plain = Buffer.concat([
          Buffer.from(good(`${id}-a`)),
          Buffer.from(middle as string),
          Buffer.from(`\n${good(`${id}-b`)}`),
        ]);
        const done = await imported(
          lab,
          packed ? gzipSync(plain) : plain,
          packed ? { 'Content-Type': 'application/gzip' } : {},
        );
        t.answer(name, done, (a) => a.status < 500);
        return async () =>
          (
            await Promise.all([
              lab.send({ path: `Basic/${id}-a`, token }),
              lab.send({ path: `Basic/${id}-b`, token }),
            ])
          )
            .map((a) => a.status)
            .join();
      };
      const line = await around('a line of 40 MB', `{"resourceType":"Basic","x":"${'a'.repeat(40 << 20)}"}`);
      t.check('the lines around it arrive', (await line()) === '200,200', await line());
      const empty = await around('ten million empty lines', '\n'.repeat(10_000_000));
      t.check('the lines around them arrive', (await empty()) === '200,200', await empty());
      const deep = await around('a line of a million brackets', '['.repeat(1_000_000));
      t.check('the lines around it arrive', (await deep()) === '200,200', await deep());
      const nul = await around('a NUL and bytes that are no UTF-8', Buffer.from([0x7b, 0, 0xc3, 0x28, 0x7d]));
      t.check('the lines around it arrive', (await nul()) === '200,200', await nul());
      await around('a line of 200 MB, packed', 'a'.repeat(200 << 20), true);
    },
  },
  {
    id: 'S-17',
    title: 'pages',
    async attack(lab, t) {
      const token = await all(lab);
      for (let i = 0; i < 3; i++)
        await lab.send({
          method: 'PUT',
          path: `Basic/page-${i}`,
          token,
          body: { resourceType: 'Basic', id: `page-${i}`, code: { text: 'page' } },
        });
      const first = await lab.send({ path: 'Basic?_count=1', token });
      const next: string =
        first.json.link.find((l: { relation: string }) => l.relation === 'next')?.url ?? '';
      const { pathname, search } = new URL(next);
      t.answer('the next page', await lab.send({ path: pathname + search, token }), [200]);
      const params = new URLSearchParams(search);
      const [key, value] = [...params].sort((a, b) => b[1].length - a[1].length)[0]!;
      const change = (text: string) => {
        const changed = new URLSearchParams(params);
        changed.set(key, text);
        return `${pathname}?${changed}`;
      };
      const flip = (at: number) => value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1);
      for (const [name, text] of [
        ['a character changed', flip(5)],
        ['the last one changed', flip(value.length - 2)],
        ['cut', value.slice(0, 12)],
        ['doubled', value + value],
        ['empty', ''],
        ['SQL', "' or 1=1 --"],
        ['a million', 'A'.repeat(8_000)],
      ] as const)
        t.answer(
          `cursor: ${name}`,
          await lab.send({ path: change(text), token }),
          (a) => [400, 403, 404, 410, 414].includes(a.status) || (name === 'empty' && a.status === 200),
        );
      const other = await lab.token('system/*.cruds', { tenant: OTHER_TENANT });
      t.answer(
        'the cursor at the other tenant',
        await lab.send({ path: (pathname + search).replace('/lake', '/other'), token: other }),
        [400, 403, 404],
      );
      const stranger = await lab.token('system/*.rs', { subject: 'stranger' });
      const theirs = await lab.send({ path: pathname + search, token: stranger });
      t.answer('the cursor of another client', theirs, [200, 400, 403]);
      const patientToken = await lab.token('patient/*.rs', { patient: 'mine' });
      t.answer(
        'the cursor of one who may see more',
        await lab.send({ path: pathname + search, token: patientToken }),
        (a) => a.status >= 400 || !a.text.includes('page-'),
      );
      for (const query of [
        '_offset=1000000',
        '_getpages=1',
        '_page=-1',
        '_count=-1',
        '_count=1e9',
        '_count=1000000000',
        '_count=x',
        '_count=99999999999999999999',
      ])
        t.answer(query, await lab.send({ path: `Basic?${query}`, token }), [200, 400]);
    },
  },
  {
    id: 'S-18',
    title: 'bundles',
    slow: true,
    async attack(lab, t) {
      const token = await all(lab);
      const send = (bundle: unknown) => lab.send({ method: 'POST', path: '/fhir/lake', token, body: bundle });
      const entry = (method: string, url: string, resource?: object, fullUrl?: string) => ({
        ...(fullUrl ? { fullUrl } : {}),
        ...(resource ? { resource } : {}),
        request: { method, url },
      });
      const bundle = (type: string, ...entries: unknown[]) => ({
        resourceType: 'Bundle',
        type,
        entry: entries,
      });
      const basic = { resourceType: 'Basic', code: { text: 'x' } };
      const many = (n: number) => Array.from({ length: n }, () => entry('POST', 'Basic', basic));
      t.answer('20,001 entries', await send(bundle('transaction', ...many(20_001))), [400, 413]);
      t.answer(
        'a million empty entries',
        await send(`{"resourceType":"Bundle","type":"batch","entry":[${'{},'.repeat(1_000_000)}{}]}`),
        [400, 413],
      );
      t.answer(
        'one fullUrl twice',
        await send(
          bundle(
            'transaction',
            entry('POST', 'Basic', basic, 'urn:uuid:5f1f3a0e-1d1f-4f53-8a0b-000000000001'),
            entry('POST', 'Basic', basic, 'urn:uuid:5f1f3a0e-1d1f-4f53-8a0b-000000000001'),
          ),
        ),
        [400, 422],
      );
      t.answer(
        'one id twice',
        await send(
          bundle(
            'transaction',
            entry('PUT', 'Basic/twice', { ...basic, id: 'twice' }),
            entry('PUT', 'Basic/twice', { ...basic, id: 'twice' }),
          ),
        ),
        [400, 422],
      );
      t.answer(
        'an id written and deleted',
        await send(
          bundle(
            'transaction',
            entry('PUT', 'Basic/twice', { ...basic, id: 'twice' }),
            entry('DELETE', 'Basic/twice'),
          ),
        ),
        [400, 422],
      );
      const [a, b] = [
        'urn:uuid:5f1f3a0e-1d1f-4f53-8a0b-00000000000a',
        'urn:uuid:5f1f3a0e-1d1f-4f53-8a0b-00000000000b',
      ];
      t.answer(
        'references in a circle',
        await send(
          bundle(
            'transaction',
            entry('POST', 'Basic', { ...basic, subject: { reference: b } }, a),
            entry('POST', 'Basic', { ...basic, subject: { reference: a } }, b),
          ),
        ),
        [200],
      );
      t.answer(
        'a batch in a batch',
        await send(bundle('batch', entry('POST', '', bundle('batch')))),
        (x) => x.status >= 400 || /^4/.test(x.json.entry[0].response.status),
      );
      t.answer(
        'a batch as a resource',
        await send(bundle('transaction', entry('POST', '/', bundle('transaction')))),
        (x) => x.status >= 400 && x.status < 500,
      );
      for (const url of [
        'http://evil.example/Patient',
        '//evil.example/Patient',
        '../other/Patient/mine',
        '/fhir/other/Patient/mine',
        'Patient/../../other/Patient/mine',
        '%2e%2e/other/Patient',
        '/admin/tenants',
        'metadata/../../../admin',
        '$jobs/../..',
        'Patient/mine#x',
        '\u0000',
      ])
        t.answer(`GET ${url}`, await send(bundle('batch', entry('GET', url))), (x) =>
          x.status >= 400
            ? x.status < 500
            : /^4/.test(x.json.entry[0].response.status) && !x.text.includes('Zzyzx'),
        );
      const conditional = Array.from({ length: 300 }, (_, i) =>
        entry('POST', 'Observation', {
          resourceType: 'Observation',
          status: 'final',
          code: { text: 'x' },
          subject: { reference: `Patient?identifier=urn:x|n${i}` },
        }),
      );
      const start = performance.now();
      t.answer(
        '300 conditions that find nobody',
        await send(bundle('transaction', ...conditional)),
        [400, 404, 412, 422],
      );
      t.check('and soon', performance.now() - start < 30_000);
      for (const [name, body] of [
        ['no type', { resourceType: 'Bundle' }],
        ['entries that are none', { resourceType: 'Bundle', type: 'batch', entry: [null, 1, 'x', []] }],
        ['no request', bundle('transaction', { resource: basic })],
        ['an object for the list', { resourceType: 'Bundle', type: 'batch', entry: {} }],
        ['methods of nobody', bundle('transaction', entry('BREW', 'Basic', basic))],
        ['a document', bundle('document')],
      ] as const)
        t.answer(
          name,
          await send(body),
          (x) => x.status < 500 && (x.status >= 400 || name === 'entries that are none'),
        );
    },
  },
  {
    id: 'S-19',
    title: 'HTTP that is none',
    async attack(lab, t) {
      const token = await all(lab);
      const raw = async (name: string, text: string, right: RegExp) => {
        const answer = await lab.raw(text);
        const once = (answer.match(/^HTTP\/1\.1 \d{3}/gm) ?? []).length === 1;
        t.check(name, right.test(answer.slice(0, 12)) && once, answer.slice(0, 60).replaceAll('\r\n', ' '));
      };
      const head = `POST /fhir/lake/Patient HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
      const smuggled = 'GET /fhir/lake/Patient/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n';
      await raw(
        'a length and chunks',
        `${head}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
        /400/,
      );
      await raw(
        'chunks twice',
        `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
        /40[015]/,
      );
      await raw('chunks with a tab', `${head}Transfer-Encoding:\tchunked, x\r\n\r\n0\r\n\r\n`, /40[015]/);
      await raw('two lengths', `${head}Content-Length: 0\r\nContent-Length: 50\r\n\r\n${smuggled}`, /400/);
      await raw('a length below nothing', `${head}Content-Length: -1\r\n\r\n`, /400/);
      await raw('a length in hexadecimal', `${head}Content-Length: 0x10\r\n\r\n`, /400/);
      await raw(
        'a header of 20 KB',
        `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
        /431/,
      );
      await raw(
        'an address of 20 KB',
        `GET /fhir/lake/Patient?name=${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
        /4\d\d/,
      );
      await raw('a line alone as its end', 'GET /healthz HTTP/1.1\nHost: localhost\n\n', /400/);
      await raw(
        'a name with a blank',
        'GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n',
        /400/,
      );
      await raw('another method', 'BREW /fhir/lake/Patient HTTP/1.1\r\nHost: localhost\r\n\r\n', /4\d\d/);
      await raw('HTTP/2 without a word', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /400|505/);
    },
  },
  {
    id: 'S-19b',
    title: 'slow clients',
    slow: true,
    async attack(lab, t) {
      const token = await all(lab);
      const sockets = Array.from({ length: 300 }, () =>
        lab.raw('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ', 20_000),
      );
      const times: number[] = [];
      for (let i = 0; i < 40; i++) {
        const answer = await lab.send({ path: 'Patient/mine', token });
        times.push(answer.ms);
        if (answer.status !== 200) t.answer('others are served', answer, [200]);
      }
      times.sort((a, b) => a - b);
      t.check('others are served meanwhile', times[38]! < 1_000, `${Math.round(times[38]!)} ms`);
      const answers = await Promise.all(sockets);
      const told = answers.filter((a) => a.startsWith('HTTP/1.1 408')).length;
      t.check('300 slow ones are told that their time is over', told === 300, `${told} were`);
    },
  },
];
