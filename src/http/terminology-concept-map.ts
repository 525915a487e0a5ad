import { Fault } from '../core/fault.js';
import type { Coding, Resource } from '../core/resource.js';
import type { Handler } from './exchange.js';
import {
  askedCodings,
  byCanonical,
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
    const map =
      input.resource('conceptMap') ??
      (await byCanonical(deps, request, 'ConceptMap', input.text('url'), input.text('conceptMapVersion')));
    if (!map)
      throw new Fault('not-found', 'The concept map is not known here.', {
        at: 'url',
        remedy: 'Store the ConceptMap first.',
      });
    const reverse = input.text('reverse') === 'true';
    const target = input.text('targetsystem') ?? input.text('targetSystem');
    const matches = askedCodings(input).flatMap((coding) => matchesOf(map, coding, reverse, target));
    const result = matches.some(({ equivalence }) => !NO_MATCH.has(equivalence));
    return {
      status: 200,
      resource: parameters([
        { name: 'result', valueBoolean: result },
        result ? undefined : { name: 'message', valueString: 'The map has no translation of the code.' },
        ...matches.map(({ equivalence, concept }) => ({
          name: 'match',
          part: [
            { name: 'equivalence', valueCode: equivalence },
            { name: 'concept', valueCoding: concept },
            ...(typeof map.url === 'string' ? [{ name: 'source', valueUri: map.url }] : []),
          ],
        })),
      ]),
    };
  };
}

function matchesOf(
  map: Resource,
  coding: Coding,
  reverse: boolean,
  targetSystem: string | undefined,
): { equivalence: string; concept: Coding }[] {
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
        return hit ? [{ equivalence: t.equivalence ?? 'equivalent', concept }] : [];
      }),
    );
  });
}
