import { Fault, invalid } from '../core/fault.js';
import type { CodeableConcept, Resource } from '../core/resource.js';
import type { PageEntry } from '../search/request.js';
import type { Handler } from './exchange.js';
import type { Pair } from './negotiate.js';
import { operationParams } from './operation-input.js';
import type { Decorate } from './read.js';
import type { Route } from './router.js';
import { type Search, searchset } from './search.js';
import { requireSearchable } from './search-access.js';

/** Observations of each code that are given when the caller says nothing (R4 observation-operation-lastn.html). */
const DEFAULT_MAX = 1;
const MAX_MAX = 100;
/** Observations looked at, newest first, until every code has its share. */
const PAGE = 1_000;
const MAX_PAGES = 50;
/** Observations in one answer. */
const MAX_RESULTS = 2_000;

const SUBJECTS = new Set(['patient', 'subject']);

/** `Observation/$lastn`: the newest observations of each code, of one patient or several. */
export function lastnRoutes(search: Search, decorate: Decorate): Route[] {
  const handle: Handler = async (request) => {
    const given = await operationParams(request);
    const max = maxOf(given);
    const params = given.filter(([name]) => name !== 'max' && !RESULT.has(name.split(':')[0]!));
    if (!params.some(([name]) => SUBJECTS.has(name.split(/[:.]/)[0]!))) {
      throw invalid('$lastn needs a patient or subject.', 'patient', 'Name whose observations are meant.');
    }
    requireSearchable(request.access, 'Observation', params);
    const found: PageEntry[] = [];
    const perCode = new Map<string, number>();
    let next: readonly Pair[] = [...params, ['_sort', '-date'], ['_count', String(PAGE)]];
    let warnings: readonly Fault[] = [];
    for (let page = 0; ; page++) {
      const answer = await search(request.tenant, {
        type: 'Observation',
        params: next,
        caller: request.actor.id,
        strict: request.prefer.handling === 'strict',
        base: request.base,
      });
      if (page === 0) warnings = answer.warnings;
      for (const entry of answer.entries) {
        const key = groupOf(entry.resource);
        const have = perCode.get(key) ?? 0;
        if (have >= max) continue;
        perCode.set(key, have + 1);
        found.push(entry);
        if (found.length > MAX_RESULTS) throw tooMany();
      }
      if (answer.next === undefined) break;
      if (page + 1 >= MAX_PAGES) throw tooMany();
      next = [...new URLSearchParams(answer.next)];
    }
    const self = new URLSearchParams(
      [...params, ['max', String(max)]].map(([n, v]): [string, string] => [n!, v!]),
    );
    const result = { entries: found, total: found.length, self: self.toString(), warnings };
    return { status: 200, resource: await searchset(result, request, 'Observation/$lastn', decorate) };
  };
  const claim = {
    kind: 'operation',
    name: 'lastn',
    definition: 'http://hl7.org/fhir/OperationDefinition/Observation-lastn',
    type: 'Observation',
  } as const;
  return (['GET', 'POST'] as const).map((method) => ({
    method,
    path: 'Observation/$lastn',
    claim,
    needs: 's',
    handle,
  }));
}

const RESULT = new Set([
  '_sort',
  '_count',
  '_cursor',
  '_include',
  '_revinclude',
  '_total',
  '_summary',
  '_elements',
  '_format',
  '_pretty',
]);

function maxOf(params: readonly Pair[]): number {
  const text = params.find(([name]) => name === 'max')?.[1];
  if (text === undefined) return DEFAULT_MAX;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw invalid('max is not a positive whole number.', 'max', `Send 1 to ${MAX_MAX}.`);
  return Math.min(Number(text), MAX_MAX);
}

function tooMany(): Fault {
  return new Fault('invalid', 'There are too many observations to choose from.', {
    issueCode: 'too-costly',
    remedy: 'Narrow the search by patient, category, code or date.',
  });
}

/** Observations belong together by their codings, and without any by their text (as the specification groups them). */
function groupOf({ code, subject }: Resource): string {
  const { coding = [], text = '' } = (code ?? {}) as CodeableConcept;
  const codes = coding.map((c) => `${c.system ?? ''}|${c.code ?? ''}`).sort();
  const whose = (subject as { reference?: string } | undefined)?.reference ?? '';
  return JSON.stringify([whose, codes.length > 0 ? codes : text]);
}
