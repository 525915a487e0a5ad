import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeText, plainExtractor } from '../../src/ingest/extractor.js';
import { detectFormat } from '../../src/ingest/format.js';
import { readLines, readWhole } from '../../src/ingest/lines.js';
import { documentReference, noteDate, noteId, noteType } from '../../src/ingest/note.js';
import { type NoteRow, readNoteCsv, readNoteLines } from '../../src/ingest/note-table.js';
import { readSidecar } from '../../src/ingest/sidecar.js';
import { localSource } from '../../src/ingest/source.js';

const stream = (...chunks: (string | Buffer)[]) => Readable.from(chunks.map((c) => Buffer.from(c)));
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cenote-ingest-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('formats', () => {
  it.each([
    ['visit.txt', 'CC: cough', 'note-text'],
    ['visit.md.gz', '# Plan', 'note-text'],
    ['visit.txt.json', '{"patient":"p1"}', 'sidecar'],
    ['bundle.json', '{"resourceType":"Bundle",', 'fhir-json'],
    ['bundle.json', '{\n  "resourceType": "Bundle",', 'fhir-json'],
    [
      'Patient.ndjson',
      '{"resourceType":"Patient","id":"1"}\n{"resourceType":"Patient","id":"2"}',
      'fhir-ndjson',
    ],
    [
      'export.json',
      '{"resourceType":"Patient","id":"1"}\n{"resourceType":"Patient","id":"2"}',
      'fhir-ndjson',
    ],
    ['notes.jsonl', '{"id":"1","text":"cough"}\n', 'note-jsonl'],
    ['notes.csv', 'id,text\n1,cough', 'note-csv'],
    ['scan.bin', '\u0001\u0002', 'unknown'],
  ])('reads %s that starts with %j as %s', (name, head, format) => {
    expect(detectFormat(name, head)).toBe(format);
  });
});

describe('lines', () => {
  const text = 'one\r\n\n  \ntwo\nthree';
  const expected = [
    [1, 'one'],
    [4, 'two'],
    [5, 'three'],
  ];
  it.each([
    ['plain', [text]],
    ['split anywhere', [...text]],
    ['gzip', [gzipSync(text)]],
  ])('are counted from 1 and blank ones skipped: %s', async (_, chunks) => {
    const lines = await collect(readLines(stream(...(chunks as string[]))));
    expect(lines.map((l) => [l.line, l.bytes?.toString()])).toEqual(expected);
  });

  it('reports a line that is too long and goes on after it', async () => {
    const lines = await collect(readLines(stream('aaaa', 'aaaa\nbb\n'), 5));
    expect(lines.map((l) => [l.line, l.bytes?.toString()])).toEqual([
      [1, undefined],
      [2, 'bb'],
    ]);
  });

  it('refuses a file beyond its limit and a damaged gzip', async () => {
    await expect(readWhole(stream('abcdef'), 3)).rejects.toMatchObject({ category: 'too-large' });
    const damaged = gzipSync('hello hello hello');
    damaged[12] = damaged[12]! ^ 0xff;
    await expect(readWhole(stream(damaged.subarray(0, damaged.length - 6)))).rejects.toMatchObject({
      category: 'invalid',
    });
  });
});

describe('note tables', () => {
  const notes = (rows: NoteRow[]) =>
    rows.map((r) => ('note' in r ? [r.line, r.note.id, r.note.text] : [r.line, r.fault.message]));

  it('reads CSV by column names and their aliases, with quoted line ends', async () => {
    const rows = await collect(
      readNoteCsv(
        stream('note_id,patient_id,note_date,Note\n7,p1,2024-03-01,"Cough.\nNo fever."\n8,,,Well\n'),
      ),
    );
    expect(rows[0]).toMatchObject({
      note: { id: '7', patient: 'p1', date: '2024-03-01', text: 'Cough.\nNo fever.' },
    });
    expect(rows[1]).toMatchObject({ note: { id: '8', text: 'Well' } });
  });

  it('lets options override the names', async () => {
    const rows = await collect(readNoteCsv(stream('key,story\n1,Cough\n'), { id: 'key', text: 'STORY' }));
    expect(rows[0]).toMatchObject({ note: { id: '1', text: 'Cough' } });
  });

  it('says which columns there are when none holds the text', async () => {
    await expect(collect(readNoteCsv(stream('a,b\n1,2\n')))).rejects.toThrow(/No column holds the text/);
  });

  it('reports each bad line of JSONL with its number and goes on', async () => {
    const rows = await collect(
      readNoteLines(
        stream('{"id":"1","text":"Cough"}\nnot json\n{"id":"2","text":""}\n[1]\n{"id":"3","note":"Fever"}\n'),
      ),
    );
    expect(notes(rows)).toEqual([
      [1, '1', 'Cough'],
      [2, 'The line is not JSON.'],
      [3, 'The note has no text.'],
      [4, 'The line is not a JSON object.'],
      [5, '3', 'Fever'],
    ]);
  });
});

describe('notes', () => {
  it.each([
    ['2024-03-01', '2024-03-01'],
    ['2024-3-1', '2024-03-01'],
    ['2024', '2024'],
    ['2024-02-30', undefined],
    ['03/01/2024', '2024-03-01'],
    ['20240301', '2024-03-01'],
    ['2024-03-01 10:30', '2024-03-01'],
    ['2024-03-01T10:30:00+0100', '2024-03-01T10:30:00+01:00'],
    ['2024-03-01T10:30Z', '2024-03-01T10:30:00Z'],
    ['yesterday', undefined],
  ])('read the date %s as %s', (text, date) => {
    expect(noteDate(text)).toBe(date);
  });

  it.each([
    ['18842-5', '18842-5'],
    ['Discharge Summary', '18842-5'],
    ['H&P', '34117-2'],
    ['Surgery - Orthopedic', '11504-8'],
    ['Poem', undefined],
  ])('read the type %s as LOINC %s', (text, code) => {
    expect(noteType(text)?.code).toBe(code);
  });

  it('keep a usable id and give any other the same id again', () => {
    expect(noteId('a.csv', 'note-1')).toBe('note-1');
    expect(noteId('a.csv', 'note 1')).toBe(noteId('a.csv', 'note 1'));
    expect(noteId('a.csv', 'note 1')).not.toBe(noteId('b.csv', 'note 1'));
  });

  it('become a DocumentReference whose date without a time stands in context.period', () => {
    const doc = documentReference(
      { text: 'Cough — übel', date: '2024-03-01', type: 'Progress note', author: 'Dr. A' },
      'n1',
      {
        subject: 'Patient/p1',
      },
    );
    expect(doc).toMatchObject({
      resourceType: 'DocumentReference',
      id: 'n1',
      status: 'current',
      subject: { reference: 'Patient/p1' },
      context: { period: { start: '2024-03-01' } },
      type: { coding: [{ code: '11506-3' }], text: 'Progress note' },
      author: [{ display: 'Dr. A' }],
    });
    expect(doc.date).toBeUndefined();
    const data = (doc.content as { attachment: { data: string } }[])[0]!.attachment.data;
    expect(Buffer.from(data, 'base64').toString()).toBe('Cough — übel');
  });

  it('are decoded by charset, then UTF-8, then Windows-1252', async () => {
    expect(decodeText(Buffer.from('für', 'utf8'))).toBe('für');
    expect(decodeText(Buffer.from([0x66, 0xfc, 0x72]))).toBe('für');
    expect(decodeText(Buffer.from([0xff, 0xfe, 0x41, 0x00]))).toBe('A');
    expect(
      (await plainExtractor.extract(Buffer.from([0x66, 0xfc, 0x72]), 'text/plain; charset=ISO-8859-1')).text,
    ).toBe('für');
  });

  const sidecarOf = async (name: string) =>
    readSidecar((await localSource([join(folder, name)]).files())[0]!);

  it('take what a sidecar says and refuse one that cannot be understood', async () => {
    await writeFile(join(folder, 'a.txt'), 'Cough');
    await writeFile(
      join(folder, 'a.txt.json'),
      '{"patient":"p1","date":"2024-01-02","type":"Progress note"}',
    );
    expect(await sidecarOf('a.txt')).toEqual({
      patient: 'p1',
      date: '2024-01-02',
      type: 'Progress note',
    });
    await writeFile(join(folder, 'b.txt'), 'Cough');
    await writeFile(join(folder, 'b.json'), '{"patinet":"p1"}');
    await expect(sidecarOf('b.txt')).rejects.toThrow(/unknown field/);
    await writeFile(join(folder, 'c.txt'), 'Cough');
    expect(await sidecarOf('c.txt')).toBeUndefined();
  });
});

describe('folders', () => {
  it('are walked with shared files first, hidden ones left out', async () => {
    for (const name of ['Aaron.json', '0-hospital.json', 'practitionerInformation.json', '.hidden.json']) {
      await writeFile(join(folder, name), '{}');
    }
    const names = (await localSource([folder]).files())
      .map((f) => f.name)
      .filter((n) => n.endsWith('n.json') || n.startsWith('0'));
    expect(names).toEqual(['0-hospital.json', 'practitionerInformation.json', 'Aaron.json']);
  });

  it('are a fault when they are not there', async () => {
    await expect(localSource([join(folder, 'none')]).files()).rejects.toMatchObject({
      category: 'not-found',
    });
  });
});
