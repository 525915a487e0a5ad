import { Readable } from 'node:stream';
import { isFault } from '../../src/core/fault.js';
import { parseJson, stringifyJson } from '../../src/core/json.js';
import { mapClinicalDocument } from '../../src/ingest/ccda/index.js';
import { DOCX } from '../../src/ingest/docx.js';
import { extractText } from '../../src/ingest/extractors.js';
import { mapMessage } from '../../src/ingest/hl7v2/index.js';
import { decodeMessages, readMessages } from '../../src/ingest/hl7v2/message.js';
import { readLines } from '../../src/ingest/lines.js';
import { ccda, SECTIONS } from '../ingest/ccda-samples.js';
import { BATCH } from '../ingest/hl7v2-samples.js';
import { docxOf } from '../ingest/made-files.js';

/** What the fuzzer sends, by whatever means. */
export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export interface FuzzTarget {
  /** Of the tenant, as `/fhir/lake`. */
  readonly base: string;
  readonly token: string;
  send(request: FuzzRequest): Promise<{ status: number; text: string }>;
}

export interface Finding {
  readonly kind: string;
  readonly round: number;
  readonly what: string;
  readonly input: string;
}

type Draw = (below: number) => number;

/** The same numbers for a seed in every run (mulberry32). */
function drawer(seed: number): Draw {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Words that have broken readers before. */
const NASTY = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\u202e',
  "'",
  '"',
  '\\',
  '%',
  '%00',
  '%2e%2e',
  '..',
  '/',
  '//',
  '$',
  '|',
  ',',
  ';',
  '{',
  '}',
  '[',
  ']',
  '<',
  '&',
  '1e400',
  '-0',
  'NaN',
  '9'.repeat(40),
  'null',
  'true',
  '__proto__',
  'constructor',
  '9999-12-31T23:59:60Z',
  '0000-00-00',
  '2020-02-30',
  'a'.repeat(300),
  '\u0130',
  '\u{1f9ec}',
];
const pick = <T>(draw: Draw, list: readonly T[]): T => list[draw(list.length)]!;

const RESOURCES: readonly Record<string, unknown>[] = [
  {
    resourceType: 'Patient',
    name: [{ family: 'Alder', given: ['Robin'] }],
    birthDate: '1970-02-03',
    identifier: [{ system: 'urn:x', value: '1' }],
    telecom: [{ system: 'phone', value: '1' }],
  },
  {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }] },
    subject: { reference: 'Patient/a' },
    effectiveDateTime: '2020-01-01',
    valueQuantity: { value: 1.1, unit: '%', system: 'http://unitsofmeasure.org', code: '%' },
  },
  {
    resourceType: 'Bundle',
    type: 'batch',
    entry: [
      {
        resource: { resourceType: 'Basic', code: { text: 'x' } },
        request: { method: 'POST', url: 'Basic', ifNoneExist: 'code=x' },
      },
      { request: { method: 'GET', url: 'Patient?name=a' } },
    ],
  },
  {
    resourceType: 'SearchParameter',
    id: 'fuzz',
    url: 'http://x.example/fuzz',
    name: 'fuzz',
    status: 'draft',
    description: 'x',
    code: 'fuzz',
    base: ['Patient'],
    type: 'string',
    expression: "Patient.name.where(use = 'official').family",
  },
  {
    resourceType: 'Questionnaire',
    status: 'draft',
    item: [{ linkId: '1', type: 'group', item: [{ linkId: '2', type: 'string' }] }],
  },
  {
    resourceType: 'Parameters',
    parameter: [
      {
        name: 'operation',
        part: [
          { name: 'type', valueCode: 'add' },
          { name: 'path', valueString: 'Patient' },
          { name: 'name', valueString: 'gender' },
          { name: 'value', valueCode: 'male' },
        ],
      },
    ],
  },
  {
    resourceType: 'ViewDefinition',
    status: 'active',
    resource: 'Patient',
    name: 'x',
    select: [{ forEach: 'name', column: [{ name: 'a', path: "given.join(',')" }] }],
  },
];

/** A resource with one to four places changed: values, kinds, names, order, copies. */
function damaged(draw: Draw, original: Record<string, unknown>): unknown {
  const copy = structuredClone(original);
  for (let n = draw(4); n >= 0; n--) {
    let at: unknown = copy;
    for (let depth = draw(5); depth > 0; depth--) {
      const inner = Object.values(at as object).filter((v) => typeof v === 'object' && v !== null);
      if (inner.length === 0) break;
      at = pick(draw, inner);
    }
    const object = at as Record<string, unknown>;
    const key =
      pick(draw, [...Object.keys(object), ...(Array.isArray(at) ? [] : ['extension', 'id', 'contained'])]) ??
      '0';
    if (key === '__proto__') continue;
    switch (draw(7)) {
      case 0:
        object[key] = pick(draw, NASTY);
        break;
      case 1:
        object[key] = pick(draw, [null, 0, -1, 1e21, true, [], {}, [[]], [null]] as unknown[]);
        break;
      case 2:
        delete object[key];
        break;
      case 3:
        object[key] = [object[key], object[key]];
        break;
      case 4:
        object[key] = structuredClone(copy);
        break;
      case 5:
        object[`${key}${pick(draw, ['x', '_', ' '])}`] = object[key];
        break;
      default:
        object[`_${key}`] = { extension: [{ url: pick(draw, NASTY), valueString: pick(draw, NASTY) }] };
    }
  }
  return copy;
}

/** Text with bytes changed, cut, doubled and strange words put in. */
function scrambled(draw: Draw, text: string): string {
  let out = text;
  for (let n = draw(4); n >= 0; n--) {
    const at = draw(out.length + 1);
    switch (draw(4)) {
      case 0:
        out = out.slice(0, at) + pick(draw, NASTY) + out.slice(at);
        break;
      case 1:
        out = out.slice(0, at) + out.slice(at + draw(8));
        break;
      case 2:
        out = out.slice(0, at) + String.fromCharCode(draw(0x250)) + out.slice(at + 1);
        break;
      default:
        out += out.slice(at, at + 200);
    }
  }
  return out;
}

const PATHS = [
  'Patient',
  'Patient/a',
  'Patient/a/_history/1',
  'Observation',
  '_history',
  'Patient/a/$everything',
  'Patient/$export',
  '$export',
  '$jobs',
  'metadata',
  'Patient/a/$timeline',
  'Patient/_search',
  'ValueSet/$expand',
  'CodeSystem/$lookup',
  'Observation/$lastn',
  'Group/$cohort',
  '$annotate',
  'Patient/a/*',
  'Patient/a/Observation',
  '$import',
  'Patient/$validate',
  '$viewdefinition-run',
  'Patient/a/$meta-add',
  'Encounter/a/$everything',
  'AuditEvent/$audit-log',
  'Patient/a/$features',
  '$cohort-features',
  'Composition/a/$document',
];
const PARAMS = [
  'name',
  'birthdate',
  '_id',
  '_sort',
  '_count',
  '_include',
  '_revinclude',
  '_has:Observation:patient:code',
  '_lastUpdated',
  'value-quantity',
  'code-value-quantity',
  'subject:Patient.name',
  '_summary',
  '_elements',
  '_total',
  '_type',
  'date',
  'identifier:of-type',
  'code:in',
  'code:text',
  '_content',
  '_filter',
  '_format',
  '_since',
  '_at',
  'url',
  'mode',
  '_typeFilter',
  '_outputFormat',
  'patient',
  'code',
  'near',
  '_cursor',
  '_page',
  'start',
  'end',
];
const VALUES = [
  'a',
  '2020-01-01',
  'ge2020',
  'http://loinc.org|4548-4',
  'Patient/a',
  '5.4|http://unitsofmeasure.org|%',
  'true',
  '10',
  '-1',
  'a,b',
  'name eq "x"',
  'Observation:subject',
  '*',
];
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'];
const escaped = (draw: Draw, text: string) =>
  draw(4) === 0
    ? text.replace(/[^\x21-\x7e]/g, '')
    : encodeURIComponent(text.replace(/[\ud800-\udfff]/g, '?'));
const value = (draw: Draw) => (draw(2) === 0 ? scrambled(draw, pick(draw, VALUES)) : pick(draw, NASTY));

function url(draw: Draw, base: string): FuzzRequest {
  const path =
    draw(4) === 0 ? scrambled(draw, pick(draw, PATHS)).replace(/[^\x21-\x7e]/g, '') : pick(draw, PATHS);
  const params = Array.from(
    { length: draw(4) },
    () =>
      `${escaped(draw, draw(5) === 0 ? scrambled(draw, pick(draw, PARAMS)) : pick(draw, PARAMS))}=${escaped(draw, value(draw))}`,
  );
  const method = pick(draw, METHODS);
  const body =
    method === 'POST' || method === 'PUT' || method === 'PATCH'
      ? stringifyJson(damaged(draw, pick(draw, RESOURCES)))
      : undefined;
  return {
    method,
    path: `${base}/${path}${params.length > 0 ? `?${params.join('&')}` : ''}`,
    ...(body === undefined ? {} : { body }),
    headers: {
      ...(draw(4) === 0
        ? { Prefer: pick(draw, ['respond-async', 'handling=strict', 'return=minimal', 'return=', ';;=,']) }
        : {}),
      ...(draw(8) === 0 ? { 'If-Match': pick(draw, ['W/"1"', '*', 'x', '""']) } : {}),
      ...(draw(8) === 0 ? { 'If-None-Exist': `identifier=${escaped(draw, value(draw))}` } : {}),
      ...(draw(8) === 0
        ? {
            'Content-Type': pick(draw, [
              'application/json-patch+json',
              'application/x-www-form-urlencoded',
              'text/xml',
              '',
              ';;',
              'application/octet-stream',
            ]),
          }
        : {}),
    },
  };
}

type Kind = (draw: Draw, target: FuzzTarget) => Promise<string | undefined>;

/** What is wrong with the answer to a request; every 5xx is a defect. */
async function tried(target: FuzzTarget, request: FuzzRequest): Promise<string | undefined> {
  const { status, text } = await target.send(request);
  return status >= 500
    ? `${status} ${text.slice(0, 300)} for ${request.method} ${request.path} ${JSON.stringify(request.headers ?? {})} ${(request.body ?? '').slice(0, 2_000)}`
    : undefined;
}

/** A reader may refuse, by a fault of the input, and in no other way. */
async function reads(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return isFault(error) && error.category !== 'internal'
      ? undefined
      : String((error as Error).stack).slice(0, 600);
  }
}

const RTF = "{\\rtf1\\ansi{\\fonttbl x;} Takes {\\b met\\'e9 \\u1234?}\\par and rests}";
const HTML = '<html><p>Takes <b>metformin</b>&nbsp;&amp; <table><tr><td>x</td></tr></table></html>';
const DOCUMENT = Buffer.from(docxOf('<w:p><w:r><w:t>Takes metformin.</w:t></w:r></w:p>'));
const CCDA = ccda({ sections: SECTIONS });

function broken(draw: Draw, bytes: Buffer): Buffer {
  const out = Buffer.from(bytes);
  for (let n = draw(8); n >= 0; n--) out[draw(out.length)] = draw(256);
  return draw(4) === 0 ? out.subarray(0, draw(out.length) + 1) : out;
}

const KINDS: Readonly<Record<string, Kind>> = {
  bodies: (draw, target) => {
    const original = pick(draw, RESOURCES);
    const changed = damaged(draw, original);
    const text = draw(3) === 0 ? scrambled(draw, stringifyJson(changed)) : stringifyJson(changed);
    const { resourceType } = original;
    const [method, path] =
      resourceType === 'Bundle'
        ? ['POST', '']
        : resourceType === 'Parameters'
          ? ['PATCH', '/Patient/a']
          : draw(2) === 0
            ? ['POST', `/${resourceType}`]
            : ['PUT', `/${resourceType}/${(original.id as string) ?? 'a'}`];
    return tried(target, { method: method!, path: target.base + path, token: target.token, body: text });
  },
  URLs: (draw, target) => tried(target, { ...url(draw, target.base), token: target.token }),
  tokens: (draw, target) => {
    const parts = target.token.split('.');
    const decoded = Buffer.from(parts[1]!, 'base64url').toString();
    const changed = [
      scrambled(draw, target.token),
      `${parts[0]}.${Buffer.from(scrambled(draw, decoded)).toString('base64url')}.${parts[2]}`,
      `${Buffer.from(scrambled(draw, '{"alg":"HS256","typ":"at+jwt"}')).toString('base64url')}.${parts[1]}.${parts[2]}`,
    ];
    const token = pick(draw, changed).replace(/[^\x21-\x7e]/g, '');
    return tried(target, { method: 'GET', path: `${target.base}/Patient/a`, token });
  },
  NDJSON: (draw) => {
    const lines = Array.from({ length: 1 + draw(4) }, () =>
      stringifyJson(damaged(draw, pick(draw, RESOURCES))),
    ).join(pick(draw, ['\n', '\r\n', '\n\n', '\r', '']));
    const bytes = Buffer.from(scrambled(draw, lines));
    return reads(async () => {
      for await (const line of readLines(Readable.from([bytes.subarray(0, draw(bytes.length)), bytes]))) {
        const text = line.bytes?.toString() ?? '';
        await reads(() => stringifyJson(parseJson(text))).then((wrong) => {
          if (wrong !== undefined) throw new Error(wrong);
        });
      }
    });
  },
  'HL7 v2': (draw) =>
    reads(async () => {
      for (const message of readMessages(decodeMessages(broken(draw, Buffer.from(BATCH))))) {
        if ('fault' in message) continue;
        const wrong = await reads(() => mapMessage(message));
        if (wrong !== undefined) throw new Error(wrong);
      }
    }),
  'C-CDA': (draw) => reads(() => mapClinicalDocument(Buffer.from(scrambled(draw, CCDA)))),
  RTF: (draw) => reads(() => extractText(broken(draw, Buffer.from(RTF)), 'text/rtf')),
  HTML: (draw) => reads(() => extractText(Buffer.from(scrambled(draw, HTML)), 'text/html')),
  Word: (draw) => reads(() => extractText(broken(draw, DOCUMENT), DOCX)),
};

export interface FuzzResult {
  readonly rounds: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

/** Tries each kind by turns until the time is over; the inputs of a seed are the same in every run. */
export async function fuzz(
  target: FuzzTarget,
  { seed, until }: { seed: number; until: () => boolean },
): Promise<FuzzResult> {
  const rounds: Record<string, number> = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]));
  const findings: Finding[] = [];
  for (let round = 0; !until() && findings.length < 20; round++) {
    for (const [i, [kind, attempt]] of Object.entries(KINDS).entries()) {
      const wrong = await attempt(drawer(seed * 1_000_003 + round * 31 + i), target);
      rounds[kind]!++;
      if (wrong !== undefined) findings.push({ kind, round, what: wrong, input: `seed ${seed}` });
    }
  }
  return { rounds, findings };
}
