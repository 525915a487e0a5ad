import { Fault } from '../core/fault.js';
import { findSearchParameter } from '../fhir/registry.js';
import { parseName } from '../search/syntax.js';
import type { Access } from './scopes.js';

/**
 * A search may only ask about types that the caller may search: a chain, `_has` or `_list` over another type would
 * tell by its matches what that type holds, though none of it is shown.
 * @throws Fault `forbidden` naming the parameter.
 */
export function requireSearchable(
  access: Access,
  type: string | undefined,
  params: readonly (readonly [name: string, value: string])[],
): void {
  if (access.allowsEachType('s')) return;
  for (const [name, value] of params) {
    for (const asked of typesAsked(type, name, value)) {
      if (asked === ANY || !access.allows(asked, 's')) throw forbidden(name);
    }
  }
}

/** A type that only the data tells. */
const ANY = '*';

/** The types a parameter asks about besides the one searched. */
function typesAsked(type: string | undefined, name: string, value: string): string[] {
  const code = name.split(':')[0]!;
  if (code === '_list') return ['List'];
  // A filter may hold chains of its own; without them it asks about the type itself.
  if (code === '_filter') return value.includes('.') || value.includes('[') ? [ANY] : [];
  if (name.includes('.') || name.startsWith('_has:')) return chained(type, name);
  return [];
}

function chained(type: string | undefined, name: string): string[] {
  const parsed = parseName(name);
  switch (parsed.kind) {
    case 'has':
      return [parsed.source, ...chained(parsed.source, parsed.rest)];
    case 'chain': {
      const targets = parsed.target === undefined ? targetsOf(type, parsed.code) : [parsed.target];
      return targets.flatMap((target) => [target, ...chained(target, parsed.rest)]);
    }
    default:
      return [];
  }
}

function targetsOf(type: string | undefined, code: string): readonly string[] {
  const targets = type === undefined ? [] : (findSearchParameter(type, code)?.targets ?? []);
  return targets.length > 0 ? targets : [ANY];
}

function forbidden(name: string): Fault {
  return new Fault(
    'forbidden',
    'The token does not permit searching every type that this parameter asks about.',
    {
      at: name.slice(0, 64),
      remedy: 'Name the type in the chain (subject:Patient.name), and ask for a scope that searches it.',
    },
  );
}
