import { randomBytes } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { createApp } from '../../src/http/app.js';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { runImport } from '../../src/tasks/import.js';
import { createAuthorization } from '../../src/tenancy/clients-authorization.js';
import { issueAdminToken } from '../../src/tenancy/tokens.js';
import { type Served, serve, TENANT } from '../http/served.js';
import { launch, type Visit, visit } from './browser.js';

/** The page of one system, served in two ways. */
export interface Pages {
  readonly served: Served;
  /** As the demo serves it: no token is asked for. */
  readonly open: Visit;
  /** As a hospital serves it. */
  readonly closed: Visit;
  /** Of the tenant, for Practitioner/okonkwo. */
  readonly token: string;
  readonly adminToken: string;
  /** Registers an app of the tenant. */
  register(app: { id: string; name: string; redirectUris: string[]; scopes: string }): Promise<void>;
  /** @returns the job's id */
  importFrom(paths: string[]): Promise<string>;
  close(): Promise<void>;
}

/** Longer than this nobody waits for a place, on a busy machine either. */
const PATIENCE_MS = 15_000;

export async function openPages(): Promise<Pages> {
  const served = await serve();
  const { rooms, system, tenant } = served;
  const secret = randomBytes(32);
  const { clock } = system;
  const authorization = createAuthorization({ control: system.tenants.control, clock, secret });
  const options = {
    baseUrl: 'http://127.0.0.1:8080',
    version: '0',
    authorization,
    verify: authorization.verify,
    admin: { tenants: system.tenants, jobs: rooms.jobs, clients: authorization.clients },
  };
  const { id, name } = tenant.record;
  const browser: Browser = await launch();
  const session = { tenant: TENANT, token: '' };
  const open = await visit(browser, createApp(rooms, { ...options, dev: true }), session);
  const closed = await visit(browser, createApp(rooms, { ...options, dev: false }), session);
  for (const { page } of [open, closed]) page.setDefaultTimeout(PATIENCE_MS);
  open.takeProblems();
  closed.takeProblems();
  return {
    served,
    open,
    closed,
    token: authorization.issue({
      tenant: { id, name },
      scope: 'system/*.cruds user/*.cruds',
      subject: 'Practitioner/okonkwo',
    }),
    adminToken: issueAdminToken(secret, clock, {
      scope: 'admin.read admin.write',
      subject: 'ops',
      lifeS: 3600,
    }),
    register: async (app) => {
      await authorization.clients.register(tenant.record, { kind: 'app', ...app });
    },
    async importFrom(paths) {
      const params = { paths, folder: process.cwd(), defaults: {}, columns: {} };
      const job = await rooms.jobs.create(tenant, 'import', params);
      const claimed = await rooms.jobs.claim(tenant, job.id);
      await runImport({ jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock }, tenant, claimed, {
        base: rooms.baseOf(tenant),
        annotate: async () => {
          await drainAnnotations(await rooms.annotation(), tenant);
          return { created: 0, updated: 0, deleted: 0, unchanged: 0, byType: {} };
        },
      });
      return job.id;
    },
    async close() {
      await open.close();
      await closed.close();
      await browser.close();
      await served.close();
    },
  };
}
