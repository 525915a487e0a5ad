import { all, CANARY, OTHER_TENANT, own, silent, TENANT, total } from './lab.js';
import type { Row } from './trial.js';

export const BORDERS: readonly Row[] = [
  {
    id: 'S-26',
    title: 'members that are not theirs to set',
    async attack(lab, t) {
      const token = await all(lab);
      const put = async (over: object) =>
        lab.send({
          method: 'PUT',
          path: 'Basic/assigned',
          token,
          body: { resourceType: 'Basic', id: 'assigned', code: { text: 'x' }, ...over },
        });
      t.answer(
        'versionId is ours',
        await put({ meta: { versionId: '99' } }),
        (a) => a.status === 201 && a.json.meta.versionId === '1',
      );
      t.answer(
        'lastUpdated is ours',
        await put({ meta: { lastUpdated: '1999-01-01T00:00:00Z' } }),
        (a) => a.status === 200 && !a.text.includes('1999'),
      );
      t.answer(
        'an AuditEvent',
        await lab.send({ method: 'POST', path: 'AuditEvent', token, body: { resourceType: 'AuditEvent' } }),
        [400, 403, 405, 422],
      );
      t.answer(
        'an AuditEvent under an id',
        await lab.send({
          method: 'PUT',
          path: 'AuditEvent/x',
          token,
          body: { resourceType: 'AuditEvent', id: 'x' },
        }),
        [400, 403, 404, 405, 422],
      );
      t.answer(
        'an AuditEvent in a bundle',
        await lab.send({
          method: 'POST',
          path: `/fhir/${TENANT}`,
          token,
          body: {
            resourceType: 'Bundle',
            type: 'transaction',
            entry: [
              {
                resource: {
                  resourceType: 'AuditEvent',
                  type: { code: 'x' },
                  recorded: '2020-01-01T00:00:00Z',
                  agent: [{ requestor: true }],
                  source: { observer: { display: 'x' } },
                },
                request: { method: 'POST', url: 'AuditEvent' },
              },
            ],
          },
        }),
        // A record like any other: what applications say of themselves is no part of our own log.
        [200, 400, 403, 405, 422],
      );
      const auditor = await lab.token('system/AuditEvent.rs');
      const log = () => lab.send({ path: 'AuditEvent/$audit-log?_count=200', token: auditor });
      const before = await log();
      t.answer(
        'which our log does not show',
        before,
        (a) => a.status === 200 && !a.text.includes('"display":"x"'),
      );
      const event: string = before.json?.entry?.[0]?.resource?.id ?? 'none';
      t.answer(
        'deleting what our log shows',
        await lab.send({ method: 'DELETE', path: `AuditEvent/${event}`, token }),
        [204, 400, 403, 404, 405],
      );
      t.answer('which is there still', await log(), (a) => a.status === 200 && a.text.includes(event));
      t.answer(
        'another id in the body',
        await lab.send({
          method: 'PUT',
          path: 'Basic/assigned',
          token,
          body: { resourceType: 'Basic', id: 'other', code: { text: 'x' } },
        }),
        [400],
      );
      t.answer(
        'another type in the body',
        await lab.send({
          method: 'PUT',
          path: 'Basic/assigned',
          token,
          body: { resourceType: 'Patient', id: 'assigned' },
        }),
        [400],
      );
    },
  },
  {
    id: 'S-27',
    title: 'other ways to the same address',
    async attack(lab, t) {
      const token = await own(lab);
      const paths = [
        '/fhir/lake//Patient/hidden',
        '/fhir/lake/Patient%2Fhidden',
        '/fhir/lake/patient/hidden',
        '/fhir/lake/Patient/hidden.',
        '/fhir/lake/Patient/hidden;jsessionid=1',
        '/fhir/lake/./Patient/hidden',
        '/fhir/lake/x/../Patient/hidden',
        '/fhir/lake/%50atient/hidden',
        '/fhir/LAKE/Patient/hidden',
        '/fhir/lake%2f..%2fother/Patient/mine',
        '/FHIR/lake/Patient/hidden',
        '//fhir/lake/Patient/hidden',
        '/fhir/lake/Patient/hidden%20',
        '/fhir/lake/Patient/hidden?_format=json#x',
        '/fhir/lake\\Patient\\hidden',
        '/fhir/lake/Patient/mine/../hidden',
        'http://evil.example/fhir/lake/Patient/hidden',
        '/fhir/lake/Patient/hidden/$everything/',
        '/fhir/other/Patient/mine',
      ];
      for (const path of paths)
        t.answer(
          path,
          await lab.send({ path: path.startsWith('http') ? `/${path}` : path, token }),
          (a) => [400, 403, 404, 406].includes(a.status) && silent(a),
        );
      for (const [name, value] of [
        ['X-HTTP-Method-Override', 'DELETE'],
        ['X-HTTP-Method', 'DELETE'],
        ['X-Method-Override', 'PUT'],
        ['X-Original-URL', '/fhir/lake/Patient/hidden'],
        ['X-Rewrite-URL', '/fhir/lake/Patient/hidden'],
        ['X-Tenant', 'other'],
        ['X-Forwarded-Prefix', '/fhir/other'],
        ['X-Forwarded-Host', 'evil.example'],
        ['Forwarded', 'host=evil.example'],
      ] as const)
        t.answer(
          `${name}: ${value}`,
          await lab.send({ path: 'Patient/mine', token, headers: { [name]: value } }),
          (a) => a.status === 200 && a.json.id === 'mine' && silent(a) && !a.text.includes('evil.example'),
        );
      t.answer('?_method=DELETE', await lab.send({ path: 'Patient/mine?_method=DELETE', token }), [200, 400]);
      for (const method of ['TRACE', 'OPTIONS', 'PROPFIND', 'CONNECTX', 'PURGE', 'LINK'])
        t.answer(
          `${method}`,
          await lab.send({
            method: method === 'CONNECTX' ? 'SEARCH' : method,
            path: 'Patient/hidden',
            token,
          }),
          (a) => [400, 404, 405, 501].includes(a.status) && silent(a),
        );
      t.answer(
        'HEAD of what is hidden',
        await lab.send({ method: 'HEAD', path: 'Patient/hidden', token }),
        (a) => a.status === 404 && a.text === '',
      );
      t.answer('still there', await lab.send({ path: 'Patient/mine', token }), [200]);
    },
  },
  {
    id: 'S-28',
    title: 'scopes that say nothing',
    async attack(lab, t) {
      for (const scope of [
        'user/*.rw',
        'system/*.sr',
        'system/*.',
        '*/*.*',
        'system/*',
        'system/Patient',
        'SYSTEM/*.cruds',
        'system/*.cruds?',
        'system/patient.rs',
        'user/*.rs?',
        'system/Nonsense.rs',
        'patient/*.rs',
      ])
        t.answer(
          `asked for "${scope}"`,
          await lab.ask(lab.assertion(), { scope }),
          (a) => a.status === 400 && a.json.error === 'invalid_scope',
        );
      for (const scope of ['', '   ', 'openid', '\u0000'])
        t.answer(`asked for ${JSON.stringify(scope)}`, await lab.ask(lab.assertion(), { scope }), [400]);
      t.answer(
        'more than registered',
        await lab.ask(lab.assertion(), { scope: 'system/*.cruds' }),
        (a) => a.status === 400 || (a.status === 200 && a.json.scope === 'system/*.rs'),
      );
      const refused = async (scope: string) => {
        try {
          await lab.token(scope);
          return false;
        } catch {
          return true;
        }
      };
      for (const scope of ['', ' ', 'patient/*.rs', 'system/*.rw', 'everything'])
        t.check(`no token is made for "${scope}"`, await refused(scope));
      t.answer(
        'break-glass alone reads nothing',
        await lab.send({ path: 'Patient/mine', token: await lab.token('break-glass') }),
        [403],
      );
    },
  },
  {
    id: 'S-29',
    title: 'the past of what moved or is gone',
    async attack(lab, t) {
      const full = await all(lab);
      const body = (patient: string, text: string) => ({
        resourceType: 'Observation',
        id: 'moved',
        status: 'final',
        code: { text },
        subject: { reference: `Patient/${patient}` },
      });
      const put = (patient: string, text: string) =>
        lab.send({ method: 'PUT', path: 'Observation/moved', token: full, body: body(patient, text) });
      t.answer('made for the other', await put('hidden', CANARY), [201]);
      t.answer('moved to me', await put('mine', 'Alder'), [200]);
      const token = await own(lab);
      t.answer('what it is now', await lab.send({ path: 'Observation/moved', token }), [200]);
      t.answer(
        'what it was',
        await lab.send({ path: 'Observation/moved/_history/1', token }),
        (a) => a.status === 404 && silent(a),
      );
      t.answer(
        'its history',
        await lab.send({ path: 'Observation/moved/_history', token }),
        (a) => a.status === 200 && silent(a),
      );
      t.answer(
        'the history of the type',
        await lab.send({ path: 'Observation/_history', token }),
        (a) => [200, 403].includes(a.status) && silent(a),
      );
      t.answer('moved back', await put('hidden', CANARY), [200]);
      t.answer(
        'gone',
        await lab.send({ method: 'DELETE', path: 'Observation/moved', token: full }),
        [200, 204],
      );
      t.answer(
        'the gone one of the other',
        await lab.send({ path: 'Observation/moved', token }),
        (a) => [404, 410].includes(a.status) && silent(a),
      );
      t.answer(
        'its last version',
        await lab.send({ path: 'Observation/moved/_history/3', token }),
        (a) => a.status === 404 && silent(a),
      );
    },
  },
  {
    id: 'S-30',
    title: 'from tenant to tenant',
    async attack(lab, t) {
      const mine = await all(lab);
      const theirs = await lab.token('system/*.cruds', { tenant: OTHER_TENANT });
      t.answer(
        'a token at the neighbour',
        await lab.send({ path: '/fhir/other/Patient/mine', token: mine }),
        [403],
      );
      for (const text of [
        "'; set role postgres; --",
        '\\connect other',
        '"; set search_path to x; --',
        '$$; reset role; $$',
        "mine'; select pg_sleep(5); --",
      ])
        t.answer(
          `search by ${text}`,
          await lab.send({ path: `Patient?name=${encodeURIComponent(text)}`, token: mine }),
          (a) => a.status === 200 && total(a) === 0 && a.ms < 4_000,
        );
      const storm = async (i: number) => {
        const [name, token] = i % 2 === 0 ? [TENANT, mine] : [OTHER_TENANT, theirs];
        if (i % 5 === 0)
          return lab.send({
            method: 'POST',
            path: `/fhir/${name}`,
            token,
            body: {
              resourceType: 'Bundle',
              type: 'transaction',
              entry: [
                {
                  resource: { resourceType: 'Basic', code: { text: `storm-${name}` } },
                  request: { method: 'POST', url: 'Basic' },
                },
                { request: { method: 'DELETE', url: 'Patient?name:nonsense=x' } },
              ],
            },
          });
        return lab.send({ path: `/fhir/${name}/Patient/mine`, token });
      };
      const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => storm(i)));
      const crossed = answers.filter(
        (a, i) => a.status === 200 && a.text.includes(`${CANARY}-neighbour`) !== (i % 2 === 1),
      );
      t.check(
        '100 requests and errors by turns reach their own',
        crossed.length === 0,
        `${crossed.length} did not`,
      );
      t.check(
        'none of them broke',
        answers.every((a) => a.status < 500),
      );
      const role = await lab.system.tenants.open(TENANT);
      const other = await lab.system.tenants.open(OTHER_TENANT);
      const name = async (tenant: typeof role) =>
        (await tenant.pool.query('select current_database() as db, current_user as who')).rows[0] as {
          db: string;
          who: string;
        };
      const [a, b] = [await name(role), await name(other)];
      t.check('each has a database and a role', a.db !== b.db && a.who !== b.who);
      for (const sql of [
        `set role ${b.who}`,
        `grant connect on database ${b.db} to ${a.who}`,
        `select pg_read_file('/etc/passwd')`,
        `copy (select 1) to program 'id'`,
        'select * from pg_authid',
        'create extension dblink',
        `alter role ${a.who} superuser`,
      ]) {
        const outcome = await role.pool.query(sql).then(
          () => 'done',
          () => 'refused',
        );
        t.check(
          `as its role: ${sql.replace(/_[0-9a-f]{6,}/g, '_…').slice(0, 40)}`,
          outcome === 'refused',
          outcome,
        );
      }
    },
  },
  {
    id: 'S-31',
    title: 'emergency access',
    async attack(lab, t) {
      const form = (body: Record<string, string>, token: string) =>
        lab.send({
          method: 'POST',
          path: `/oauth/${TENANT}/emergency`,
          token,
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams(body).toString(),
        });
      const glass = await lab.token('break-glass', { subject: 'Practitioner/1' });
      t.answer(
        'without the scope',
        await form({ reason: 'unconscious in the ward', patient: 'hidden' }, await own(lab)),
        [403],
      );
      t.answer('without a reason', await form({ patient: 'hidden' }, glass), [403]);
      t.answer(
        'with a reason of nothing',
        await form({ reason: '          .', patient: 'hidden' }, glass),
        [403],
      );
      t.answer(
        'with a line break in it',
        await form({ reason: 'unconscious\nX-Evil: 1 here', patient: 'hidden' }, glass),
        [403],
      );
      t.answer('for nobody', await form({ reason: 'unconscious in the ward' }, glass), [403]);
      t.answer(
        'for everybody',
        await form({ reason: 'unconscious in the ward', patient: '*' }, glass),
        [403],
      );
      const granted = await form({ reason: 'unconscious in the ward', patient: 'hidden' }, glass);
      t.answer('with a reason', granted, (a) => a.status === 200 && a.json.expires_in <= 900);
      const token: string = granted.json?.access_token ?? '';
      t.answer('reads the one', await lab.send({ path: 'Patient/hidden', token }), [200]);
      t.answer('but no other', await lab.send({ path: 'Patient/mine', token }), [404]);
      t.answer(
        'and writes nothing',
        await lab.send({
          method: 'PUT',
          path: 'Patient/hidden',
          token,
          body: { resourceType: 'Patient', id: 'hidden' },
        }),
        [403],
      );
      t.answer(
        'and does not prolong itself',
        await form({ reason: 'unconscious in the ward', patient: 'mine' }, token),
        [403],
      );
      const audit = await lab.send({
        path: 'AuditEvent/$audit-log?_count=50',
        token: await lab.token('system/AuditEvent.rs'),
      });
      t.answer(
        'and stands in the audit log',
        audit,
        (a) => a.status === 200 && a.text.includes('unconscious in the ward'),
      );
    },
  },
];
