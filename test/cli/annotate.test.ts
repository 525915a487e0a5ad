import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';

const run = promisify(execFile);
const program = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
const cenote = (...args: string[]) => run(process.execPath, [program, 'annotate', ...args]);

let folder: string;
let note: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cenote-annotate-'));
  note = join(folder, 'note.txt');
  writeFileSync(note, 'PMH: gout\nTom is not prescribed Advil. <script>alert(1)</script>\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('cenote annotate', () => {
  it('answers a file with one annotation in the contract\u2019s shape', async () => {
    const { stdout } = await cenote(note);
    const annotation = JSON.parse(stdout);
    expect(annotation.id).toBe('note.txt');
    expect(annotation.sections[0]).toEqual({
      kind: 'past-medical-history',
      title: 'PMH',
      start: 0,
      end: expect.any(Number),
    });
    const advil = annotation.mentions.find((mention: { text: string }) => mention.text === 'Advil');
    expect(advil).toMatchObject({ type: 'medication', accepted: false, reason: 'negated' });
    expect(advil).not.toHaveProperty('because');
  });

  it('ends quietly when its reader goes away, in help as in answers', async () => {
    const long = join(folder, 'long.txt');
    writeFileSync(long, 'Aspirin 81 mg daily for angina. '.repeat(4_000));
    for (const args of [['--help'], [long], ['--jsonl', long]]) {
      const child = spawn(process.execPath, [program, 'annotate', ...args]);
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      child.stdout.destroy();
      const [status] = await once(child, 'close');
      expect([args[0], status, said]).toEqual([args[0], 0, '']);
    }
  });

  it('adds personal data with --phi, and hides it with --redact', async () => {
    const own = join(folder, 'phi.txt');
    writeFileSync(own, 'Dr. Okonkwo, MRN: 48219, seen 3/4/2020 for gout.\n');
    const { stdout } = await cenote(own, '--phi');
    const found = JSON.parse(stdout).mentions;
    expect(
      found.filter((m: { type: string }) => m.type === 'phi').map((m: { kind: string }) => m.kind),
    ).toEqual(['name', 'mrn', 'date']);
    expect(found.some((m: { text: string; accepted: boolean }) => m.text === 'gout' && m.accepted)).toBe(
      true,
    );
    expect((await cenote(own, '--phi', '--redact')).stdout).toBe(
      'Dr. [NAME], MRN: [MRN], seen [DATE] for gout.\n',
    );
    await expect(cenote(own, '--redact')).rejects.toMatchObject({ stderr: expect.stringContaining('--phi') });
  });

  it('adds the deciding rules with --explain', async () => {
    const { stdout } = await cenote(note, '--explain');
    for (const mention of JSON.parse(stdout).mentions) expect(mention.because).toHaveProperty('gate');
  });

  it('answers lines of notes one by one, and names a bad line', async () => {
    const child = spawn(process.execPath, [program, 'annotate', '--jsonl']);
    const answers: string[] = [];
    child.stdout
      .setEncoding('utf8')
      .on('data', (data: string) => answers.push(...data.split('\n').filter(Boolean)));
    child.stdin.write('{"id":"a","text":"Has gout."}\n');
    // The first answer comes while the input is still open.
    for (let i = 0; i < 200 && answers.length === 0; i++)
      await new Promise((resume) => setTimeout(resume, 50));
    expect(JSON.parse(answers[0]!)).toMatchObject({ id: 'a', mentions: [{ text: 'gout' }] });
    child.stdin.end('no json\n{"id":7,"text":""}\n');
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect(status).toBe(1);
    expect(JSON.parse(answers[1]!)).toMatchObject({ line: 2 });
    expect(JSON.parse(answers[2]!)).toMatchObject({ id: '7', mentions: [] });
  });

  it('answers in the order of the lines with threads too, and the same', async () => {
    const notes = join(folder, 'notes.jsonl');
    const lines = Array.from({ length: 150 }, (_, i) =>
      JSON.stringify({ text: 'Takes lisinopril 10 mg daily. No gout. '.repeat(1 + (i % 7)) }),
    );
    lines[40] = 'no json';
    writeFileSync(notes, lines.join('\n'));
    const answers = (...args: string[]) =>
      cenote(notes, '--jsonl', ...args).catch((error: { stdout: string }) => error);
    const alone = await answers();
    expect(alone.stdout.split('\n').filter(Boolean)).toHaveLength(150);
    expect((await answers('--threads', '2')).stdout).toBe(alone.stdout);
  });

  it('makes a page that stands alone and runs nothing of the note', async () => {
    const { stdout } = await cenote(note, '--format', 'html');
    expect(stdout).toContain('<s>Advil</s><sup>negated</sup>');
    expect(stdout).not.toContain('<script>');
    expect(stdout).not.toMatch(/(?:src|href)=/);
  });

  it('is readable as text', async () => {
    const { stdout } = await cenote(note, '--format', 'text');
    expect(stdout).toMatch(/- medication\s+Advil .*refused: negated/);
    expect(stdout).toMatch(/\+ diagnosis\s+gout/);
  });

  it.each([
    [['--format', 'xml'], 'format'],
    [['--date', 'yesterday'], '--date'],
    [['--threads', '0'], '--threads'],
  ])('refuses %j and says why', async (args, word) => {
    await expect(cenote(note, ...args)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining(word),
    });
  });

  it('says that a file is not there', async () => {
    await expect(cenote(join(folder, 'none.txt'))).rejects.toMatchObject({ code: 2 });
  });
});
