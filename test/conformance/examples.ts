/**
 * `npm run examples -- [PACKAGE_FOLDER_OR_TGZ]`: every resource of an R4 package is written through the store on an
 * embedded PostgreSQL, read back, and searched for by each search parameter that has a value in it. Without an argument
 * the official examples are fetched once into `.cache/`. Prints counts and every exception; ends with 1 where
 * anything failed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { textTable } from '../../src/cli/table.js';
import { readConfig } from '../../src/config.js';
import { parseJson } from '../../src/core/json.js';
import { packageRoot } from '../../src/core/package-root.js';
import type { Resource } from '../../src/core/resource.js';
import { openSystem } from '../../src/system.js';
import { noExamples, tryExample } from './example-check.js';

const PACKAGE = 'hl7.fhir.r4.examples';
const VERSION = '4.0.1';
const EXAMPLES_AT_ONCE = 2;

/** Examples that are no resources of their type, and why. */
const NO_EXAMPLES: readonly [file: RegExp, why: string][] = [
  [/^SearchParameter-example/, 'an example of the type, not the definition of a parameter'],
  [
    /^SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject/,
    'its id is longer than the 64 characters R4 allows',
  ],
];

/** The folder of JSON files in what was given. */
function folderOf(given: string | undefined, scratch: string): string {
  if (given === undefined) {
    const cache = join(packageRoot(), '.cache');
    const folder = join(cache, `${PACKAGE}-${VERSION}`);
    if (!existsSync(join(folder, 'package', 'package.json'))) {
      mkdirSync(folder, { recursive: true });
      const tarball = join(cache, `${PACKAGE}-${VERSION}.tgz`);
      if (!existsSync(tarball))
        execFileSync('npm', ['pack', `${PACKAGE}@${VERSION}`, '--silent'], { cwd: cache, stdio: 'inherit' });
      execFileSync('tar', ['xzf', tarball, '-C', folder], { stdio: 'inherit' });
    }
    return join(folder, 'package');
  }
  const path = resolve(given);
  if (statSync(path).isDirectory()) return existsSync(join(path, 'package')) ? join(path, 'package') : path;
  execFileSync('tar', ['xzf', path, '-C', scratch], { stdio: 'inherit' });
  return join(scratch, 'package');
}

const scratch = mkdtempSync(join(tmpdir(), 'cenote-examples-'));
try {
  const folder = folderOf(process.argv[2], scratch);
  const counts = noExamples();
  const byType = new Map<string, number>();
  const leftOut: string[] = [];
  const dataDir = join(scratch, 'data');
  const system = await openSystem(
    readConfig({ dataDir, port: 0 }, { ...process.env, CENOTE_DATA_DIR: dataDir }),
  );
  try {
    await system.tenants.create('examples');
    const tenant = await system.tenants.open('examples');
    const files = readdirSync(folder)
      .filter((file) => file.endsWith('.json') && !/^(package\.json|\.index\.json)$/.test(file))
      .sort();
    const worker = async () => {
      for (let file = files.shift(); file !== undefined; file = files.shift()) {
        const name = file;
        const known = NO_EXAMPLES.find(([pattern]) => pattern.test(name));
        if (known) {
          leftOut.push(`${name}: ${known[1]}`);
          continue;
        }
        const resource = parseJson(readFileSync(join(folder, name), 'utf8')) as Resource;
        if (typeof resource.resourceType !== 'string') continue;
        if (typeof resource.id !== 'string') {
          leftOut.push(`${name}: it has no id`);
          continue;
        }
        byType.set(resource.resourceType, (byType.get(resource.resourceType) ?? 0) + 1);
        await tryExample(system, tenant, name, resource, counts);
        if (files.length % 500 === 0) process.stderr.write(`${files.length} files to go\n`);
      }
    };
    await Promise.all(Array.from({ length: EXAMPLES_AT_ONCE }, worker));
  } finally {
    await system.close();
  }
  const written = [...byType.values()].reduce((sum, n) => sum + n, 0);
  console.log(`${written} resources of ${byType.size} types\n`);
  console.log(
    textTable(
      ['parameters of type', 'searches', 'found'],
      [...counts.byType].sort().map(([type, { tried, found }]) => [type, tried, found]),
    ),
  );
  if (counts.skipped.size > 0) {
    console.log('\nvalues that no search text stands for (parameter type: members of the value):');
    const rows = [...counts.skipped].sort((a, b) => b[1] - a[1]);
    console.log(
      textTable(
        ['what', 'values'],
        rows.map(([what, n]) => [what, n]),
      ),
    );
  }
  for (const line of leftOut) console.log(`left out  ${line}`);
  for (const line of counts.exceptions) console.log(`failed    ${line}`);
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed > 0 ? 1 : 0;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
