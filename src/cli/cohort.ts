import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { CohortComparison, ComparedCohort } from '../cohort/compare.js';
import { Fault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import { print, recordRead, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';
import { textTable } from './table.js';

interface CreateOptions extends SharedOptions {
  tenant: string;
  name?: string;
  search?: string[];
  file?: string;
  derived?: string;
  mode?: string;
  asOf?: string;
  preview?: true;
  replace?: true;
}

interface CompareOptions extends SharedOptions {
  tenant: string;
  value?: string;
  outcome?: string[];
  json?: true;
}

interface ShowOptions extends SharedOptions {
  tenant: string;
  members?: true;
}

export function register(program: Command): void {
  const cohort = program.command('cohort').description('create, list, show and compare cohorts');
  registerCompare(cohort);
  withTenant(withDataDir(cohort.command('create')))
    .description('find the patients who meet criteria and keep them as a Group')
    .option('--name <name>', 'name of the cohort')
    .option(
      '--search <search...>',
      'a FHIR search, such as Condition?code=SYSTEM|CODE; patients must match all of them',
    )
    .option('--file <file>', 'criteria as JSON: and, or, not, search with count, after, before, within')
    .option('--as-of <date>', 'by what was known at that moment')
    .addOption(
      new Option('--derived <which>', 'facts derived from notes').choices(['include', 'exclude', 'only']),
    )
    .addOption(
      new Option('--mode <mode>', 'keep the patients found now, or find them anew each time').choices([
        'snapshot',
        'live',
      ]),
    )
    .option('--replace', 'replace the cohort of this name')
    .option('--preview', 'count the patients of each criterion and store nothing')
    .action((options: CreateOptions) =>
      withSystem(options, async (system) => {
        const tenant = await system.tenants.open(options.tenant);
        if (options.preview) {
          const { criteria } = await system.cohorts.preview(
            tenant,
            definitionFrom(options),
            system.baseOf(tenant),
          );
          await recordRead(system, tenant, 'cohort-preview', {
            query: JSON.stringify(definitionFrom(options)),
          });
          print(
            textTable(
              ['criterion', 'patients', 'search'],
              criteria.map(({ at, size, search }) => [at, size, search ?? '']),
            ),
          );
          return;
        }
        const { cohort: made } = await system.cohorts.create(tenant, definitionFrom(options), {
          actor: { id: 'cli', kind: 'user' },
          base: system.baseOf(tenant),
          replace: options.replace,
        });
        print(
          textTable(
            ['cohort', 'patients', 'mode', 'group'],
            [[made.name, made.size, made.mode, `Group/${made.id}`]],
          ),
        );
      }),
    );
  withTenant(withDataDir(cohort.command('list')))
    .description('list the cohorts of a tenant')
    .action((options: ShowOptions) =>
      withSystem(options, async (system) => {
        const tenant = await system.tenants.open(options.tenant);
        const cohorts = await system.cohorts.list(tenant, system.baseOf(tenant));
        await recordRead(system, tenant, 'cohort-list', {
          resources: cohorts.map(({ id }) => ['Group', id] as const),
          count: cohorts.length,
        });
        const rows = cohorts.map((c) => [
          c.name,
          c.size,
          c.mode,
          c.updated.slice(0, 19).replace('T', ' '),
          c.id,
        ]);
        print(
          rows.length === 0
            ? 'No cohorts.'
            : textTable(['cohort', 'patients', 'mode', 'made', 'group'], rows),
        );
      }),
    );
  withTenant(withDataDir(cohort.command('show')))
    .description('show a cohort and its criteria')
    .argument('<cohort>', 'its name or the id of its Group')
    .option('--members', 'list the ids of its patients')
    .action((name: string, options: ShowOptions) =>
      withSystem(options, async (system) => {
        const tenant = await system.tenants.open(options.tenant);
        const base = system.baseOf(tenant);
        const cohorts = system.cohorts;
        const found = await cohorts.find(tenant, name, base);
        await recordRead(system, tenant, 'cohort-show', { resources: [['Group', found.id]], count: 1 });
        if (options.members) {
          for await (const ids of cohorts.members(tenant, found.id, base)) print(ids.join('\n'));
          return;
        }
        const facts: [string, string | number | undefined][] = [
          ['name', found.name],
          ['description', found.description],
          ['patients', found.size],
          ['mode', found.mode],
          ['derived facts', found.derived],
          ['made', found.updated],
          ['group', `Group/${found.id}`],
        ];
        for (const [name, value] of facts) if (value !== undefined) print(`${name.padEnd(14)}${value}`);
        print(`criteria\n${JSON.stringify(found.definition.criteria, null, 2)}`);
      }),
    );
}

function registerCompare(cohort: Command): void {
  withTenant(withDataDir(cohort.command('compare <cohort...>')))
    .description('compare cohorts: sizes, overlap, ages, treatments, a value over time, outcomes')
    .option(
      '--value <system|code>',
      'follow the values of these Observations, such as http://loinc.org|4548-4',
    )
    .option('--outcome <search...>', 'a FHIR search: how many of each cohort have a match')
    .option('--json', 'as JSON')
    .action((names: string[], options: CompareOptions) =>
      withSystem(options, async (system) => {
        const { compareCohorts, parseComparison } = await import('../cohort/compare.js');
        const tenant = await system.tenants.open(options.tenant);
        const comparison = parseComparison({
          cohorts: names,
          ...(options.value === undefined ? {} : { value: options.value }),
          outcomes: (options.outcome ?? []).map((search) => ({ name: search, search })),
        });
        const { cohorts, store, clock } = system;
        const parts = { cohorts, store, now: clock.now() };
        const found = await compareCohorts(parts, tenant, comparison, system.baseOf(tenant));
        await recordRead(system, tenant, 'cohort-compare', { query: JSON.stringify(comparison) });
        if (options.json) print(JSON.stringify(found, null, 2));
        else print(comparisonText(found));
      }),
    );
}

function comparisonText({ cohorts, overlap, inAll, inAny }: CohortComparison): string {
  const names = cohorts.map(({ name }) => name);
  const sexes = [...new Set(cohorts.flatMap(({ sex }) => Object.keys(sex)))].sort();
  const row = (title: string, of: (one: ComparedCohort) => string | number | undefined) => [
    title,
    ...cohorts.map((one) => of(one) ?? ''),
  ];
  const treatments = new Map(
    cohorts.flatMap(({ treatments }) => treatments).map(({ code, display }) => [code, display ?? code]),
  );
  const quarters = [
    ...new Set(cohorts.flatMap(({ values }) => values?.overTime.map(({ quarter }) => quarter) ?? [])),
  ].sort();
  const tables = [
    textTable(
      ['', ...names],
      [
        row('patients', ({ size }) => size),
        row('median age', ({ age }) => age?.median.toFixed(0)),
        ...sexes.map((sex) => row(sex, (one) => one.sex[sex])),
        ...(cohorts[0]?.outcomes ?? []).map(({ name }, i) => row(name, (one) => one.outcomes[i]?.patients)),
      ],
    ),
    textTable(
      ['shared', 'patients', 'share'],
      overlap.map(({ of, patients, share }) => [of.join(' and '), patients, `${Math.round(share * 100)} %`]),
    ),
    `in all ${inAll}, in any ${inAny}`,
  ];
  if (treatments.size > 0)
    tables.push(
      textTable(
        ['treatment', ...names],
        [...treatments].map(([code, display]) =>
          row(display, ({ treatments: own }) => own.find((t) => t.code === code)?.patients),
        ),
      ),
    );
  if (quarters.length > 0)
    tables.push(
      textTable(
        ['median value', ...cohorts.map(({ name, values }) => `${name} ${values?.unit ?? ''}`)],
        quarters.map((quarter) =>
          row(quarter, ({ values }) => values?.overTime.find((v) => v.quarter === quarter)?.median),
        ),
      ),
    );
  return tables.join('\n\n');
}

/** Criteria from a file, from searches that must all hold, or both together. */
function definitionFrom(options: CreateOptions): Record<string, unknown> {
  const file = options.file === undefined ? {} : readDefinition(options.file);
  const searches = (options.search ?? []).map((search) => ({ search }));
  const criteria = [...(file.criteria === undefined ? [] : [file.criteria]), ...searches];
  if (criteria.length === 0)
    throw new Fault('invalid', 'A cohort needs criteria.', {
      remedy: 'Give --search "Condition?code=…" or --file criteria.json.',
    });
  return {
    ...file,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.derived === undefined ? {} : { derived: options.derived }),
    ...(options.mode === undefined ? {} : { mode: options.mode }),
    ...(options.asOf === undefined ? {} : { asOf: options.asOf }),
    criteria: criteria.length === 1 ? criteria[0] : { and: criteria },
  };
}

/** A whole definition, or criteria alone. */
function readDefinition(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Fault('invalid', 'The file of criteria cannot be read.', {
      at: '--file',
      remedy: 'Check its path.',
      cause,
    });
  }
  const value = parseJson(text) as Record<string, unknown>;
  return typeof value === 'object' && value !== null && 'criteria' in value ? value : { criteria: value };
}
