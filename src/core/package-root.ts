import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let found: string | undefined;

/**
 * The folder that holds our package.json, whether this runs from `dist/` or straight from the sources.
 * Data files (migrations, rules, tables) are read relative to it, so that they exist once.
 */
export function packageRoot(): string {
  if (found) return found;
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error('package.json of cenote not found above the running code');
    dir = up;
  }
  found = dir;
  return dir;
}
