import { randomBytes } from 'node:crypto';
import supertest from 'supertest';
import { type App, type AppOptions, createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { type Authorization, createAuthorization } from '../../src/tenancy/clients-authorization.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** The API on a real database, reached through HTTP alone. */
export interface Served {
  readonly app: App;
  readonly rooms: Rooms;
  readonly system: TestSystem;
  readonly base: string;
  readonly tenant: Tenant;
  readonly authorization: Authorization;
  /** Origins of key sets, to which a test may add its own. */
  readonly trusted: Set<string>;
  /** A request to the FHIR base of the tenant, as development mode serves it. */
  http(): ReturnType<typeof supertest>;
  token(tenant: string, scope: string, subject?: string, patient?: string): Promise<string>;
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
  const trusted = new Set<string>();
  const authorization = createAuthorization({
    control: system.tenants.control,
    clock: system.clock,
    secret: randomBytes(32),
    trustedOrigins: trusted,
  });
  const app = createApp(rooms, {
    baseUrl,
    version: '0.0.0',
    dev: true,
    authorization,
    verify: authorization.verify,
    ...options,
  });
  return {
    app,
    rooms,
    system,
    base: `${baseUrl}${BASE}`,
    tenant: await system.tenant(TENANT),
    authorization,
    trusted,
    http: () => supertest(app.express),
    async token(name, scope, subject, patient) {
      const { id } = (await system.tenant(name)).record;
      return authorization.issue({ tenant: { id, name }, scope, subject, patient });
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
