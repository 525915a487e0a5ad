import { randomBytes } from 'node:crypto';
import supertest from 'supertest';
import { type App, type AppOptions, createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { issueToken, verifyToken } from '../../src/tenancy/tokens.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** The API on a real database, reached through HTTP alone. */
export interface Served {
  readonly app: App;
  readonly rooms: Rooms;
  readonly system: TestSystem;
  readonly base: string;
  readonly tenant: Tenant;
  /** A request to the FHIR base of the tenant, as development mode serves it. */
  http(): ReturnType<typeof supertest>;
  token(tenant: string, scope: string, subject?: string): Promise<string>;
  close(): Promise<void>;
}

export const TENANT = 'lake';
export const BASE = `/fhir/${TENANT}`;

export async function serve(
  options: Partial<AppOptions> = {},
  tenants: readonly string[] = [TENANT],
): Promise<Served> {
  const system: TestSystem = await testSystem({ tenants });
  const baseUrl = 'http://127.0.0.1:8080';
  const rooms = wireRooms({ clock: system.clock, tenants: system.tenants, baseUrl });
  const secret = randomBytes(32);
  const app = createApp(rooms, {
    baseUrl,
    version: '0.0.0',
    dev: true,
    verify: (token, tenant) => verifyToken(secret, system.clock, token, tenant),
    ...options,
  });
  return {
    app,
    rooms,
    system,
    base: `${baseUrl}${BASE}`,
    tenant: await system.tenant(TENANT),
    http: () => supertest(app.express),
    async token(name, scope, subject) {
      const { id } = (await system.tenant(name)).record;
      return issueToken(secret, system.clock, { tenant: { id, name }, scope, subject });
    },
    async close() {
      await rooms.closeRooms();
      await system.close();
    },
  };
}

export const patient = (over: Record<string, unknown> = {}) => ({
  resourceType: 'Patient',
  name: [{ family: 'Alder', given: ['Robin'] }],
  birthDate: '1970-02-03',
  ...over,
});
