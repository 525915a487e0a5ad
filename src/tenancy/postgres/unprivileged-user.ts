import { existsSync, readFileSync } from 'node:fs';
import { Fault } from '../../core/fault.js';
import { type RunAs, run } from './run-as.js';

/** PostgreSQL refuses to run as root. These names are looked for, in this order, before one is made. */
const OUR_USER = 'cenote-postgres';
const EXISTING_USERS = [OUR_USER, 'postgres'];
const LAST_RESORT = 'nobody';
const TIMEOUT_MS = 20_000;

/** The three dialects of making a system user: shadow-utils, Debian's adduser, BusyBox's adduser. */
const MAKERS: readonly (readonly [program: string, args: readonly string[]])[] = [
  ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', OUR_USER]],
  ['adduser', ['--system', '--group', '--no-create-home', OUR_USER]],
  ['adduser', ['-S', '-D', '-H', OUR_USER]],
];

/**
 * Whom to run the server as: undefined when we are not root (as ourselves), else an unprivileged user, made
 * where none is. `nobody` only where no user can be made (read-only /etc): initdb needs a user that has an
 * entry in the user table, so a bare number does not do.
 * @throws Fault `unavailable` where there is no such user at all.
 */
export async function unprivilegedUser(passwdFile = '/etc/passwd'): Promise<RunAs | undefined> {
  if (typeof process.getuid !== 'function' || process.getuid() !== 0) return undefined;
  for (const name of EXISTING_USERS) {
    const found = lookUp(name, passwdFile);
    if (found) return found;
  }
  for (const [program, args] of MAKERS) {
    const path = SBIN.map((dir) => `${dir}/${program}`).find((file) => existsSync(file));
    if (!path) continue;
    await run(path, args, { cwd: '/', timeoutMs: TIMEOUT_MS });
    const made = lookUp(OUR_USER, passwdFile);
    if (made) return made;
  }
  const nobody = lookUp(LAST_RESORT, passwdFile);
  if (nobody) return nobody;
  throw new Fault('unavailable', 'PostgreSQL does not run as root and no unprivileged user could be made.', {
    remedy: 'Run Cenote as an ordinary user, or set DATABASE_URL to a PostgreSQL that runs elsewhere.',
  });
}

const SBIN = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** An entry of the user table (`name:x:uid:gid:…`), if it is not root under another name. */
function lookUp(name: string, passwdFile: string): RunAs | undefined {
  let text: string;
  try {
    text = readFileSync(passwdFile, 'utf8');
  } catch {
    return undefined;
  }
  for (const line of text.split('\n')) {
    const [entry, , uid, gid] = line.split(':');
    if (entry === name && Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}
