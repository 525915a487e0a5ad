import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { cenote } from './command-line.js';

/** `  name <args>   description` under "Commands:". */
function commandsIn(help: string): string[] {
  const list = help.slice(help.indexOf('Commands:'));
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)]
    .map((match) => match[1]!)
    .filter((name) => name !== 'help');
}

test('help lists the commands, their exit statuses and where settings come from', async () => {
  const { status, out } = await cenote(['--help']);
  expect(status).toBe(0);
  expect(commandsIn(out)).toEqual(expect.arrayContaining(['tenant', 'migrate', 'token', 'bench']));
  expect(out).toContain('Exit status');
  expect((await cenote([])).out).toBe(out);
});

test('every command and subcommand has a help with a description and a meaning for each option', async () => {
  const names = commandsIn((await cenote(['--help'])).out);
  const helps = await Promise.all(
    names.map(async (name) => {
      const { status, out, err } = await cenote([name, '--help']);
      expect({ name, status, err }).toEqual({ name, status: 0, err: '' });
      expect((await cenote(['help', name])).out).toBe(out);
      const subs = out.includes('\nCommands:') ? commandsIn(out) : [];
      return [
        { name, out },
        ...(await Promise.all(
          subs.map(async (sub) => ({
            name: `${name} ${sub}`,
            out: (await cenote([name, sub, '--help'])).out,
          })),
        )),
      ];
    }),
  );
  for (const { name, out } of helps.flat()) {
    expect(out, name).toMatch(new RegExp(`^Usage: cenote ${name}`));
    expect(out.split('\n\n')[1]?.length ?? 0, `${name} has a description`).toBeGreaterThan(10);
    const options = out
      .slice(out.indexOf('Options:'))
      .split(/\n(?= {2}-)/)
      .slice(1);
    for (const option of options)
      expect(option.trim(), `${name}: ${option}`).toMatch(/^-\S.*(?: {2,}|\n +)\S+ \S+/);
  }
});

test('the version is the package\u2019s', async () => {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  expect(await cenote(['--version'])).toEqual({ status: 0, out: `${version}\n`, err: '' });
});

test('a benchmark tells its options', async () => {
  const { status, out, err } = await cenote(['bench', 'search', '--help']);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out).toMatch(/^`cenote bench search \[--sizes/);
});

describe('a wrong command line ends with status 2 and one plain line', () => {
  const wrong = [
    ['nonsense'],
    ['--nonsense'],
    ['tenant', 'nonsense'],
    ['tenant', 'create'],
    ['tenant', 'create', 'a', 'b'],
    ['token'],
    ['tenant', 'list', '--nonsense'],
    ['bench', 'nonsense'],
    ['bench', '../main'],
    ['bench', 'search', '--nonsense'],
  ];
  test.each(wrong.map((args) => [args.join(' '), args] as const))('cenote %s', async (_, args) => {
    const { status, out, err } = await cenote(args);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^cenote: [^\n]+\n$/);
  });
});

test('the benchmarks are listed', async () => {
  const { out } = await cenote(['bench', '--help']);
  expect(out).toContain('Benchmarks here:');
  expect(existsSync(join(packageRoot(), 'dist', 'src', 'cli', 'bench.js'))).toBe(true);
});
