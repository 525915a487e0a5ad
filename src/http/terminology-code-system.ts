import { Fault, invalid } from '../core/fault.js';
import { isUnder } from './concepts.js';
import type { Handler } from './exchange.js';
import {
  askedCodings,
  conceptIn,
  inputOf,
  judged,
  type KnownSystem,
  LOAD,
  ONLY_A_PART,
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
    const known = await systemOf(deps, request, system, input.text('version'));
    const concept = await conceptIn(known, code, 'code');
    return {
      status: 200,
      resource: parameters([
        { name: 'name', valueString: known.name },
        known.version === undefined ? undefined : { name: 'version', valueString: known.version },
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
    let partial = false;
    for (const coding of askedCodings(input)) {
      const known = await systemOf(deps, request, input.text('url') ?? coding.system, input.text('version'));
      const concept = coding.code === undefined ? undefined : await known.find(coding.code);
      if (concept) return { status: 200, resource: judged(known, concept, coding.display) };
      partial ||= known.partial;
    }
    const message = partial
      ? `${ONLY_A_PART} It may be right all the same. ${LOAD}`
      : 'The code system has no such code.';
    return { status: 200, resource: verdict(false, message, undefined) };
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
    const known = await systemOf(deps, request, input.text('system') ?? a?.system, input.text('version'));
    const first = await conceptIn(known, codeA, 'codeA');
    const second = await conceptIn(known, codeB, 'codeB');
    const outcome = relation(known, first.code, second.code);
    return { status: 200, resource: parameters([{ name: 'outcome', valueCode: outcome }]) };
  };
}

/** @throws Fault `unsupported` where only names of codes are here: no hierarchy is not the same as none found. */
function relation({ resource }: KnownSystem, a: string, b: string): string {
  if (a === b) return 'equivalent';
  if (!resource)
    throw new Fault('unsupported', 'The hierarchy of the code system is not here.', {
      at: 'system',
      remedy: 'Store the CodeSystem with its concepts.',
    });
  if (isUnder(resource, b, a)) return 'subsumes';
  return isUnder(resource, a, b) ? 'subsumed-by' : 'not-subsumed';
}
