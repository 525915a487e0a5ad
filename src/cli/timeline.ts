import { type Command, InvalidArgumentError, Option } from 'commander';
import { Fault } from '../core/fault.js';
import { stringifyJson } from '../core/json.js';
import type { System } from '../system.js';
import type { Tenant } from '../tenancy/tenant.js';
import { timelineBundle } from '../timeline/bundle.js';
import { timelineHtml } from '../timeline/html.js';
import { timelineTable } from '../timeline/table.js';
import type { TimelinePage } from '../timeline/timeline.js';
import { print, recordRead, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';

interface TimelineOptions extends SharedOptions {
  tenant: string;
  format: 'table' | 'json' | 'html';
  type?: string;
  start?: string;
  end?: string;
  text?: string;
  derived: string;
  asOf?: string;
  newest?: true;
  count: number;
}

/** Events fetched at a time; the list is written as it comes. */
const PAGE_EVENTS = 500;

export function register(program: Command): void {
  withTenant(withDataDir(program.command('timeline')))
    .description('show a patient\u2019s events in the order they happened')
    .argument('<patient>', 'the patient\u2019s id, or an identifier as system|value')
    .addOption(
      new Option('--format <format>', 'how to write it').choices(['table', 'json', 'html']).default('table'),
    )
    .option('--type <types>', 'only these resource types, separated by commas')
    .option('--start <date>', 'only events that began on or after this date')
    .option('--end <date>', 'only events that began on or before this date')
    .option('--text <words>', 'only events with these words')
    .addOption(
      new Option('--derived <which>', 'facts derived from notes')
        .choices(['include', 'exclude', 'only'])
        .default('include'),
    )
    .option('--as-of <instant>', 'what was known at that moment')
    .option('--newest', 'newest first')
    .option('--count <number>', 'at most so many events', countOption, 1_000)
    .addHelpText(
      'after',
      '\nAn event without a date comes last and says so. A fact that several notes tell is shown once, with all its sources.',
    )
    .action((patient: string, options: TimelineOptions) =>
      withSystem(options, async (system) => {
        const tenant = await system.tenants.open(options.tenant);
        const id = await patientId(system, tenant, patient);
        const page = await collect(system, tenant, id, options);
        await recordRead(system, tenant, 'timeline', { patients: [id], count: page.events.length });
        if (options.format === 'json')
          print(stringifyJson(timelineBundle(page, system.baseOf(tenant), id), 2));
        else if (options.format === 'html') print(timelineHtml(page.events));
        else print(timelineTable(page.events, process.stdout.columns ?? 120));
      }),
    );
}

function countOption(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1 || n > 100_000)
    throw new InvalidArgumentError('Give a number from 1 to 100000.');
  return n;
}

/** Pages put together, up to the number asked for. */
async function collect(
  system: System,
  tenant: Tenant,
  patient: string,
  options: TimelineOptions,
): Promise<TimelinePage> {
  const { timeline } = system.timeline;
  const asked: [string, string | undefined][] = [
    ['_type', options.type],
    ['start', options.start],
    ['end', options.end],
    ['_text', options.text],
    ['derived', options.derived],
    ['asOf', options.asOf],
    ['_sort', options.newest ? '-date' : undefined],
    ['_count', String(Math.min(options.count, PAGE_EVENTS))],
  ];
  const first = asked.filter((p): p is [string, string] => p[1] !== undefined);
  let page = await timeline(tenant, { patient, params: first, strict: true, base: system.baseOf(tenant) });
  const events = [...page.events];
  while (page.next !== undefined && events.length < options.count) {
    const params = [...new URLSearchParams(page.next)];
    page = await timeline(tenant, { patient, params, strict: true, base: system.baseOf(tenant) });
    events.push(...page.events);
  }
  return { ...page, events: events.slice(0, options.count) };
}

/** An id, or `system|value` of an identifier that one patient has. */
async function patientId(system: System, tenant: Tenant, text: string): Promise<string> {
  if (!text.includes('|')) return text;
  const query = `identifier=${encodeURIComponent(text)}`;
  const found = await system.search.findMatches(tenant, 'Patient', query, 2, system.baseOf(tenant));
  if (found.length === 1) return found[0]!.id;
  throw found.length === 0
    ? new Fault('not-found', 'No patient has this identifier.', {
        remedy: 'Write it as system|value, or give the patient\u2019s id.',
      })
    : new Fault('precondition', 'Several patients have this identifier.', {
        remedy: 'Give the patient\u2019s id.',
      });
}
