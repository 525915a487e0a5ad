// Puts people with diabetes into a lake and takes out what the notebooks, the Node and the Spark example start from:
// `node prepare.mjs FOLDER [--patients 240]`. Every command is printed as it is run; FOLDER must be empty or new.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { DRUGS, generate } from './generate.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, '..', '..', 'dist', 'src', 'cli', 'main.js');
const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const TENANT = 'diabetes';

/** Fills FOLDER; throws where a command fails, with what it said printed. */
export function prepare(folder, patients) {
  const out = resolve(folder);
  if (existsSync(out) && readdirSync(out).length > 0)
    throw new Error(`${folder} is not empty. Give a new folder.`);
  mkdirSync(out, { recursive: true });
  console.log(JSON.stringify(generate(join(out, 'input'), { patients })));
  const place = (...names) => relative(process.cwd(), join(out, ...names)) || '.';
  const cenote = (...args) => {
    const command = [...args, '--tenant', TENANT, '--data-dir', place('cenote')];
    if (args[0] === 'tenant') command.splice(args.length, 2);
    console.log(`\n$ cenote ${command.map((a) => (/[|?\s]/.test(a) ? `"${a}"` : a)).join(' ')}`);
    const { status } = spawnSync(process.execPath, [program, ...command], { stdio: 'inherit' });
    if (status !== 0) throw new Error(`cenote ${args[0]} ended with ${status}.`);
  };

  cenote('tenant', 'create', TENANT);
  cenote('import', place('input', 'records'), '--quiet');
  // The diagnosis as somebody recorded it; what notes say of it would add nobody here.
  const diabetic = 'Condition?code=http://snomed.info/sct|44054006';
  cenote('cohort', 'create', '--name', 't2dm', '--derived', 'exclude', '--search', diabetic);
  // A second delivery: laboratories correct a few results.
  cenote('import', place('input', 'corrections'), '--quiet');

  const cohort = ['--cohort', 't2dm'];
  const parquet = ['--format', 'parquet'];
  cenote('export', ...cohort, ...parquet, '--report', '--out', place('lake'), '--quiet');
  cenote('export', ...cohort, ...parquet, '--deidentify', '--out', place('deidentified'), '--quiet');
  cenote(
    'view',
    'run',
    'derived-medication',
    ...cohort,
    ...parquet,
    '--out',
    place('drugs-in-notes.parquet'),
  );
  // What was known of each patient's A1c when a second drug was prescribed.
  const second = Object.entries(DRUGS)
    .filter(([drug]) => drug !== 'metformin')
    .map(([, { code }]) => `${RXNORM}|${code}`);
  const a1c = ['--feature', `a1c=${relative(process.cwd(), join(here, 'views', 'a1c.json'))}`];
  const first = ['--index', `MedicationRequest?code=${second.join(',')}`];
  cenote('features', ...cohort, ...first, ...a1c, '--known', 'column', '--out', place('a1c-known-then.csv'));
  cenote('features', ...a1c, '--history', ...parquet, '--out', place('a1c-versions.parquet'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values, positionals } = parseArgs({
    options: { patients: { type: 'string', default: '240' } },
    allowPositionals: true,
  });
  try {
    prepare(positionals[0] ?? '.cache/diabetes', Number(values.patients));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
