import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../core/fault.js';
import { removeEmbedded } from './postgres/embedded.js';
import { findPlace } from './postgres/place.js';

/** What we keep in a data folder. Whatever else lies there is somebody's and stays. */
const OURS = [
  'postgres',
  'postgres.json',
  'keys',
  'token.secret',
  'id-token-keys.json',
  'control-audit.key',
  'audit-anchors',
];

/**
 * Empties a data folder: the embedded database wherever it lies, keys, token secret. The folder itself goes when
 * nothing is left in it, so that a folder given by mistake (a home, a project) loses nothing that is not ours.
 * @throws Fault `conflict` while another process uses the database, or for a folder that is no data folder.
 */
export async function emptyDataDir(dataDir: string): Promise<void> {
  if (!existsSync(dataDir) || readdirSync(dataDir).length === 0) return;
  if (!findPlace(dataDir))
    throw new Fault('conflict', 'The folder to empty is no data folder of Cenote.', {
      remedy: 'Check --data-dir.',
    });
  await removeEmbedded(dataDir);
  for (const name of OURS) rmSync(join(dataDir, name), { recursive: true, force: true });
  if (readdirSync(dataDir).length === 0) rmdirSync(dataDir);
}
