import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { openSystem, type Serving, type System } from '../../src/system.js';
import { asAdmin } from '../../src/tenancy/database.js';
import type { Worker } from '../../src/worker/worker.js';
import { testServer } from '../support/system.js';
import { type Lab, openLab, startKeyServer } from './catalogue/lab.js';
import { ROWS } from './catalogue/rows.js';
import { Trial } from './catalogue/trial.js';

/** The quick rows of the attack catalogue; `npm run test:security` tries them all, and measures. */
let system: System;
let serving: Serving;
let worker: Worker;
let lab: Lab;
let drop: () => Promise<void>;

beforeAll(async () => {
  const server = await testServer();
  const database = `control_${randomBytes(6).toString('hex')}`;
  await asAdmin(server.address, (admin) => admin.query(`create database ${database} template template0`));
  const { host, port, user, password } = server.address;
  const dataDir = join(inject('testDir'), database);
  mkdirSync(dataDir);
  const keyServer = await startKeyServer();
  const config = readConfig(
    { dataDir, port: 0 },
    {
      DATABASE_URL: `postgres://${user}:${encodeURIComponent(password ?? '')}@${host}:${port}/${database}`,
      CENOTE_JWKS_ORIGINS: keyServer.origin,
      CENOTE_TENANT_RATE: '100000',
    },
  );
  system = await openSystem(config);
  drop = async () => {
    await asAdmin(server.address, (admin) => admin.query(`drop database ${database} (force)`));
    await server.release();
  };
  worker = await system.work();
  serving = await system.serve({ version: '0.0.0', dev: false, wake: (tenant) => worker.wake(tenant) });
  lab = await openLab(system, serving.port, keyServer, server.address, true);
});
afterAll(async () => {
  await lab?.close();
  await serving?.stop();
  await worker?.stop();
  await system?.tenants.removeAll();
  await system?.close();
  await drop?.();
});

it.each(ROWS.filter((row) => !row.slow).map((row) => [row.id, row.title, row] as const))(
  '%s %s',
  async (_id, _title, row) => {
    const trial = new Trial();
    await row.attack(lab, trial);
    expect(trial.inputs.filter((input) => input.wrong !== undefined)).toEqual([]);
    expect(trial.inputs.length).toBeGreaterThan(2);
  },
  120_000,
);
