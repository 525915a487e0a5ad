import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { BASE, type Served, serve } from '../http/served.js';

/** One note that invites a wrong fact, and what must and must not be stored of it. */
interface Trap {
  readonly name: string;
  readonly text: string;
  /** Types of which the note yields nothing at all. */
  readonly never?: readonly string[];
  /** Words that no fact of the type may hold. */
  readonly neverText?: readonly (readonly [type: string, words: string])[];
  readonly neverStatus?: readonly (readonly [type: string, status: string])[];
  /** Words that some fact of the type must hold. */
  readonly must?: readonly (readonly [type: string, words: string])[];
  /** Every fact of the type holds one of these words. */
  readonly onlyTextOf?: readonly [type: string, words: readonly string[]];
}

interface Fact {
  resourceType: string;
  status?: string;
  [element: string]: unknown;
}

const traps = JSON.parse(
  readFileSync(join(packageRoot(), 'test', 'main-job', 'traps.json'), 'utf8'),
) as Trap[];

/** The facts notes become, and how each says whose they are. */
const FACT_TYPES: Readonly<Record<string, string>> = {
  MedicationStatement: 'subject',
  Condition: 'subject',
  Procedure: 'subject',
  Observation: 'subject',
  AllergyIntolerance: 'patient',
  FamilyMemberHistory: 'patient',
  Immunization: 'patient',
};

let served: Served;
const facts = new Map<string, Fact[]>();

/** Every word of a fact's codes, as a reader of the resource sees them. */
function wordsOf(fact: Fact): string {
  const concepts = [
    fact.code,
    fact.medicationCodeableConcept,
    fact.vaccineCode,
    ...((fact.condition as { code?: unknown }[] | undefined) ?? []).map((c) => c.code),
  ] as ({ text?: string; coding?: { display?: string }[] } | undefined)[];
  return concepts
    .flatMap((c) => [c?.text, ...(c?.coding ?? []).map((x) => x.display)])
    .filter(Boolean)
    .join(' | ')
    .toLowerCase();
}

beforeAll(async () => {
  served = await serve();
  const subjects: string[] = [];
  for (const trap of traps) {
    const { body } = await served
      .http()
      .post(`${BASE}/Patient`)
      .send({ resourceType: 'Patient' })
      .expect(201);
    subjects.push(`Patient/${body.id}`);
    await served
      .http()
      .post(`${BASE}/DocumentReference`)
      .send({
        resourceType: 'DocumentReference',
        status: 'current',
        subject: { reference: subjects.at(-1) },
        content: [
          { attachment: { contentType: 'text/plain', data: Buffer.from(trap.text).toString('base64') } },
        ],
      })
      .expect(201);
  }
  await drainAnnotations(await served.rooms.annotation(), served.tenant);
  for (const [i, trap] of traps.entries()) {
    const found: Fact[] = [];
    for (const [type, parameter] of Object.entries(FACT_TYPES)) {
      const { body } = await served
        .http()
        .get(`${BASE}/${type}?${parameter}=${subjects[i]}&_count=100`)
        .expect(200);
      found.push(...((body.entry ?? []) as { resource: Fact }[]).map((e) => e.resource));
    }
    facts.set(trap.name, found);
  }
}, 180_000);
afterAll(() => served.close());

describe('a note does not become a wrong fact', () => {
  it.each(traps.map((t) => [t.name, t] as const))('%s', (name, trap) => {
    const found = facts.get(name)!;
    const ofType = (type: string) => found.filter((f) => f.resourceType === type);
    for (const type of trap.never ?? []) expect(ofType(type).map(wordsOf), type).toEqual([]);
    for (const [type, words] of trap.neverText ?? []) {
      expect(
        ofType(type)
          .map(wordsOf)
          .filter((w) => w.includes(words)),
        `${type} ${words}`,
      ).toEqual([]);
    }
    for (const [type, status] of trap.neverStatus ?? []) {
      expect(
        ofType(type)
          .filter((f) => f.status === status)
          .map(wordsOf),
        `${type} ${status}`,
      ).toEqual([]);
    }
    for (const [type, words] of trap.must ?? []) {
      expect(ofType(type).map(wordsOf), type).toEqual(
        expect.arrayContaining([expect.stringContaining(words)]),
      );
    }
    if (trap.onlyTextOf) {
      const [type, allowed] = trap.onlyTextOf;
      expect(
        ofType(type)
          .map(wordsOf)
          .filter((w) => !allowed.some((a) => w.includes(a))),
        type,
      ).toEqual([]);
    }
  });
});

describe('every stored fact', () => {
  const all = () => [...facts.values()].flat();
  it('is tagged as derived, names its document and its words, and says where its date is from', () => {
    expect(all().length).toBeGreaterThan(5);
    for (const fact of all()) {
      const urls = (fact.extension as { url: string }[]).map((e) => e.url.split('/').at(-1));
      expect(urls).toEqual(
        expect.arrayContaining([
          'derived-from-document',
          'source-version',
          'source-span',
          'derivation-score',
          'pipeline-version',
          'derivation-rule',
          'date-source',
        ]),
      );
      expect((fact.meta as { tag: { code: string }[] }).tag.map((t) => t.code)).toContain('derived');
    }
  });

  it('has at most one code per system, and of standard systems only', () => {
    const standard =
      /^http:\/\/(snomed\.info\/sct|www\.nlm\.nih\.gov\/research\/umls\/rxnorm|hl7\.org\/fhir\/sid\/(icd-10-cm|cvx)|www\.cms\.gov\/Medicare\/Coding\/ICD10|loinc\.org)$/;
    for (const fact of all()) {
      for (const element of ['code', 'medicationCodeableConcept', 'vaccineCode']) {
        const coding = (fact[element] as { coding?: { system: string }[] } | undefined)?.coding ?? [];
        expect(new Set(coding.map((c) => c.system)).size).toBe(coding.length);
        for (const { system } of coding) expect(system).toMatch(standard);
      }
    }
  });
});
