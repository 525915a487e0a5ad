import { Fault, invalid } from '../core/fault.js';
import { codeTree } from '../fhir/code-tree.js';
import { type Concept, inLanguage, isUnder } from '../fhir/concepts.js';
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
    const asked = new Set(input.texts('property'));
    const tells = (property: string) => asked.size === 0 || asked.has(property);
    const display =
      inLanguage(concept.designations, input.text('displayLanguage')) ?? concept.display ?? code;
    return {
      status: 200,
      resource: parameters([
        { name: 'name', valueString: known.name },
        known.version === undefined ? undefined : { name: 'version', valueString: known.version },
        { name: 'display', valueString: display },
        concept.definition === undefined || !tells('definition')
          ? undefined
          : { name: 'definition', valueString: concept.definition },
        ...concept.designations
          .filter(({ language }) => tells('designation') || asked.has(`lang.${language}`))
          .map(designationPart),
        ...[...concept.properties, ...relatives(known, concept)]
          .filter((property) => tells(property.code))
          .map(({ code: name, ...value }) => ({
            name: 'property',
            part: [
              { name: 'code', valueCode: name },
              { name: 'value', ...value },
            ],
          })),
      ]),
    };
  };
}

function designationPart({ language, use, value }: Concept['designations'][number]): Record<string, unknown> {
  return {
    name: 'designation',
    part: [
      ...(language ? [{ name: 'language', valueCode: language }] : []),
      ...(use ? [{ name: 'use', valueCoding: use }] : []),
      { name: 'value', valueString: value },
    ],
  };
}

/** The codes directly over and under a concept, as far as they are not among its properties already. */
function relatives({ resource }: KnownSystem, { code, properties }: Concept): Concept['properties'] {
  if (!resource) return [];
  const { parents, children } = codeTree(resource);
  const told = new Set(properties.map((p) => `${p.code}|${p.valueCode}`));
  return [
    ...(parents.get(code) ?? []).map((valueCode) => ({ code: 'parent', valueCode })),
    ...(children.get(code) ?? []).map((valueCode) => ({ code: 'child', valueCode })),
  ].filter((p) => !told.has(`${p.code}|${p.valueCode}`));
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
