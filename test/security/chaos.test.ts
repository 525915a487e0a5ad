import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { openSystem, type Serving, type System } from '../../src/system.js';
import { asAdmin } from '../../src/tenancy/database.js';
import type { EmbeddedServer } from '../../src/tenancy/postgres/embedded.js';
import type { Worker } from '../../src/worker/worker.js';
import { testServer } from '../support/system.js';
import { chaos } from './chaos.js';

/** `npm run test:security -- --chaos` does the same with fifty tenants for minutes. */
let system: System;
let serving: Serving;
let worker: Worker;
let server: EmbeddedServer;
let database: string;
const LOG: string[] = [];

beforeAll(async () => {
  server = await testServer();
  const { host, port, user, password } = server.address;
  database = `control_${randomBytes(6).toString('hex')}`;
  await asAdmin(server.address, (admin) => admin.query(`create database ${database} template template0`));
  const config = readConfig(
    { dataDir: join(inject('testDir'), database), port: 0 },
    {
      DATABASE_URL: `postgres://${user}:${encodeURIComponent(password ?? '')}@${host}:${port}/${database}`,
      CENOTE_TENANT_RATE: '100000',
    },
  );
  system = await openSystem(config);
  worker = await system.work();
  serving = await system.serve({
    version: '0.0.0',
    dev: false,
    log: (line) => LOG.push(JSON.stringify(line)),
    wake: (tenant) => worker.wake(tenant),
  });
});
afterAll(async () => {
  await serving?.stop();
  await worker?.stop();
  await system?.tenants.removeAll();
  await system?.close();
  await asAdmin(server.address, (admin) => admin.query(`drop database ${database} (force)`));
  await server?.release();
});

it('the walls between tenants stand while everything around them breaks', async () => {
  const report = await chaos(
    { system, port: serving.port, server: server.address },
    { tenants: 5, seconds: 5, seed: 11, atOnce: 8 },
  );
  expect(report.wrong).toEqual([]);
  const done = Object.values(report.requests).reduce((sum, { done }) => sum + done, 0);
  expect(done).toBeGreaterThan(40);
  expect(Object.values(report.faults).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(5);
  expect(LOG.filter((line) => line.includes('zqx'))).toEqual([]);
}, 120_000);
