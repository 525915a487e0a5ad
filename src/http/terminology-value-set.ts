import { randomUUID } from 'node:crypto';
import { Fault, invalid, isFault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { isAbstract, isInactive } from '../fhir/code-tree.js';
import { type Concept, conceptsOf, inLanguage } from '../fhir/concepts.js';
import { valueSetOfR4 } from '../fhir/value-sets.js';
import type { Code } from '../search/value-sets.js';
import type { FhirRequest, Handler } from './exchange.js';
import {
  askedCodings,
  byCanonical,
  findSystem,
  type Input,
  inputOf,
  judged,
  knowledgeOf,
  type TerminologyDeps,
  verdict,
} from './terminology-common.js';

const MAX_EXPANSION = 1_000;
/** Codes of a system of which only names are here that are looked up one by one. */
const MAX_LOOKED_UP = 500;

interface FoundSet {
  readonly resource: Resource | undefined;
  readonly codes: readonly Code[];
  readonly url: string | undefined;
}

async function valueSetOf(deps: TerminologyDeps, request: FhirRequest, input: Input): Promise<FoundSet> {
  const knowledge = knowledgeOf(deps, request.tenant);
  const url = input.text('url');
  const given =
    input.resource('valueSet') ??
    (await byCanonical(deps, request, 'ValueSet', url, input.text('valueSetVersion'))) ??
    shippedSet(url, input.text('valueSetVersion'));
  if (given)
    return {
      resource: given,
      codes: await knowledge.codesOf(given),
      url: typeof given.url === 'string' ? given.url : url,
    };
  if (url === undefined)
    throw invalid('There is no value set.', 'url', 'Send url, or the ValueSet as parameter valueSet.');
  return { resource: undefined, codes: await ofR4(knowledge.valueSet(url)), url };
}

function shippedSet(canonical: string | undefined, version: string | undefined): Resource | undefined {
  const [url = '', tail] = canonical?.split('|') ?? [];
  const { id: _ours, ...found } = valueSetOfR4(url, version ?? tail) ?? {};
  return 'url' in found ? (found as Resource) : undefined;
}

/** What is asked for by its address and is not here is not found. */
async function ofR4(codes: Promise<readonly Code[]>): Promise<readonly Code[]> {
  try {
    return await codes;
  } catch (error) {
    if (!isFault(error) || error.issueCode !== 'not-found') throw error;
    throw new Fault('not-found', error.message, { at: 'url', remedy: error.remedy });
  }
}

/** R4 valueset-operation-expand.html: filter, offset and count; displays where their code systems are here. */
export function expand(deps: TerminologyDeps): Handler {
  return async (request) => {
    const input = await inputOf(request);
    const { resource, codes, url } = await valueSetOf(deps, request, input);
    const names = await namesOf(deps, request, resource, codes);
    const language = input.text('displayLanguage');
    const withDesignations = input.text('includeDesignations') === 'true';
    const filter = input.text('filter')?.toLowerCase();
    const activeOnly =
      input.text('activeOnly') === 'true' ||
      (resource?.compose as { inactive?: boolean } | undefined)?.inactive === false;
    const named = codes.flatMap((code) => {
      const { display, designations, ...flags } = names.get(keyOf(code)) ?? UNNAMED;
      if (activeOnly && flags.inactive) return [];
      return [{ ...code, display: inLanguage(designations, language) ?? display, designations, flags }];
    });
    const wanted =
      filter === undefined
        ? named
        : named.filter(
            ({ code, display }) => code.toLowerCase().startsWith(filter) || wordsStart(display, filter),
          );
    const offset = whole(input.text('offset'), 'offset', 0);
    const count = Math.min(whole(input.text('count'), 'count', MAX_EXPANSION), MAX_EXPANSION);
    const contains = wanted.slice(offset, offset + count);
    const {
      id: _id,
      meta: _meta,
      text: _text,
      compose: _compose,
      expansion: _old,
      ...head
    } = resource ?? ({ resourceType: 'ValueSet' } as Resource);
    return {
      status: 200,
      resource: {
        ...head,
        resourceType: 'ValueSet',
        ...(url === undefined ? {} : { url }),
        status: resource?.status ?? 'active',
        expansion: {
          identifier: `urn:uuid:${randomUUID()}`,
          timestamp: new Date(request.now).toISOString(),
          total: wanted.length,
          offset,
          parameter: [
            ...(filter === undefined ? [] : [{ name: 'filter', valueString: input.text('filter') }]),
            { name: 'count', valueInteger: count },
            ...(withDesignations ? [{ name: 'includeDesignations', valueBoolean: true }] : []),
            ...(activeOnly ? [{ name: 'activeOnly', valueBoolean: true }] : []),
            ...(language === undefined ? [] : [{ name: 'displayLanguage', valueCode: language }]),
          ],
          ...(contains.length > 0
            ? {
                contains: contains.map(({ system, code, display, designations, flags }) => ({
                  system,
                  ...flags,
                  code,
                  ...(display === undefined ? {} : { display }),
                  ...(withDesignations && designations.length > 0 ? { designation: designations } : {}),
                })),
              }
            : {}),
        },
      },
    };
  };
}

/** Every word of the filter starts a word of the display. */
function wordsStart(display: string | undefined, filter: string): boolean {
  const words = display?.toLowerCase().split(/[^\p{L}\p{N}]+/u) ?? [];
  return filter.split(/\s+/).every((part) => part !== '' && words.some((word) => word.startsWith(part)));
}

function whole(text: string | undefined, at: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text)) throw invalid(`${at} is not a whole number.`, at);
  return Number(text);
}

const keyOf = ({ system, code }: Code) => `${system}|${code}`;

interface Names extends Pick<Concept, 'display' | 'designations'> {
  readonly inactive?: boolean;
  readonly abstract?: boolean;
}

const UNNAMED: Names = { display: undefined, designations: [] };

/** Names as the value set itself lists them, else those of the code systems that are here. */
async function namesOf(
  deps: TerminologyDeps,
  request: FhirRequest,
  valueSet: Resource | undefined,
  codes: readonly Code[],
): Promise<Map<string, Names>> {
  const names = new Map<string, Names>();
  for (const system of new Set(codes.map((code) => code.system))) {
    const known = await findSystem(deps, { ...request, at: {} }, system);
    if (!known) continue;
    if (!known.resource) {
      for (const { code } of codes.filter((c) => c.system === system).slice(0, MAX_LOOKED_UP)) {
        const found = await known.find(code);
        if (found) names.set(`${system}|${code}`, { display: found.display, designations: [] });
      }
      continue;
    }
    for (const concept of conceptsOf(known.resource)) {
      const { code, display, designations } = concept;
      names.set(`${system}|${code}`, {
        display,
        designations,
        ...(isInactive(concept) ? { inactive: true } : {}),
        ...(isAbstract(concept) ? { abstract: true } : {}),
      });
    }
  }
  const compose = valueSet?.compose as
    | {
        include?: {
          system?: string;
          concept?: { code?: string; display?: string; designation?: Names['designations'] }[];
        }[];
      }
    | undefined;
  for (const { system, concept } of compose?.include ?? []) {
    for (const { code, display, designation } of concept ?? []) {
      const key = `${system}|${code}`;
      const known = names.get(key);
      names.set(key, {
        ...known,
        display: display ?? known?.display,
        designations: [...(designation ?? []), ...(known?.designations ?? [])],
      });
    }
  }
  return names;
}

/** R4 valueset-operation-validate-code.html. */
export function validateInSet(deps: TerminologyDeps): Handler {
  return async (request) => {
    const input = await inputOf(request);
    const asked = askedCodings(input);
    const { codes } = await valueSetOf(deps, request, input);
    for (const coding of asked) {
      const found = codes.find(
        (c) => c.code === coding.code && (coding.system === undefined || c.system === coding.system),
      );
      if (!found) continue;
      const known = await findSystem(deps, { ...request, at: {} }, found.system);
      const concept = await known?.find(found.code);
      return { status: 200, resource: judged(known, concept, coding.display) };
    }
    return { status: 200, resource: verdict(false, 'The code is not in the value set.', undefined) };
  };
}
