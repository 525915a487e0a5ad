import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Folder of what `terminology load` makes, below a data folder. */
export function terminologyFolder(dataDir: string): string {
  return join(dataDir, 'terminology');
}

/** The site's own lexicon in a data folder, undefined where none was loaded. */
export function siteLexicon(dataDir: string): string | undefined {
  const file = join(terminologyFolder(dataDir), 'lexicon.bin');
  return existsSync(file) ? file : undefined;
}
