import { all, type Lab, OTHER_TENANT, TENANT } from './lab.js';
import { noteOfMine } from './requests.js';
import type { Answer, Row } from './trial.js';

/** Addresses of what only this machine or its network should reach, in every spelling we know. */
const INSIDE = [
  'http://127.0.0.1/x.ndjson',
  'https://127.0.0.1/x',
  'https://[::1]/x',
  'https://[::ffff:127.0.0.1]/x',
  'https://0x7f.1/x',
  'https://2130706433/x',
  'https://017700000001/x',
  'https://127.1/x',
  'https://localhost/x',
  'https://localhost./x',
  'https://LOCALHOST/x',
  'https://169.254.169.254/latest/meta-data',
  'https://metadata.google.internal/x',
  'https://10.0.0.1/x',
  'https://192.168.0.1/x',
  'https://[fd00::1]/x',
  'https://0.0.0.0/x',
  'file:///etc/passwd',
  'gopher://127.0.0.1:5432/_x',
  'ftp://127.0.0.1/x',
  'unix:/var/run/x.sock',
  'data:text/plain,x',
  'jar:http://x!/y',
  '/etc/passwd',
  '\\\\evil.example\\x',
  's3://nobody/x',
  's3://../x',
];

/** The state that an import ends in, and what its errors say. */
async function imports(lab: Lab, url: string): Promise<Answer> {
  const token = await all(lab);
  const kick = await lab.send({
    method: 'POST',
    path: '$import',
    token,
    headers: { Prefer: 'respond-async', 'Content-Type': 'application/json' },
    body: {
      inputFormat: 'application/fhir+ndjson',
      inputSource: 'https://x.example',
      input: [{ type: 'Patient', url }],
    },
  });
  const at = kick.headers['content-location'];
  if (kick.status !== 202 || typeof at !== 'string') return kick;
  const path = new URL(at).pathname;
  for (let i = 0; i < 80; i++) {
    const status = await lab.send({ path, token });
    if (status.status !== 202) return status;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return kick;
}

export const OUTSIDE: readonly Row[] = [
  {
    id: 'S-40',
    title: 'addresses of the inside',
    async attack(lab, t) {
      for (const url of INSIDE)
        t.answer(`import ${url.slice(0, 40)}`, await imports(lab, url), [400, 403, 422]);
      const { record } = await lab.system.tenants.open(TENANT);
      for (const url of [
        'http://127.0.0.1:1/k',
        'file:///etc/passwd',
        'ftp://x/k',
        'https://user:pass@x.example/k',
        'nonsense',
      ]) {
        const outcome = await lab.authorization.clients
          .register(record, { name: 'x', kind: 'backend', scopes: 'system/*.rs', jwksUrl: url })
          .then(
            () => 'registered',
            () => 'refused',
          );
        t.check(`key set ${url}`, outcome === 'refused', outcome);
      }
      for (const [i, url] of [
        'https://127.0.0.1/k',
        'https://169.254.169.254/k',
        'https://[::ffff:127.0.0.1]/k',
        'https://localhost./k',
        'https://0x7f.1/k',
      ].entries()) {
        const id = `inside-${i}`;
        const registered = await lab.authorization.clients
          .register(record, { id, name: 'x', kind: 'backend', scopes: 'system/*.rs', jwksUrl: url })
          .then(
            () => true,
            () => false,
          );
        if (registered) t.answer(`key set ${url}`, await lab.ask(lab.assertion({ client: id })), [401]);
        else t.check(`key set ${url}`, true);
      }
      const token = await all(lab);
      const made = await lab.send({
        method: 'POST',
        path: 'DocumentReference',
        token,
        body: noteOfMine({ url: `${lab.keyServer.origin}/attachment` }),
      });
      t.answer('an attachment elsewhere', made, [201]);
      const profile = await lab.send({
        method: 'POST',
        path: 'Patient',
        token,
        body: { resourceType: 'Patient', meta: { profile: [`${lab.keyServer.origin}/profile`] } },
      });
      t.answer('a profile elsewhere', profile, [201, 400, 422]);
      t.answer(
        'a value set elsewhere',
        await lab.send({
          path: `ValueSet/$expand?url=${encodeURIComponent(`${lab.keyServer.origin}/valueset`)}`,
          token,
        }),
        [400, 404, 422],
      );
      t.answer(
        'a value set elsewhere, in a search',
        await lab.send({
          path: `Observation?code:in=${encodeURIComponent(`${lab.keyServer.origin}/in`)}`,
          token,
        }),
        [200, 400, 404, 422],
      );
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const asked = [...lab.keyServer.asked.keys()].filter((p) =>
        ['/attachment', '/profile', '/valueset', '/in'].includes(p),
      );
      t.check('none of them was fetched', asked.length === 0, asked.join());
    },
  },
  {
    id: 'S-42',
    title: 'addresses that look like others',
    async attack(lab, t) {
      const allowed = lab.keyServer.origin;
      const { host } = new URL(allowed);
      for (const url of [
        `${allowed}.evil.example/x`,
        `http://${host}@evil.example/x`,
        `http://evil.example#${host}`,
        `http://evil.example/${host}`,
        allowed.replace('127.0.0.1', '127\u30020.0.1'),
        `${allowed.replace('http:', 'HTTP:')}@evil.example`,
        `http://${host}%2f@evil.example`,
      ])
        t.answer(`import ${url.replace(host, 'allowed')}`, await imports(lab, url), [400, 403, 422]);
      const app = await lab.system.tenants.open(TENANT);
      await lab.authorization.clients.register(app.record, {
        id: 'chart',
        name: 'Chart',
        kind: 'app',
        auth: 'none',
        scopes: 'patient/*.rs launch/patient',
        redirectUris: ['https://app.example.org/back'],
      } as never);
      for (const back of [
        'https://app.example.org/back/../evil',
        'https://app.example.org/back?x=1',
        'https://app.example.org.evil.example/back',
        'https://app.example.org@evil.example/back',
        'http://app.example.org/back',
        'HTTPS://APP.example.org/back',
        'https://app.example.org/back/',
        'javascript:alert(1)',
        '//evil.example',
        'https://app.example.org/back#x',
      ]) {
        const answer = await lab.send({
          path: `/oauth/${TENANT}/authorize?response_type=code&client_id=chart&redirect_uri=${encodeURIComponent(back)}&scope=patient/*.rs&state=s&code_challenge=${'a'.repeat(43)}&code_challenge_method=S256&aud=${encodeURIComponent(`${lab.url}/fhir/${TENANT}`)}`,
        });
        t.check(
          `sent back to ${back}`,
          answer.status >= 400 && answer.status < 500 && answer.headers.location === undefined,
          `${answer.status} ${answer.headers.location}`,
        );
      }
    },
  },
  {
    id: 'S-43',
    title: 'our links and other hosts',
    async attack(lab, t) {
      const token = await all(lab);
      // In links stands the host that the caller itself used, or the configured one; never one it was told of.
      for (const headers of [
        { 'X-Forwarded-Host': 'evil.example' },
        { Forwarded: 'host=evil.example' },
        { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil.example' },
        { Host: 'evil.example/x' },
        { Host: 'evil example' },
        { Host: 'a@evil.example' },
      ] as Record<string, string>[])
        t.answer(
          JSON.stringify(headers),
          await lab.send({ path: 'Basic?_count=1', token, headers }),
          (a) => a.status < 500 && !a.text.includes('evil'),
        );
      const config = await lab.send({
        path: `/fhir/${TENANT}/.well-known/smart-configuration`,
        headers: { Host: 'evil.example' },
      });
      t.answer(
        'the token endpoint for a strange host',
        config,
        (a) => a.status === 200 && !a.text.includes('evil.example'),
      );
      t.answer(
        'an absolute address',
        await lab
          .raw(
            `GET http://evil.example/fhir/${TENANT}/Patient/mine HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
          )
          .then((text) => ({
            status: Number(text.slice(9, 12)),
            headers: {
              'x-content-type-options': 'nosniff',
              'content-security-policy': 'x',
              'cache-control': 'no-store',
            },
            text: '',
            json: {},
            ms: 0,
          })),
        [400, 404],
      );
    },
  },
  {
    id: 'S-45',
    title: 'imports without end',
    async attack(lab, t) {
      const token = await all(lab);
      const send = (body: unknown, more = {}) =>
        lab.send({
          method: 'POST',
          path: '$import',
          token,
          headers: { Prefer: 'respond-async', 'Content-Type': 'application/json', ...more },
          body,
        });
      t.answer(
        '100,000 inputs',
        await send({
          input: Array.from({ length: 100_000 }, (_, i) => ({
            type: 'Patient',
            url: `https://x.example/${i}`,
          })),
        }),
        [400, 413, 422],
      );
      t.answer('no inputs', await send({ input: [] }), [400, 422]);
      t.answer('inputs that are none', await send({ input: [1, null] }), [400, 422]);
      for (const name of ['../../evil.ndjson', '/etc/cron.d/x', '..\\evil', 'a\u0000b', '.', 'x'.repeat(300)])
        t.answer(
          `an upload named ${name.slice(0, 20)}`,
          await lab.send({
            method: 'POST',
            path: '$import',
            token,
            body: '{"resourceType":"Basic","id":"up","code":{"text":"x"}}',
            headers: {
              Prefer: 'respond-async',
              'Content-Type': 'application/octet-stream',
              'Content-Disposition': `attachment; filename="${encodeURI(name)}"`,
            },
          }),
          [202, 400, 415],
        );
      t.answer(
        'who may not write',
        await lab.send({
          method: 'POST',
          path: '$import',
          token: await lab.token('system/*.rs'),
          headers: { Prefer: 'respond-async' },
          body: { input: [] },
        }),
        [403],
      );
      t.answer(
        'who may write one type',
        await lab.send({
          method: 'POST',
          path: '$import',
          token: await lab.token('system/Patient.cud'),
          headers: { Prefer: 'respond-async' },
          body: { input: [] },
        }),
        [403],
      );
      const job = await send({ input: [{ type: 'Patient', url: 'https://x.example/a' }] });
      const at = new URL(job.headers['content-location'] ?? 'http://x/none').pathname;
      t.answer(
        'an import of the other tenant',
        await lab.send({
          path: at.replace(`/${TENANT}/`, `/${OTHER_TENANT}/`),
          token: await lab.token('system/*.cruds', { tenant: OTHER_TENANT }),
        }),
        [400, 403, 404],
      );
    },
  },
];
