import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { RunAs } from './run-as.js';

/**
 * Whether `user` may enter `folder` and every folder above it. `undefined` is ourselves, who got here already.
 * Looks at the mode bits only: an access list can make this say no too often, which costs a copy, or yes too
 * often, which the server then reports.
 */
export function canReach(folder: string, user: RunAs | undefined): boolean {
  if (!user) return true;
  let dir: string;
  try {
    dir = realpathSync(folder);
  } catch {
    return false;
  }
  for (;;) {
    if (!mayExecute(dir, user)) return false;
    const up = dirname(dir);
    if (up === dir) return true;
    dir = up;
  }
}

/** Whether `user` may execute the file or enter the folder at `path`. */
export function mayExecute(path: string, user: RunAs): boolean {
  const s = statSync(path);
  if (s.uid === user.uid) return (s.mode & 0o100) !== 0;
  if (s.gid === user.gid) return (s.mode & 0o010) !== 0;
  return (s.mode & 0o001) !== 0;
}
