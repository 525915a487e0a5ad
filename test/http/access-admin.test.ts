import { randomBytes } from 'node:crypto';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_ROUTES } from '../../src/http/admin-routes.js';
import { type App, createApp } from '../../src/http/app.js';
import { readAuditLog } from '../../src/store/audit-log.js';
import { wireRooms } from '../../src/system.js';
import { createAuthorization } from '../../src/tenancy/clients-authorization.js';
import { issueAdminToken } from '../../src/tenancy/tokens.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** The administrator's API: denied by default, table-driven, nothing of patients in it. */
let system: TestSystem;
let app: App;
let dev: App;
let lakeToken: string;
const secret = randomBytes(32);
const admin = (scope: string, lifeS = 60) =>
  issueAdminToken(secret, system.clock, { scope, subject: 'ops', lifeS });

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake'] });
  const { clock, tenants } = system;
  const baseUrl = 'http://127.0.0.1:8080';
  const rooms = wireRooms({ clock, tenants, baseUrl });
  const authorization = createAuthorization({ control: tenants.control, clock, secret });
  const options = {
    baseUrl,
    version: '0',
    authorization,
    verify: authorization.verify,
    admin: { tenants, jobs: rooms.jobs, clients: authorization.clients },
  };
  app = createApp(rooms, { ...options, dev: false });
  dev = createApp(rooms, { ...options, dev: true });
  const { record } = await system.tenant('lake');
  lakeToken = authorization.issue({ tenant: record, scope: 'system/*.cruds admin' });
});
afterAll(() => system.close());

type Method = 'get' | 'post' | 'delete';
const call = (method: Method, path: string, token?: string, body?: object) => {
  let request = supertest(app.express)[method](`/admin/${path}`);
  if (token !== undefined) request = request.auth(token, { type: 'bearer' });
  return method === 'post' ? request.send(body ?? {}) : request;
};
const filled = (path: string) => path.replace(':tenant', 'lake').replace(':id', 'nobody');

describe('every row', () => {
  it.each(ADMIN_ROUTES.map((r) => [r.method, r.path, r.needs] as const))(
    '%s %s is refused without its scope %s',
    async (method, path, needs) => {
      const way = method.toLowerCase() as Method;
      await call(way, filled(path)).expect(401);
      await call(way, filled(path), lakeToken).expect(401);
      await call(way, filled(path), 'x.y.z').expect(401);
      const other = needs === 'admin.read' ? 'admin.write' : 'admin.read';
      await call(way, filled(path), admin(other)).expect(403);
    },
  );
});

describe('an administrator', () => {
  const both = () => admin('admin.read admin.write');

  it('makes, shows, suspends and resumes tenants', async () => {
    await call('post', 'tenants', both(), { name: 'ward', validation: 'structure', integrity: true }).expect(
      201,
    );
    await call('post', 'tenants', both(), { name: 'ward' }).expect(409);
    await call('post', 'tenants', both(), { name: 'shy', indexPrivacy: 'most' }).expect(400);
    const shy = await call('post', 'tenants', both(), { name: 'shy', indexPrivacy: 'none' }).expect(201);
    expect(shy.body.indexPrivacy).toBe('none');
    const { body } = await call('get', 'tenants/ward', both()).expect(200);
    expect(body).toMatchObject({
      name: 'ward',
      state: 'active',
      validation: 'structure',
      indexPrivacy: 'exact',
    });
    expect(
      (await call('get', 'tenants', both())).body.tenants.map((t: { name: string }) => t.name),
    ).toContain('ward');
    expect((await call('post', 'tenants/ward/suspend', both())).body.state).toBe('suspended');
    expect((await call('get', 'tenants/ward/storage', both())).body.databaseBytes).toBeGreaterThan(0);
    expect((await call('post', 'tenants/ward/resume', both())).body.state).toBe('active');
  });

  it('sees keys with their age and rotates them', async () => {
    const before = (await call('get', 'tenants/lake/keys', both()).expect(200)).body.keys;
    await call('post', 'tenants/lake/keys/rotate', both(), { level: 'body' }).expect(200);
    const after = (await call('get', 'tenants/lake/keys', both())).body.keys;
    expect(after.length).toBe(before.length + 1);
    expect(Object.keys(after[0]).sort()).toEqual(['created', 'purpose', 'version']);
    await call('post', 'tenants/lake/keys/rotate', both(), { level: 'all' }).expect(400);
  });

  it('sees sizes and jobs', async () => {
    const { body } = await call('get', 'tenants/lake/storage', both()).expect(200);
    expect(body.tables.map((t: { name: string }) => t.name)).toContain('resource');
    expect((await call('get', 'tenants/lake/jobs', both()).expect(200)).body.jobs).toEqual([]);
  });

  it('registers and revokes clients', async () => {
    const made = await call('post', 'tenants/lake/clients', both(), {
      name: 'Charts',
      kind: 'app',
      auth: 'client_secret',
      redirect_uris: ['https://charts.example.org/back'],
      scope: 'patient/*.rs',
    }).expect(201);
    expect(made.body.client_secret).toMatch(/^[\w-]{43}$/);
    const listed = (await call('get', 'tenants/lake/clients', both()).expect(200)).body.clients;
    expect(listed).toHaveLength(1);
    expect(JSON.stringify(listed)).not.toContain(made.body.client_secret);
    const gone = await call('delete', `tenants/lake/clients/${made.body.client_id}`, both()).expect(200);
    expect(gone.body.revoked).toBeDefined();
    await call('post', 'tenants/lake/clients', both(), { name: 'X', scope: 'system/*.rs' }).expect(400);
  });

  it('leaves what is done, and what is refused, in the log of administration and of the tenant', async () => {
    await call('post', 'tenants', both(), { name: 'annexe' }).expect(201);
    await call('post', 'tenants/annexe/clients', both(), { name: 'X', scope: 'system/*.rs' }).expect(400);
    await call('get', 'tenants/annexe/keys', both()).expect(200);
    await call('post', 'tenants/annexe/suspend', admin('admin.read')).expect(403);
    await call('post', 'tenants/annexe/suspend', both()).expect(200);
    await call('post', 'tenants/annexe/resume', both()).expect(200);
    const { body } = await call('get', 'audit?count=8', both()).expect(200);
    const told = body.acts.map((a: Record<string, string>) => [a.subject, a.action, a.tenant, a.outcome]);
    expect(told.reverse()).toEqual([
      ['ops', 'post-tenants-clients', 'annexe', 'begun'],
      ['ops', 'post-tenants-clients', 'annexe', 'refused'],
      ['ops', 'get-tenants-keys', 'annexe', 'done'],
      ['ops', 'post-tenants-suspend', 'annexe', 'refused'],
      ['ops', 'post-tenants-suspend', 'annexe', 'begun'],
      ['ops', 'post-tenants-suspend', 'annexe', 'done'],
      ['ops', 'post-tenants-resume', 'annexe', 'begun'],
      ['ops', 'post-tenants-resume', 'annexe', 'done'],
    ]);
    const { facts } = await readAuditLog(await system.tenant('annexe'), { count: 10 });
    expect(facts.map((f) => [f.actor.id, f.interaction, f.status])).toEqual([
      ['ops', '$admin-post-tenants-resume', 200],
      ['ops', '$admin-post-tenants-suspend', 202],
      ['ops', '$admin-get-tenants-keys', 200],
    ]);
  });

  it('does nothing that cannot be written down', async () => {
    const { control } = system.tenants;
    await control.query('alter table admin_audit rename to away');
    try {
      await call('post', 'tenants/lake/suspend', both()).expect(503);
      await call('get', 'tenants/lake/keys', both()).expect(503);
    } finally {
      await control.query('alter table away rename to admin_audit');
    }
    expect((await system.tenants.find('lake'))?.state).toBe('active');
  });

  it.each([
    ['get', 'tenants/nobody', 404],
    ['get', 'audit?count=x', 400],
    ['get', 'nothing', 404],
    ['delete', 'tenants/lake', 405],
    ['get', 'tenants/..%2Flake', 404],
    ['delete', 'tenants/lake/clients/nobody', 404],
  ] as const)('%s %s is %i', async (method, path, status) => {
    await call(method, path, both()).expect(status);
  });

  it('is asked for JSON, so that no form of another site can write', async () => {
    for (const served of [app, dev])
      await supertest(served.express)
        .post('/admin/tenants')
        .set('Host', '127.0.0.1')
        .auth(both(), { type: 'bearer' })
        .type('form')
        .send('name=evil')
        .expect(415);
  });

  it('whose token expired or lives too long is nobody', async () => {
    expect(() => admin('admin.read', 25 * 3600)).toThrow(/from 1 second to a day/);
    expect(() => admin('system/*.cruds')).toThrow(/administrator/);
    await supertest(app.express)
      .get('/fhir/lake/Patient')
      .auth(admin('admin.read admin.write'), { type: 'bearer' })
      .expect(401);
  });
});

it('in development mode the same is served to this machine without a token', async () => {
  await supertest(dev.express).get('/admin/tenants').set('Host', '127.0.0.1').expect(200);
  await supertest(dev.express).get('/admin/tenants').set('Host', 'evil.example').expect(421);
});
