import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { goldNotes } from '../../src/tasks/gold.js';
import { BASE, type Served, serve } from '../http/served.js';

/** What a person decides of a fact is kept, whatever the pipeline says later. */
let served: Served;
let subject: string;
const NOTE = 'review-note';

async function writeNote(text: string): Promise<void> {
  await served
    .http()
    .put(`${BASE}/DocumentReference/${NOTE}`)
    .send({
      resourceType: 'DocumentReference',
      id: NOTE,
      status: 'current',
      subject: { reference: subject },
      content: [{ attachment: { contentType: 'text/plain', data: Buffer.from(text).toString('base64') } }],
    });
  await drainAnnotations(await served.rooms.annotation(), served.tenant);
}

interface Condition {
  id: string;
  meta: { versionId: string; tag: { system: string; code: string }[] };
  code: { text: string };
  verificationStatus: { coding: { code: string }[] };
  clinicalStatus?: unknown;
  [element: string]: unknown;
}

async function condition(words: string): Promise<Condition> {
  const { body } = await served.http().get(`${BASE}/Condition?subject=${subject}`).expect(200);
  const found = (body.entry as { resource: Condition }[])
    .map((e) => e.resource)
    .find((r) => r.code.text.includes(words));
  expect(found, words).toBeDefined();
  return found!;
}

const review = (id: string, body: object) => served.http().post(`${BASE}/Condition/${id}/$review`).send(body);

beforeAll(async () => {
  served = await serve();
  const { body } = await served.http().post(`${BASE}/Patient`).send({ resourceType: 'Patient' }).expect(201);
  subject = `Patient/${body.id}`;
  await writeNote('Assessment: gout. Asthma. Hypertension. Psoriasis.');
}, 120_000);
afterAll(() => served.close());

describe('$review', () => {
  it('confirms a fact in a new version, with a Provenance of the person and the comment', async () => {
    const gout = await condition('gout');
    const { body } = await review(gout.id, {
      resourceType: 'Parameters',
      parameter: [
        { name: 'decision', valueCode: 'confirmed' },
        { name: 'comment', valueString: 'seen in clinic' },
        { name: 'reviewer', valueString: 'Dr. A' },
      ],
    }).expect(200);
    expect(body.meta.versionId).toBe('2');
    expect(body.verificationStatus.coding[0].code).toBe('confirmed');
    const provenance = await served.http().get(`${BASE}/Provenance?target=Condition/${gout.id}`).expect(200);
    const own = (
      provenance.body.entry as {
        resource: { agent: { who: { display: string } }[]; reason?: { text: string }[] };
      }[]
    )
      .map((e) => e.resource)
      .find((r) => r.reason);
    expect(own).toMatchObject({
      agent: [{ who: { display: 'Dr. A' } }],
      reason: [{ text: 'seen in clinic' }],
    });
  });

  it('rejects a fact: entered in error, without a clinical status, and no longer on the timeline', async () => {
    const asthma = await condition('Asthma');
    const { body } = await review(asthma.id, { decision: 'rejected' }).expect(200);
    expect(body.verificationStatus.coding[0].code).toBe('entered-in-error');
    expect(body.clinicalStatus).toBeUndefined();
    const { text } = await served.http().get(`${BASE}/${subject}/$timeline?_count=100`).expect(200);
    expect(text).not.toContain(`Condition/${asthma.id}"`);
  });

  it('corrects a fact and keeps what says where it came from', async () => {
    const hypertension = await condition('Hypertension');
    const { extension, ...rest } = hypertension;
    const { body } = await review(hypertension.id, {
      decision: 'corrected',
      resource: { ...rest, code: { text: 'White coat hypertension' } },
    }).expect(200);
    expect(body.code.text).toBe('White coat hypertension');
    expect(body.extension).toEqual(extension);
  });

  it.each([
    ['a decision that is none', { decision: 'maybe' }, 400],
    ['a correction without the resource', { decision: 'corrected' }, 400],
  ])('refuses %s', async (_, body, status) => {
    await review((await condition('Psoriasis')).id, body).expect(status);
  });

  it('refuses to move a fact to another patient, and a resource no note yielded', async () => {
    const { extension: _, ...psoriasis } = await condition('Psoriasis');
    await review(psoriasis.id, {
      decision: 'corrected',
      resource: { ...psoriasis, subject: { reference: 'Patient/other' } },
    }).expect(400);
    const own = await served
      .http()
      .post(`${BASE}/Condition`)
      .send({ resourceType: 'Condition', subject: { reference: subject }, code: { text: 'own record' } })
      .expect(201);
    await review(own.body.id, { decision: 'confirmed' }).expect(409);
  });

  it('survives every later run of the pipeline, even when the words are gone', async () => {
    await writeNote('Assessment: eczema.');
    expect((await condition('gout')).verificationStatus.coding[0]!.code).toBe('confirmed');
    expect((await condition('White coat')).meta.tag.map((t) => t.code)).toContain('corrected');
    expect((await condition('Asthma')).verificationStatus.coding[0]!.code).toBe('entered-in-error');
    const { body } = await served.http().get(`${BASE}/Condition?subject=${subject}`).expect(200);
    const left = (body.entry as { resource: Condition }[]).map((e) => e.resource.code.text);
    expect(left).not.toContain('Psoriasis');
    expect(left).toContain('eczema');
  });

  it('gives the reviewed notes as gold: what was decided stands on the mention', async () => {
    await writeNote('Assessment: gout. Asthma.');
    await review((await condition('Asthma')).id, { decision: 'rejected' }).expect(200);
    const notes = [];
    for await (const note of goldNotes(served.rooms.store, served.tenant)) notes.push(note);
    expect(notes).toHaveLength(1);
    expect(notes[0]!.text).toBe('Assessment: gout. Asthma.');
    expect(notes[0]!.mentions.find((m) => m.text === 'Asthma')).toMatchObject({
      accepted: false,
      reason: 'rejected-by-person',
    });
  });

  it('gives in gold the category that a person corrected, and the one of the pipeline elsewhere', async () => {
    await writeNote('Procedures: knee arthroscopy with meniscectomy in 2019. Colonoscopy in 2020.');
    interface Procedure {
      id: string;
      code: { text: string };
    }
    const { body } = await served.http().get(`${BASE}/Procedure?subject=${subject}`).expect(200);
    const colonoscopy = (body.entry as { resource: Procedure }[])
      .map((e) => e.resource)
      .find((r) => r.code.text === 'Colonoscopy')!;
    const category = {
      coding: [{ system: 'http://snomed.info/sct', code: '277132007', display: 'Therapeutic procedure' }],
    };
    await served
      .http()
      .post(`${BASE}/Procedure/${colonoscopy.id}/$review`)
      .send({ decision: 'corrected', resource: { ...colonoscopy, category } })
      .expect(200);
    const said = new Map<string, string | undefined>();
    for await (const note of goldNotes(served.rooms.store, served.tenant))
      for (const { text, category: is } of note.mentions) said.set(text, is);
    expect(said.get('Colonoscopy')).toBe('therapeutic');
    expect(said.get('knee arthroscopy')).toBe('therapeutic');
  });
});
