import { Fault, invalid } from '../core/fault.js';
import type { Coding, Resource } from '../core/resource.js';
import type { FhirRequest, Handler } from './exchange.js';
import {
  askedCodings,
  byCanonical,
  type Input,
  inputOf,
  parameters,
  type TerminologyDeps,
} from './terminology-common.js';

interface MapGroup {
  readonly source?: string;
  readonly target?: string;
  readonly element?: readonly {
    readonly code?: string;
    readonly target?: readonly {
      readonly code?: string;
      readonly display?: string;
      readonly equivalence?: string;
    }[];
  }[];
}

/** Equivalences that are no match (R4 valueset-concept-map-equivalence). */
const NO_MATCH = new Set(['unmatched', 'disjoint']);

/** R4 conceptmap-operation-translate.html, from source to target or, with `reverse`, back. */
export function translate(deps: TerminologyDeps): Handler {
  return async (request) => {
    const input = await inputOf(request);
    const reverse = input.text('reverse') === 'true';
    const target = input.text('targetsystem') ?? input.text('targetSystem');
    const codings = askedCodings(input);
    const named =
      input.resource('conceptMap') ??
      (await byCanonical(deps, request, 'ConceptMap', input.text('url'), input.text('conceptMapVersion')));
    const unnamed = named === undefined && input.text('url') === undefined;
    const maps = named ? [named] : unnamed ? await mapsFor(deps, request, input, codings, reverse) : [];
    if (maps.length === 0)
      throw new Fault('not-found', 'No concept map for this is known here.', {
        at: 'url',
        remedy: 'Store the ConceptMap first, or name it by its url.',
      });
    const matches = maps.flatMap((map) =>
      codings.flatMap((coding) => matchesOf(map, coding, reverse, target)),
    );
    const result = matches.some(({ equivalence }) => !NO_MATCH.has(equivalence));
    return {
      status: 200,
      resource: parameters([
        { name: 'result', valueBoolean: result },
        result ? undefined : { name: 'message', valueString: 'The map has no translation of the code.' },
        ...matches.map(({ equivalence, concept, map }) => ({
          name: 'match',
          part: [
            { name: 'equivalence', valueCode: equivalence },
            { name: 'concept', valueCoding: concept },
            ...(typeof map === 'string' ? [{ name: 'source', valueUri: map }] : []),
          ],
        })),
      ]),
    };
  };
}

/** Maps looked at where none is named. */
const MAX_MAPS = 20;

/**
 * The maps that translate from the systems of the codings (with `reverse`: to them), between the value sets of `source`
 * and `target` where these are given: what a server does that is told no map (R4 conceptmap-operation-translate.html).
 */
async function mapsFor(
  { search, baseOf }: TerminologyDeps,
  { tenant }: FhirRequest,
  input: Input,
  codings: readonly Coding[],
  reverse: boolean,
): Promise<Resource[]> {
  const systems = [...new Set(codings.flatMap(({ system }) => system ?? []))];
  if (systems.length === 0)
    throw invalid('A code without its system says not which map is meant.', 'url', 'Send url, or system.');
  const query = new URLSearchParams();
  for (const system of systems) query.append(reverse ? 'target-system' : 'source-system', system);
  const found = await search.findMatches(tenant, 'ConceptMap', query.toString(), MAX_MAPS, baseOf(tenant));
  const [from, to] = reverse ? (['target', 'source'] as const) : (['source', 'target'] as const);
  return found.filter(
    (map) => isBetween(map, from, input.text('source')) && isBetween(map, to, input.text('target')),
  );
}

/** Whether the value set of one side of a map is the one asked for, if one is. */
function isBetween(map: Resource, side: 'source' | 'target', wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const given = map[`${side}Uri`] ?? map[`${side}Canonical`];
  return typeof given === 'string' && given.split('|')[0] === wanted.split('|')[0];
}

function matchesOf(
  map: Resource,
  coding: Coding,
  reverse: boolean,
  targetSystem: string | undefined,
): { equivalence: string; concept: Coding; map: unknown }[] {
  const groups = (map.group as MapGroup[] | undefined) ?? [];
  return groups.flatMap(({ source, target, element = [] }) => {
    const [from, to] = reverse ? [target, source] : [source, target];
    if (coding.system !== undefined && from !== undefined && from !== coding.system) return [];
    if (targetSystem !== undefined && to !== targetSystem) return [];
    return element.flatMap(({ code, target: targets = [] }) =>
      targets.flatMap((t) => {
        const hit = reverse ? t.code === coding.code : code === coding.code;
        const concept = reverse
          ? { system: to, code }
          : { system: to, code: t.code, ...(t.display === undefined ? {} : { display: t.display }) };
        return hit ? [{ equivalence: t.equivalence ?? 'equivalent', concept, map: map.url }] : [];
      }),
    );
  });
}
