import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve, TENANT } from './served.js';

/** Emergency access: with a reason, for one patient, for a quarter of an hour, told to the audit log and the operator. */
let served: Served;
const lines: Record<string, unknown>[] = [];
const REASON = 'Unconscious in the emergency room';

beforeAll(async () => {
  served = await serve({ dev: false, log: (line) => lines.push({ ...line }) }, [TENANT]);
  const all = await served.token(TENANT, 'system/*.cruds');
  for (const id of ['p1', 'p2'])
    await served
      .http()
      .put(`${BASE}/Patient/${id}`)
      .auth(all, { type: 'bearer' })
      .send(patient({ id }))
      .expect(201);
});
afterAll(() => served.close());

const doctor = (scope = 'patient/*.rs break-glass') =>
  served.token(TENANT, scope, 'Practitioner/dr-oak', scope.includes('patient/') ? 'p2' : undefined);
const ask = (token: string | undefined, form: Record<string, string>) => {
  const request = served.http().post(`/oauth/${TENANT}/emergency`).type('form').send(form);
  return token === undefined ? request : request.auth(token, { type: 'bearer' });
};
const read = (token: string, id: string) =>
  served.http().get(`${BASE}/Patient/${id}`).auth(token, { type: 'bearer' });

describe('an emergency access', () => {
  it('reads one patient for a quarter of an hour, and nothing else', async () => {
    const token = await doctor();
    await read(token, 'p1').expect(404);
    const { body } = await ask(token, { reason: REASON, patient: 'p1' }).expect(200);
    expect(body).toMatchObject({ expires_in: 900, scope: 'patient/*.rs', patient: 'p1' });
    await read(body.access_token, 'p1').expect(200);
    await read(body.access_token, 'p2').expect(404);
    await served.http().delete(`${BASE}/Patient/p1`).auth(body.access_token, { type: 'bearer' }).expect(403);
    // It is no key to another emergency.
    await ask(body.access_token, { reason: REASON, patient: 'p2' }).expect(403);
  });

  it('is told with its reason, and so is every use of it', async () => {
    const { body } = await ask(await doctor(), { reason: REASON, patient: 'p1' }).expect(200);
    await read(body.access_token, 'p1').expect(200);
    expect(lines.some((line) => line.alert === 'break-glass' && line.tenant === TENANT)).toBe(true);
    expect(JSON.stringify(lines)).not.toMatch(/Unconscious|p1"/);
    const metrics = await served.http().get('/metrics').expect(200);
    expect(metrics.text).toContain('alert-break-glass');
    const log = await served
      .http()
      .get(`${BASE}/AuditEvent/$audit-log?_count=200`)
      .auth(await served.token(TENANT, 'system/*.cruds'), { type: 'bearer' })
      .expect(200);
    const told = JSON.stringify(
      log.body.entry.filter((e: { resource: unknown }) => JSON.stringify(e.resource).includes(REASON)),
    );
    expect(told).toContain('BTG');
    expect(told).toContain('break-glass');
    expect(told.split(REASON).length).toBeGreaterThan(2);
  });

  it.each([
    ['no reason', { patient: 'p1' }],
    ['a short reason', { reason: 'urgent', patient: 'p1' }],
    ['an endless reason', { reason: 'x'.repeat(300), patient: 'p1' }],
    ['no patient', { reason: REASON }],
    ['everybody', { reason: REASON, patient: '*' }],
  ])('is refused for %s', async (_what, form) => {
    const { body } = await ask(await doctor(), form as Record<string, string>).expect(403);
    expect(body.error).toBe('access_denied');
  });

  it('is refused to who may not break the glass', async () => {
    await ask(await doctor('user/*.rs'), { reason: REASON, patient: 'p1' }).expect(403);
    await ask(await doctor('system/*.cruds admin'), { reason: REASON, patient: 'p1' }).expect(403);
    await ask('x.y.z', { reason: REASON, patient: 'p1' }).expect(401);
    await ask(undefined, { reason: REASON, patient: 'p1' }).expect(401);
  });
});
