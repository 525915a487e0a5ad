// Runs the notebooks and the Node example unattended, on people made up for them, and holds what they find to what
// was put into the data: `npm run test:notebooks`, after a build. Where Python 3.11 or its packages cannot be had it
// says so and runs the Node example alone; a notebook that fails is a failure. `-- --folder FOLDER` takes what
// `examples/diabetes/prepare.mjs FOLDER` wrote already; `--spark PYTHON` runs the Spark example too, by a Python that
// has pyspark.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { removeEmbedded } from '../../dist/src/tenancy/postgres/embedded.js';
import { prepare } from '../../examples/diabetes/prepare.mjs';
import { diabetes } from '../../examples/node/diabetes.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const notebooks = join(root, 'examples', 'notebooks');
const { folder, spark } = parseArgs({
  options: { folder: { type: 'string' }, spark: { type: 'string' } },
}).values;
const data = folder ? resolve(folder) : join(root, '.cache', 'notebooks', 'diabetes');
const figures = join(root, '.cache', 'notebooks', 'figures');
/** The packages come from the registry; a slow one is no reason to wait for long. */
const INSTALL_LIMIT_MS = 300_000;

/** What each notebook must find. The data is made by a fixed seed; bounds leave room for nothing but rounding. */
const EXPECTED = {
  '1-diabetes': (r, made) => {
    assert.equal(r.people, made.people, 'the cohort is those with a recorded diagnosis');
    assert.equal(r.a1c, made.a1c, 'every A1c of theirs is in the export');
    assert.equal(r.impossible, made.impossible, 'A1c values typed ten times too high');
    assert.equal(r.declined, made.declined);
    assert.equal(r.taken_from_declined, 0, 'a drug that was declined became a fact');
    assert.equal(r.in_notes_alone, made.inNotesAlone, 'starts that only a note tells of');
    assert(r.start_median > r.two_year_median + 0.5, 'treatment lowers the A1c');
    assert(r.compared > 80);
    for (const [group, change] of Object.entries(r.adjusted))
      assert(change < -0.2, `${group} helps: ${change}`);
    assert(
      r.adjusted.insulin < r.adjusted.sulfonylurea &&
        r.adjusted['GLP-1 agonist'] < r.adjusted['SGLT2 inhibitor'],
    );
    assert(r.worsened > 0.05 && r.worsened < 0.6);
  },
  '2-known-then': (r, made) => {
    assert(r.rows > 100 && r.leaks > 3, 'there is something to leak');
    assert.equal(r.known_after_the_choice, 0, 'a value that was not known yet');
    assert.equal(r.others_differ, 0, 'where nothing was late both ways agree');
    assert.equal(r.leaks_that_agree, 0);
    assert.equal(r.corrected, made.corrected);
    assert.equal(r.versions, 2 * made.corrected);
    assert(r.then_is_first && r.now_is_last);
    assert.equal(r.changed, made.corrected);
  },
  '3-quality': (r, made) => {
    assert.equal(r.rows, r.manifest);
    assert(r.outliers >= r.impossible && r.impossible === made.impossible);
    assert.deepEqual(r.a1c_units, ['%', 'mmol/mol']);
    assert(r.week_late > 0.005 && r.week_late < 0.1);
    assert.equal(r.ids_left + r.told, 0, 'something that says who is in the de-identified files');
    assert(r.same_course && r.names_in === made.people);
  },
};

/** The truth, counted in the made-up files themselves. */
function truth(input) {
  const read = (...names) =>
    readFileSync(join(input, ...names), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  const has = (code) => (r) => (r.code ?? r.medicationCodeableConcept).coding[0].code === code;
  const diabetic = new Set(
    read('records', 'Condition.ndjson')
      .filter(has('44054006'))
      .map((c) => c.subject.reference),
  );
  const a1c = read('records', 'Observation.ndjson').filter(
    (o) => (has('4548-4')(o) || has('59261-8')(o)) && diabetic.has(o.subject.reference),
  );
  const corrections = read('corrections', 'Observation.ndjson');
  const corrected = new Map(corrections.map((o) => [o.id, o]));
  const final = a1c.map((o) => corrected.get(o.id) ?? o).map((o) => o.valueQuantity);
  const notes = read('records', 'notes.jsonl');
  // Drug groups are begun once a person, so that each note of a start has a prescription of its own or none.
  const prescribed = new Set(
    read('records', 'MedicationRequest.ndjson').map(
      (m) => `${m.subject.reference.slice(8)} ${m.authoredOn.slice(0, 10)}`,
    ),
  );
  return {
    people: diabetic.size,
    a1c: a1c.length,
    impossible: final.filter(({ code, value }) => code === '%' && value > 20).length,
    corrected: corrections.length,
    declined: notes.filter(({ text }) => text.includes('declines')).length,
    inNotesAlone: notes.filter(
      ({ patient, date, text }) => /\bstarted\b/.test(text) && !prescribed.has(`${patient} ${date}`),
    ).length,
  };
}

/** A Python with the pinned packages in `.cache`, or why there is none. */
function python() {
  const pins = readFileSync(join(notebooks, 'requirements.txt'));
  const venv = join(root, '.cache', 'notebooks', 'python');
  const stamp = join(venv, 'installed');
  const program = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const sum = createHash('sha256').update(pins).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sum) return { program };
  const system = ['python3', 'python'].find(
    (name) =>
      spawnSync(name, ['-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))']).status ===
      0,
  );
  if (!system) return { missing: 'Python 3.11 or later with venv and pip is not here' };
  rmSync(venv, { recursive: true, force: true });
  const run = (command, args) =>
    spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], timeout: INSTALL_LIMIT_MS })
      .status === 0;
  if (!run(system, ['-m', 'venv', venv])) return { missing: 'a virtual environment cannot be made' };
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries', '1'];
  if (!run(program, [...install, '--only-binary', ':all:', '-r', join(notebooks, 'requirements.txt')]))
    return {
      missing: 'the packages of examples/notebooks/requirements.txt cannot be had here within five minutes',
    };
  writeFileSync(stamp, sum);
  return { program };
}

async function clean() {
  if (existsSync(join(data, 'cenote'))) await removeEmbedded(join(data, 'cenote'));
  rmSync(data, { recursive: true, force: true });
}

// A database of its own, gone afterwards, whatever this machine has set.
delete process.env.DATABASE_URL;
const began = Date.now();
const { program, missing } = python();
if (!folder) await clean();
try {
  if (!folder) prepare(data, 240);
  const made = truth(join(data, 'input'));
  console.log(JSON.stringify({ made }));
  const story = await diabetes(data);
  assert.equal(story.people, made.people);
  assert.equal(story.impossible, made.impossible);
  assert.equal(story.inNotesAlone, made.inNotesAlone);
  console.log(JSON.stringify({ 'examples/node/diabetes.mjs': story }));
  if (spark) {
    const example = join(root, 'examples', 'spark', 'diabetes.py');
    const { status, stdout } = spawnSync(spark, [example, data], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PYSPARK_SUBMIT_ARGS: '--conf spark.sql.shuffle.partitions=2 pyspark-shell', ...process.env },
    });
    assert.equal(status, 0, 'the Spark example failed');
    assert.deepEqual(JSON.parse(stdout), story, 'Spark and DuckDB tell the same story');
    console.log('examples/spark/diabetes.py tells the same');
  }
  if (missing) console.log(`The notebooks were not run: ${missing}.`);
  else {
    mkdirSync(figures, { recursive: true });
    const files = readdirSync(notebooks)
      .filter((name) => name.endsWith('.ipynb'))
      .sort();
    assert.deepEqual(
      files,
      Object.keys(EXPECTED).map((name) => `${name}.ipynb`),
    );
    const { status, stdout } = spawnSync(
      program,
      [join(root, 'test', 'notebooks', 'execute.py'), figures, ...files.map((f) => join(notebooks, f))],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
        env: {
          ...process.env,
          CENOTE_DIABETES: data,
          MPLBACKEND: 'module://matplotlib_inline.backend_inline',
        },
      },
    );
    process.stdout.write(stdout);
    assert.equal(status, 0, 'a notebook failed');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(lines.length, files.length);
    for (const { name, result } of lines) EXPECTED[name](result, made);
    // Both ways tell the same story.
    const { plain } = lines[0].result;
    for (const { group, change } of story.second) assert(Math.abs(plain[group] - change) < 0.006, group);
  }
} finally {
  if (!folder) await clean();
}
console.log(`done in ${Math.round((Date.now() - began) / 1000)} s`);
