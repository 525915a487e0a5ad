import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { removeEmbedded, stopEmbedded } from '../../src/tenancy/postgres/embedded.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder of this run; the database server of `testSystem` lives in it once a test asks for one. */
    testDir: string;
  }
}

const PREFIX = 'cenote-test-';
const OWNER = 'owner.pid';

/** Gives the run a folder, and takes down the server that some test may have started in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await clearUpAfterKilledRuns();
  const dir = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(dir, OWNER), String(process.pid));
  mkdirSync(join(dir, 'server'), { mode: 0o711 });
  project.provide('testDir', dir);
  return () => clearUp(dir);
}

async function clearUp(dir: string): Promise<void> {
  const server = join(dir, 'server');
  await stopEmbedded(server, 'immediate');
  await removeEmbedded(server);
  rmSync(dir, { recursive: true, force: true });
}

/** A run that was killed could not stop its server. */
async function clearUpAfterKilledRuns(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const dir = join(tmpdir(), name);
    if (!name.startsWith(PREFIX) || !existsSync(join(dir, OWNER))) continue;
    const owner = Number(readFileSync(join(dir, OWNER), 'utf8'));
    if (!lives(owner)) await clearUp(dir).catch(() => {});
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
