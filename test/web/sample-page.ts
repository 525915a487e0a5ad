import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { packageRoot } from '../../src/core/package-root.js';
import { createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { runImport } from '../../src/tasks/import.js';
import { startExportWorker } from '../../src/worker/exports.js';
import { TENANT } from '../http/served.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { launch, type Visit, visit } from './browser.js';

/** The page on the sample's data, its notes read, exports at work. */
export interface SamplePage extends Visit {
  /** The API as the page asks it. */
  fhir(path: string, body?: object): Promise<Record<string, never>>;
}

async function loadSample(rooms: Rooms, system: TestSystem): Promise<void> {
  const tenant = await system.tenant(TENANT);
  const paths = [join(packageRoot(), 'examples', 'sample')];
  const params = { paths, folder: process.cwd(), defaults: {}, columns: {} };
  const job = await rooms.jobs.create(tenant, 'import', params);
  const claimed = await rooms.jobs.claim(tenant, job.id);
  await runImport({ jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock }, tenant, claimed, {
    base: rooms.baseOf(tenant),
  });
  await drainAnnotations(await rooms.annotation(), tenant);
}

export async function openSamplePage(): Promise<SamplePage> {
  const system = await testSystem({ tenants: [TENANT] });
  const { clock, tenants } = system;
  const baseUrl = 'http://127.0.0.1:8080';
  const rooms = wireRooms({ clock, tenants, baseUrl, dataDir: system.dir });
  await loadSample(rooms, system);
  const exporter = startExportWorker({ tenants, exports: rooms.exports! });
  const app = createApp(rooms, { baseUrl, version: '0.0.0', dev: true });
  const browser: Browser = await launch();
  const opened = await visit(browser, app, { tenant: TENANT, token: '' });
  return {
    ...opened,
    async fhir(path, body) {
      const init = { method: 'POST', headers: { 'content-type': 'application/fhir+json' } };
      const answer = await fetch(
        `${opened.base}/fhir/${TENANT}/${path}`,
        body && { ...init, body: JSON.stringify(body) },
      );
      return (await answer.json()) as Record<string, never>;
    },
    async close() {
      await opened.close();
      await browser.close();
      await exporter.stop();
      await rooms.closeRooms();
      await system.close();
    },
  };
}
