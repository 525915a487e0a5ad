import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { Fault } from '../core/fault.js';
import { terminologyFolder } from '../tasks/site-lexicon.js';
import { configOf, print, type SharedOptions, withDataDir } from './shell.js';

/** What `terminology show` prints of a loaded lexicon; kept beside it. */
interface Summary {
  readonly systems: readonly {
    readonly system: string;
    readonly read: number;
    readonly files: readonly string[];
  }[];
  readonly concepts: number;
  readonly phrases: number;
}

const FOLDER_DEPTH_MAX = 8;

export function register(program: Command): void {
  const terminology = program
    .command('terminology')
    .description('load official code system releases for the reading of notes');
  withDataDir(terminology.command('load'))
    .description('read official release files (unpacked or .gz) into this data folder\u2019s lexicon')
    .argument('<paths...>', 'files, or folders that hold them')
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      [
        '',
        'Files are known by their names:',
        '  RxNorm      RXNCONSO.RRF, RXNREL.RRF',
        '  ICD-10-CM   icd10cm_order_*.txt, icd10cm_index_*.xml',
        '  SNOMED CT   sct2_Concept_Snapshot_*.txt, sct2_Description_Snapshot-en_*.txt (RF2)',
        '  LOINC       Loinc.csv',
        '',
        'The lexicon is the shipped one with these on top; loading again replaces what was loaded. Servers and',
        'workers take it at their next start, and documents annotated later carry the new pipeline version.',
      ].join('\n'),
    )
    .action((paths: string[], options: SharedOptions & { json?: boolean }) => load(paths, options));
  withDataDir(terminology.command('show'))
    .description('what is loaded')
    .option('--json', 'print the summary as JSON')
    .action(async (options: SharedOptions & { json?: boolean }) => {
      const file = summaryFile(configOf(options).dataDir);
      if (!existsSync(file)) {
        print(options.json ? '{}' : 'Nothing is loaded: the shipped lexicon is in use.');
        return;
      }
      report(JSON.parse(await readFile(file, 'utf8')) as Summary, options.json);
    });
  withDataDir(terminology.command('remove'))
    .description('go back to the shipped lexicon')
    .action(async (options: SharedOptions) => {
      await rm(terminologyFolder(configOf(options).dataDir), { recursive: true, force: true });
      print('The shipped lexicon is in use from the next start on.');
    });
}

async function load(paths: readonly string[], options: SharedOptions & { json?: boolean }): Promise<void> {
  const { releaseFileOf } = await import('../../nlp/terminology/releases.js');
  const { buildSiteLexicon } = await import('../../nlp/terminology/load.js');
  const files: string[] = [];
  for (const path of paths) await collect(path, 0, (name) => releaseFileOf(name) !== undefined, files);
  if (files.length === 0)
    throw new Fault('invalid', 'No official release file was found.', {
      remedy: 'See the names in: cenote terminology load --help. Unpack .zip files first.',
    });
  const lexicon = await buildSiteLexicon(files.sort(), (path) =>
    process.stderr.write(`reading ${basename(path)}\n`),
  );
  if (lexicon.systems.length === 0)
    throw new Fault('invalid', 'The files found do not make up a code system.', {
      remedy: 'SNOMED CT needs concepts and descriptions, RxNorm RXNCONSO.RRF, ICD-10-CM its order file.',
    });
  const folder = terminologyFolder(configOf(options).dataDir);
  await mkdir(folder, { recursive: true });
  const summary: Summary = {
    systems: lexicon.systems.map(({ system, read, files: used }) => ({
      system,
      read,
      files: used.map((path) => basename(path)),
    })),
    concepts: lexicon.concepts,
    phrases: lexicon.phrases,
  };
  // Written beside and renamed, so that a server never reads half a lexicon.
  const target = join(folder, 'lexicon.bin');
  await writeFile(`${target}.new`, lexicon.file);
  await rename(`${target}.new`, target);
  await writeFile(summaryFile(configOf(options).dataDir), `${JSON.stringify(summary)}\n`);
  report(summary, options.json);
}

/** Release files at a path and below it. @throws Fault `not-found`. */
async function collect(
  path: string,
  depth: number,
  wanted: (name: string) => boolean,
  found: string[],
): Promise<void> {
  const info = await stat(path).catch(() => undefined);
  if (!info) throw new Fault('not-found', 'There is no such file or folder.', { at: path });
  if (info.isFile()) {
    if (wanted(basename(path))) found.push(path);
    return;
  }
  if (!info.isDirectory() || depth >= FOLDER_DEPTH_MAX) return;
  for (const name of (await readdir(path)).sort()) await collect(join(path, name), depth + 1, wanted, found);
}

function summaryFile(dataDir: string): string {
  return join(terminologyFolder(dataDir), 'loaded.json');
}

function report(summary: Summary, json: boolean | undefined): void {
  if (json) {
    print(JSON.stringify(summary));
    return;
  }
  for (const { system, read, files } of summary.systems)
    print(`${system}  ${read} concepts  ${files.join(', ')}`);
  print(`in the lexicon: ${summary.concepts} concepts, ${summary.phrases} phrases`);
}
