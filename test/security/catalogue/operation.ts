import { all, OTHER_TENANT, TENANT } from './lab.js';
import type { Row } from './trial.js';

export const OPERATION: readonly Row[] = [
  {
    id: 'S-56',
    title: 'defaults',
    async attack(lab, t) {
      for (const path of [
        '/',
        '/fhir/lake/metadata',
        '/fhir/lake/Patient',
        '/fhir/nobody/Patient',
        '/elsewhere',
        '/healthz',
        '/readyz',
        '/metrics',
        '/admin',
        '/admin/tenants',
        '/oauth/lake/token',
        '/oauth/lake/authorize',
        '/oauth/nobody/x',
        '/fhir/lake/.well-known/smart-configuration',
        '/%00',
        '/..',
        '/.git/config',
        '/package.json',
        '/token.secret',
        '/fhir',
        '/fhir/',
        '/assets/../../package.json',
        '/%2e%2e/package.json',
      ]) {
        const answer = await lab.send({ path });
        t.check(
          `headers of ${path}`,
          answer.status < 500 &&
            answer.headers['x-content-type-options'] === 'nosniff' &&
            answer.headers['content-security-policy'] !== undefined &&
            answer.headers['referrer-policy'] === 'no-referrer' &&
            answer.headers['x-powered-by'] === undefined &&
            answer.headers.server === undefined &&
            /no-/.test(answer.headers['cache-control'] ?? '') &&
            !answer.text.includes('"devDependencies"'),
          `${answer.status} ${JSON.stringify(answer.headers).slice(0, 120)}`,
        );
      }
      for (const origin of [
        'https://evil.example',
        'null',
        'http://localhost',
        'https://app.example.org.evil.example',
      ]) {
        const token = await all(lab);
        t.answer(
          `a page of ${origin}`,
          await lab.send({ path: 'Patient/mine', token, headers: { Origin: origin } }),
          (a) =>
            a.headers['access-control-allow-origin'] === undefined &&
            a.headers['access-control-allow-credentials'] === undefined,
        );
        const asked = await lab.send({
          method: 'OPTIONS',
          path: 'Patient/mine',
          headers: { Origin: origin, 'Access-Control-Request-Method': 'DELETE' },
        });
        t.check(`a preflight of ${origin}`, asked.headers['access-control-allow-origin'] === undefined);
      }
      for (const path of ['/healthz', '/readyz', '/metrics']) {
        const answer = await lab.send({ path });
        t.check(`${path} names no tenant`, answer.status === 200 && !/lake|other|flooded/.test(answer.text));
      }
      for (const token of ['admin', 'cenote', 'password', 'secret', 'root', 'changeme'])
        t.answer(`"${token}" is no token`, await lab.send({ path: '/admin/tenants', token }), [401]);
    },
  },
  {
    id: 'S-57',
    title: 'questions that cost much',
    slow: true,
    async attack(lab, t) {
      const token = await all(lab);
      const paths = [
        'Patient?_count=1000000000',
        'Observation?_include=*',
        'Observation?_include:iterate=*&_revinclude:iterate=*',
        'Observation?date=gt0001',
        'Patient?name:contains=a',
        `Patient?name=${Array.from({ length: 200 }, (_, i) => `a${i}`).join()}`,
        `Patient?_id=${Array.from({ length: 1_000 }, (_, i) => `a${i}`).join()}`,
        `Observation?subject:Patient.${'general-practitioner:Practitioner.'.repeat(1)}name=x`,
        `Observation?${'subject:Patient.link:Patient.'.repeat(10)}name=x`,
        `Patient?${'_has:Observation:patient:'.repeat(20)}code=x`,
        `Patient?${Array.from({ length: 200 }, (_, i) => `name=a${i}`).join('&')}`,
        `Patient?_sort=${Array.from({ length: 200 }, () => 'birthdate').join()}`,
        `Patient?_elements=${'a,'.repeat(2_000)}`,
        '_history?_count=1000000000',
        'Patient/mine/$everything?_count=1000000000',
        'Patient/mine/$timeline?_count=1000000000',
        `Patient?_content=${'a%20'.repeat(1_000)}`,
        `Patient?_filter=${encodeURIComponent(`${'('.repeat(500)}name eq x${')'.repeat(500)}`)}`,
      ];
      for (const path of paths)
        t.answer(path.slice(0, 60), await lab.send({ path, token }), (a) => a.status < 500 && a.ms < 10_000);
      const neighbour = await lab.token('system/*.rs', { tenant: OTHER_TENANT });
      const times = async (n: number) => {
        const list: number[] = [];
        for (let i = 0; i < n; i++)
          list.push((await lab.send({ path: `/fhir/${OTHER_TENANT}/Patient/mine`, token: neighbour })).ms);
        return list.sort((a, b) => a - b)[Math.floor(n * 0.9)]!;
      };
      const flood = Promise.all(
        Array.from({ length: 400 }, () =>
          lab.send({ path: `/fhir/${TENANT}/Observation?_include=*&_count=50`, token }),
        ),
      );
      const busy = await times(20);
      const answers = await flood;
      t.check(
        '400 at once are answered or told to wait',
        answers.every(
          (a) =>
            a.status === 200 ||
            (a.status === 429 && a.headers['retry-after'] !== undefined) ||
            a.status === 503,
        ),
        [...new Set(answers.map((a) => a.status))].join(),
      );
      t.check('a neighbour is served meanwhile', busy < 5_000, `${Math.round(busy)} ms`);
    },
  },
  {
    id: 'S-59',
    title: 'conditions and repeated keys',
    async attack(lab, t) {
      const token = await all(lab);
      const send = (
        method: string,
        path: string,
        headers: Record<string, string>,
        body: unknown = { resourceType: 'Basic', id: 'tagged', code: { text: String(Math.random()) } },
      ) => lab.send({ method, path, token, headers, body });
      t.answer('made', await send('PUT', 'Basic/tagged', {}), [201]);
      for (const [tag, right] of [
        ['W/"9"', [412]],
        ['"9"', [412]],
        ['W/"x"', [400, 412]],
        ['nonsense', [400, 412]],
        ['', [200, 400, 412]],
        ['W/"1", W/"2', [400, 412]],
        [`W/"${'9'.repeat(500)}"`, [400, 412]],
        ['W/"-1"', [400, 412]],
        ['W/"1e0"', [400, 412]],
      ] as [string, number[]][])
        t.answer(
          `If-Match: ${tag.slice(0, 20)}`,
          await send('PUT', 'Basic/tagged', { 'If-Match': tag }),
          right,
        );
      t.answer(
        'If-Match: * of what is not there',
        await send(
          'PUT',
          'Basic/untagged',
          { 'If-Match': '*' },
          { resourceType: 'Basic', id: 'untagged', code: { text: 'x' } },
        ),
        [400, 404, 412],
      );
      t.answer(
        'If-None-Match: * of what is there',
        await send('PUT', 'Basic/tagged', { 'If-None-Match': '*' }),
        [412],
      );
      const made = { resourceType: 'Basic', code: { text: 'once' } };
      t.answer('a key', await send('POST', 'Basic', { 'Idempotency-Key': 'key-1' }, made), [201]);
      t.answer(
        'the key again',
        await send('POST', 'Basic', { 'Idempotency-Key': 'key-1' }, made),
        (a) => a.status === 201 && a.headers['idempotency-replayed'] === 'true',
      );
      t.answer(
        'the key with another body',
        await send('POST', 'Basic', { 'Idempotency-Key': 'key-1' }, { ...made, code: { text: 'twice' } }),
        [422],
      );
      t.answer(
        'a key of 300 characters',
        await send('POST', 'Basic', { 'Idempotency-Key': 'k'.repeat(300) }, made),
        [400],
      );
      t.answer('an empty key', await send('POST', 'Basic', { 'Idempotency-Key': '' }, made), [201, 400]);
      const race = await Promise.all(
        Array.from({ length: 8 }, () =>
          send(
            'POST',
            'Basic',
            { 'If-None-Exist': 'identifier=urn:race|1' },
            { ...made, identifier: [{ system: 'urn:race', value: '1' }] },
          ),
        ),
      );
      t.check(
        'of eight at once one is made',
        race.filter((a) => a.status === 201).length === 1 && race.every((a) => a.status < 500),
        race.map((a) => a.status).join(),
      );
    },
  },
];
