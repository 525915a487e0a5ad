import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fault } from '../../core/fault.js';
import { createSecretFile } from '../secret-file.js';
import { canReach } from './reach.js';
import type { RunAs } from './run-as.js';

/** Where a data folder's cluster lies and its administrator's password. Kept in `postgres.json`, mode 0600. */
export interface ClusterPlace {
  readonly format: 1;
  /** Folder of the cluster (`data`), its log and, where needed, a copy of the server programs. */
  readonly home: string;
  readonly password: string;
}

const POINTER = 'postgres.json';
/** Tried in order where the server's user cannot enter the data folder. The temporary folder is the last resort. */
const ELSEWHERE = ['/var/lib', '/var/tmp', tmpdir()];

/** Makes the data folder where it is not: others may pass through it, not list it. */
export function makeDataDir(dataDir: string): void {
  if (existsSync(dataDir)) return;
  mkdirSync(dataDir, { recursive: true });
  // Said explicitly because under umask 077 the server's user could not pass.
  chmodSync(dataDir, 0o711);
}

export function findPlace(dataDir: string): ClusterPlace | undefined {
  const file = join(dataDir, POINTER);
  if (!existsSync(file)) return undefined;
  let place: Partial<ClusterPlace>;
  try {
    place = JSON.parse(readFileSync(file, 'utf8')) as Partial<ClusterPlace>;
  } catch (cause) {
    throw new Fault('integrity', `${file} is not readable JSON.`, {
      remedy: 'Restore it from a backup.',
      cause,
    });
  }
  if (place.format !== 1 || typeof place.home !== 'string' || typeof place.password !== 'string')
    throw new Fault('integrity', `${file} is not of a form this version knows.`, {
      remedy: 'Use the version of Cenote that wrote it, or restore it from a backup.',
    });
  return place as ClusterPlace;
}

/**
 * Decides once where the cluster of `dataDir` lies: inside it where the server's user can get there, else in a
 * folder of its own elsewhere, which the pointer file names. Two processes at once end with the same answer.
 */
export function choosePlace(dataDir: string, user: RunAs | undefined): ClusterPlace {
  const found = findPlace(dataDir);
  if (found) {
    ensureHome(found.home, user);
    return found;
  }
  makeDataDir(dataDir);
  const home = canReach(dataDir, user) ? join(dataDir, 'postgres') : makeElsewhere(user);
  const place: ClusterPlace = { format: 1, home, password: randomBytes(24).toString('base64url') };
  const file = join(dataDir, POINTER);
  createSecretFile(file, JSON.stringify(place));
  const decided = findPlace(dataDir) as ClusterPlace;
  if (decided.home !== home && !home.startsWith(dataDir)) rmSync(home, { recursive: true, force: true });
  ensureHome(decided.home, user);
  return decided;
}

function makeElsewhere(user: RunAs | undefined): string {
  for (const parent of ELSEWHERE) {
    if (!existsSync(parent) || !canReach(parent, user)) continue;
    try {
      // A random name: in a folder that everyone writes to nobody may have prepared it.
      const home = mkdtempSync(join(parent, 'cenote-'));
      chmodSync(home, 0o711);
      return home;
    } catch {
      // Not writable: the next one.
    }
  }
  throw new Fault('unavailable', 'No folder was found that the user PostgreSQL runs as could enter.', {
    remedy: 'Choose a data folder with --data-dir that other users may pass through, or set DATABASE_URL.',
  });
}

/** The server's user owns the home, so that it can write its log; other users may not look in. */
function ensureHome(home: string, user: RunAs | undefined): void {
  if (!existsSync(home)) {
    mkdirSync(home, { recursive: true });
    chmodSync(home, 0o711);
  }
  if (user) chownSync(home, user.uid, user.gid);
}
