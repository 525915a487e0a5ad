import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { runImport } from '../../src/tasks/import.js';
import type { ImportReport } from '../../src/tasks/import-report.js';
import { BASE, type Served, serve } from '../http/served.js';
import { ccda, nonXml } from '../ingest/ccda-samples.js';
import { ADMISSION, BATCH, DISCHARGE, RESULTS } from '../ingest/hl7v2-samples.js';
import { docxOf, pdfOf, tarOf, zipOf } from '../ingest/made-files.js';

const WORDS = 'MEDICATIONS: Takes lisinopril 10 mg daily.';
const DOCX = docxOf(`<w:p><w:r><w:t>${WORDS}</w:t></w:r></w:p>`);

let served: Served;
let folder: string;

async function importOf(
  files: Readonly<Record<string, string | Buffer>>,
  annotate = false,
): Promise<ImportReport> {
  const into = mkdtempSync(join(folder, 'in-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(into, name, '..'), { recursive: true });
    writeFileSync(join(into, name), content);
  }
  return importAgain(into, annotate);
}

async function importAgain(path: string, annotate = false): Promise<ImportReport & { path: string }> {
  const { rooms, tenant } = served;
  const { id } = await rooms.jobs.create(tenant, 'import', {
    paths: [path],
    folder: process.cwd(),
    defaults: {},
    columns: {},
  });
  const report = await runImport(
    { jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock },
    tenant,
    await rooms.jobs.claim(tenant, id),
    {
      base: rooms.baseOf(tenant),
      ...(annotate && {
        annotate: async (signal: AbortSignal | undefined) => {
          const { documents: _, ...derived } = await drainAnnotations(await rooms.annotation(), tenant, {
            signal,
          });
          return derived;
        },
      }),
    },
  );
  return { ...report, path };
}

async function found(query: string): Promise<Record<string, unknown>[]> {
  const { body } = await served.http().get(`${BASE}/${query}`).expect(200);
  return ((body.entry ?? []) as { resource: Record<string, unknown> }[]).map(({ resource }) => resource);
}

beforeAll(async () => {
  served = await serve();
  folder = mkdtempSync(join(tmpdir(), 'cenote-formats-'));
}, 120_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await served.close();
});

describe('notes of any format', () => {
  it('are kept as they came, with their words beside, and their facts are found', async () => {
    const files = {
      'p.json': '{"resourceType":"Patient","id":"p1"}',
      'a.pdf': pdfOf([[WORDS]]),
      'a.json': '{"patient":"p1","id":"note-pdf"}',
      'b.docx': DOCX,
      'b.docx.json': '{"patient":"p1","id":"note-docx"}',
      'c.html': `<p>${WORDS}</p>`,
      'c.json': '{"patient":"p1","id":"note-html"}',
      'd.rtf': `{\\rtf1 ${WORDS}}`,
      'd.json': '{"patient":"p1","id":"note-rtf"}',
      'broken.pdf': '%PDF-1.4 broken',
    };
    const report = await importOf(files, true);
    expect(
      report.errors.map(({ file, message }) => [file.split('/').at(-1), /damaged/.test(message)]),
    ).toEqual([['broken.pdf', true]]);
    expect(report.resources.byType).toEqual({ Binary: 4, DocumentReference: 4, Patient: 1 });
    expect(report.documents).toBe(4);
    for (const [id, bytes] of [
      ['note-pdf', files['a.pdf']],
      ['note-docx', files['b.docx']],
      ['note-html', files['c.html']],
      ['note-rtf', files['d.rtf']],
    ] as const) {
      const [document] = await found(`DocumentReference?_id=${id}`);
      const [words, original] = (document!.content as { attachment: Record<string, string> }[]).map(
        (c) => c.attachment,
      );
      expect(Buffer.from(words!.data!, 'base64').toString()).toBe(WORDS);
      const [binary] = await found(`Binary?_id=${original!.url!.split('/')[1]}`);
      expect(Buffer.from(binary!.data as string, 'base64')).toEqual(Buffer.from(bytes));
    }
    expect(report.derived.byType.MedicationStatement).toBe(4);
  }, 60_000);

  it('are taken from archives, each file for itself', async () => {
    const notes = { 'a/one.txt': WORDS, 'a/one.json': '{"patient":"p1"}', 'two.docx': DOCX, 'bad.json': '{' };
    for (const [name, bytes] of [
      ['all.zip', zipOf(notes)],
      ['all.tar.gz', gzipSync(tarOf(notes))],
    ] as const) {
      const report = await importOf({ [name]: bytes });
      expect(report.documents).toBe(2);
      expect(report.documentsWithoutPatient).toBe(1);
      expect(report.resources.rejected).toBe(1);
      expect(report.errors[0]!.file).toMatch(/all\.(zip|tar\.gz)!\/bad\.json$/);
    }
  });

  it('in a FHIR document are read whatever their type', async () => {
    for (const attachment of [
      { contentType: 'application/rtf', data: Buffer.from(`{\\rtf1 ${WORDS}}`).toString('base64') },
      { contentType: 'application/pdf', url: 'Binary/fhir-pdf' },
    ]) {
      const id = `fhir-${attachment.contentType.split('/')[1]}`;
      const binary = {
        resourceType: 'Binary',
        id: 'fhir-pdf',
        contentType: 'application/pdf',
        data: pdfOf([[WORDS]]).toString('base64'),
      };
      const document = {
        resourceType: 'DocumentReference',
        id,
        status: 'current',
        subject: { reference: 'Patient/p1' },
        content: [{ attachment }],
      };
      await importOf({ 'all.ndjson': [binary, document].map((r) => JSON.stringify(r)).join('\n') }, true);
      const { body } = await served.http().get(`${BASE}/DocumentReference/${id}/$annotation`).expect(200);
      expect(JSON.stringify(body)).toContain('lisinopril');
    }
  }, 60_000);
});

describe('HL7 v2', () => {
  it('of one person from several systems makes one Patient, and a second run changes nothing', async () => {
    const first = (await importOf({ 'batch.hl7': BATCH })) as ImportReport & { path: string };
    expect(first.errors).toMatchObject([{ line: 17, element: 'PID' }]);
    const people = await found('Patient?identifier=urn:oid:2.999.1|4711');
    expect(people).toHaveLength(1);
    const [anna] = people;
    // The laboratory knew less of her and another number first: the number is added, nothing is lost.
    expect(anna).toMatchObject({ birthDate: '1961-04-12', address: [{ city: 'Springfield' }] });
    expect(anna!.identifier).toHaveLength(2);
    expect(await found(`Observation?patient=${anna!.id}`)).toHaveLength(4);
    expect(await found(`Encounter?patient=${anna!.id}`)).toMatchObject([
      { status: 'finished', reasonCode: [{ text: 'Shortness of breath' }] },
    ]);
    expect(await found(`DocumentReference?patient=${anna!.id}`)).toHaveLength(2);
    const again = await importAgain(first.path);
    expect(again.resources).toMatchObject({ created: 0, updated: 0, deleted: 0, rejected: 1 });
  });

  it('joins a Patient who is here already under another id, file by file', async () => {
    await importOf({
      'p.json':
        '{"resourceType":"Patient","id":"bea","identifier":[{"system":"urn:oid:2.999.1","value":"4712"}]}',
    });
    const other = (text: string) =>
      text.replaceAll('4711', '4712').replaceAll('99887', '99888').replaceAll('V100', 'V200');
    const report = await importOf({
      '1.hl7': other(RESULTS),
      '2.hl7': other(ADMISSION),
      '3.txt': other(DISCHARGE),
    });
    expect(report.errors).toEqual([]);
    expect(await found('Patient?identifier=4712')).toMatchObject([{ id: 'bea', birthDate: '1961-04-12' }]);
    expect(await found('Encounter?patient=bea')).toHaveLength(1);
    expect(await found('Observation?patient=bea')).toHaveLength(4);
  });
});

describe('messages out of order', () => {
  it('leave what the latest said, and a second run of the files changes nothing', async () => {
    const other = (text: string) => text.replaceAll('4711', '4713').replaceAll('V100', 'V300');
    const files = { '1-discharge.hl7': other(DISCHARGE), '2-admission.hl7': other(ADMISSION) };
    const first = (await importOf(files)) as ImportReport & { path: string };
    const stay = async () => (await found('Encounter?identifier=V300'))[0];
    expect(await stay()).toMatchObject({
      status: 'finished',
      period: { start: '2024-03-01T10:00:00-06:00', end: '2024-03-05T11:30:00-06:00' },
      reasonCode: [{ text: 'Shortness of breath' }],
    });
    expect(await found('Patient?identifier=4713')).toMatchObject([{ address: [{ city: 'Springfield' }] }]);
    const again = await importAgain(first.path);
    expect(again.resources).toMatchObject({ created: 0, updated: 0, deleted: 0 });
  });
});

describe('C-CDA', () => {
  it('joins the person messages brought, keeps the original, and a second run changes nothing', async () => {
    await importOf({ 'a.hl7': ADMISSION });
    const first = (await importOf(
      { 'ccd.xml': ccda({}), 'part.xml': '<section/>' },
      true,
    )) as ImportReport & {
      path: string;
    };
    expect(first.errors).toMatchObject([{ message: expect.stringMatching(/C-CDA/) }]);
    expect(first.resources.byType).toMatchObject({ Condition: 3, Binary: 1, DocumentReference: 1 });
    expect(first.derived.created).toBeGreaterThan(0);
    const people = await found('Patient?identifier=urn:oid:2.999.1|4711');
    expect(people).toHaveLength(1);
    // What the hospital's admission said of her stays; what the document adds is added.
    expect(people[0]).toMatchObject({ name: [{ family: 'MILLER' }], communication: [{ preferred: true }] });
    expect(await found(`Encounter?patient=${people[0]!.id}&identifier=V100`)).toHaveLength(1);
    const again = await importAgain(first.path);
    expect(again.resources).toMatchObject({ created: 0, updated: 0, deleted: 0 });
  }, 60_000);

  it('with an embedded PDF is read, and keeps both', async () => {
    await importOf({ 'u.xml': nonXml('application/pdf', pdfOf([[WORDS]])).replace('DOC1', 'DOC2') });
    const [document] = await found('DocumentReference?identifier=DOC2');
    const attachments = (document!.content as { attachment: Record<string, string> }[]).map(
      (c) => c.attachment,
    );
    expect(attachments.map(({ contentType }) => contentType)).toEqual([
      'text/plain; charset=utf-8',
      'application/pdf',
      'application/xml',
    ]);
    expect(Buffer.from(attachments[0]!.data!, 'base64').toString()).toBe(WORDS);
  });
});
