import { Fault, invalid } from '../core/fault.js';
import type { CodeKnowledge } from '../search/value-sets.js';
import { findConcept } from './concepts.js';
import type { Handler } from './exchange.js';
import {
  askedCodings,
  inputOf,
  judged,
  knowledgeOf,
  parameters,
  systemOf,
  type TerminologyDeps,
  verdict,
} from './terminology-common.js';

/** R4 codesystem-operation-lookup.html. */
export function lookup(deps: TerminologyDeps): Handler {
  return async (request) => {
    const input = await inputOf(request);
    const coding = input.coding('coding');
    const system = input.text('system') ?? coding?.system;
    const code = input.text('code') ?? coding?.code;
    if (system === undefined || code === undefined)
      throw invalid('$lookup needs system and code, or a coding.', 'code');
    const codeSystem = await systemOf(deps, request, system, input.text('version'));
    const concept = findConcept(codeSystem, code);
    if (!concept) throw new Fault('not-found', 'The code system has no such code.', { at: 'code' });
    return {
      status: 200,
      resource: parameters([
        { name: 'name', valueString: String(codeSystem.name ?? codeSystem.title ?? codeSystem.url) },
        typeof codeSystem.version === 'string'
          ? { name: 'version', valueString: codeSystem.version }
          : undefined,
        { name: 'display', valueString: concept.display ?? code },
        concept.definition === undefined
          ? undefined
          : { name: 'definition', valueString: concept.definition },
        ...concept.designations.map((designation) => ({
          name: 'designation',
          part: [
            ...(designation.language ? [{ name: 'language', valueCode: designation.language }] : []),
            ...(designation.use ? [{ name: 'use', valueCoding: designation.use }] : []),
            { name: 'value', valueString: designation.value },
          ],
        })),
        ...concept.properties.map(({ code: name, ...value }) => ({
          name: 'property',
          part: [
            { name: 'code', valueCode: name },
            { name: 'value', ...value },
          ],
        })),
        ...concept.parents.map((parent) => ({
          name: 'property',
          part: [
            { name: 'code', valueCode: 'parent' },
            { name: 'value', valueCode: parent },
          ],
        })),
      ]),
    };
  };
}

/** R4 codesystem-operation-validate-code.html. */
export function validateInSystem(deps: TerminologyDeps): Handler {
  return async (request) => {
    const input = await inputOf(request);
    for (const coding of askedCodings(input)) {
      const codeSystem = await systemOf(
        deps,
        request,
        input.text('url') ?? coding.system,
        input.text('version'),
      );
      const concept = coding.code === undefined ? undefined : findConcept(codeSystem, coding.code);
      if (concept) return { status: 200, resource: judged(concept, coding.display) };
    }
    return { status: 200, resource: verdict(false, 'The code system has no such code.', undefined) };
  };
}

/** R4 codesystem-operation-subsumes.html. */
export function subsumes(deps: TerminologyDeps): Handler {
  return async (request) => {
    const input = await inputOf(request);
    const a = input.coding('codingA');
    const b = input.coding('codingB');
    const codeA = input.text('codeA') ?? a?.code;
    const codeB = input.text('codeB') ?? b?.code;
    if (codeA === undefined || codeB === undefined)
      throw invalid('$subsumes needs codeA and codeB, or two codings.', 'codeA');
    const codeSystem = await systemOf(
      deps,
      request,
      input.text('system') ?? a?.system,
      input.text('version'),
    );
    for (const [at, code] of [
      ['codeA', codeA],
      ['codeB', codeB],
    ] as const) {
      if (!findConcept(codeSystem, code))
        throw new Fault('not-found', 'The code system has no such code.', { at });
    }
    const outcome =
      codeA === codeB
        ? 'equivalent'
        : await relation(knowledgeOf(deps, request.tenant), String(codeSystem.url), codeA, codeB);
    return { status: 200, resource: parameters([{ name: 'outcome', valueCode: outcome }]) };
  };
}

async function relation(knowledge: CodeKnowledge, system: string, a: string, b: string): Promise<string> {
  const below = async (code: string) =>
    new Set((await knowledge.related({ system, code }, 'below')).map((c) => c.code));
  if ((await below(a)).has(b)) return 'subsumes';
  return (await below(b)).has(a) ? 'subsumed-by' : 'not-subsumed';
}
