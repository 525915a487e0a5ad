import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../core/package-root.js';
import type { Resource } from '../core/resource.js';
import { codeSystemOfR4 } from '../fhir/code-systems.js';
import { searchParametersOf } from '../fhir/registry.js';
import { RESOURCE_TYPES } from '../fhir/resource-types.js';
import { valueSetOfR4 } from '../fhir/value-sets.js';

/** Folders of `fhir-profiles` that hold definitions; what lies beside them is examples. */
const FOLDERS = ['operations', 'profiles', 'extensions', 'code-systems', 'views'];

let own: Map<string, Resource> | undefined;
let parameters: Map<string, Resource> | undefined;

/**
 * A definition that the CapabilityStatement names and that every tenant can read without having stored it: our
 * operations, profiles, extensions, code systems and views from `fhir-profiles`, R4's search parameters, code systems and
 * value sets from the tables that serve them.
 */
export function builtInDefinition(type: string, id: string): Resource | undefined {
  if (type === 'SearchParameter') {
    parameters ??= searchParameters();
    return parameters.get(id);
  }
  own ??= ownDefinitions();
  return own.get(`${type}/${id}`) ?? terminologyOfR4(type, id);
}

/** R4's code systems and value sets are named by the last part of their addresses. */
function terminologyOfR4(type: string, id: string): Resource | undefined {
  const find = type === 'ValueSet' ? valueSetOfR4 : type === 'CodeSystem' ? codeSystemOfR4 : undefined;
  for (const base of PLACES[type] ?? []) {
    const found = find?.(`${base}${id}`);
    if (found) return { ...found, id };
  }
  return undefined;
}

const PLACES: Readonly<Record<string, readonly string[]>> = {
  ValueSet: ['http://hl7.org/fhir/ValueSet/', 'http://terminology.hl7.org/ValueSet/'],
  CodeSystem: ['http://hl7.org/fhir/', 'http://terminology.hl7.org/CodeSystem/'],
};

function ownDefinitions(): Map<string, Resource> {
  const found = new Map<string, Resource>();
  for (const folder of FOLDERS) {
    const path = join(packageRoot(), 'fhir-profiles', folder);
    for (const file of readdirSync(path).filter((name) => name.endsWith('.json'))) {
      const resource = JSON.parse(readFileSync(join(path, file), 'utf8')) as Resource;
      found.set(`${resource.resourceType}/${resource.id}`, resource);
    }
  }
  return found;
}

/** Parameters of every resource are defined on what all of them specialise. */
const COMMON = /^(Resource|DomainResource)-/;

/** One definition may serve several types: its expressions are put together again. */
function searchParameters(): Map<string, Resource> {
  const found = new Map<string, Resource & { base: string[]; expression?: string; target?: string[] }>();
  for (const type of RESOURCE_TYPES) {
    for (const { url, code, type: kind, expression, targets } of searchParametersOf(type)) {
      const id = url.slice(url.lastIndexOf('/') + 1);
      const known = found.get(id);
      const whole = [known?.expression, expression].filter((text) => text !== undefined && text !== '');
      const target = [...new Set([...(known?.target ?? []), ...targets])].sort();
      found.set(id, {
        resourceType: 'SearchParameter',
        id,
        url,
        name: code,
        status: 'active',
        description: `Search by ${code}, as this server serves it.`,
        code,
        base: COMMON.exec(id)?.slice(1) ?? [...(known?.base ?? []), type],
        type: kind,
        ...(whole.length > 0 ? { expression: [...new Set(whole)].join(' | ') } : {}),
        ...(target.length > 0 ? { target } : {}),
      });
    }
  }
  return found;
}
