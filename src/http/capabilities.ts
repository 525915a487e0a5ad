import type { IndexPrivacy } from '../core/blind.js';
import type { Resource } from '../core/resource.js';
import { type ParameterRegistry, searchParametersOf, standardRegistry } from '../fhir/registry.js';
import { requiredCodes } from '../fhir/required-codes.js';
import { RESOURCE_TYPES } from '../fhir/resource-types.js';
import type { ValidationLevel } from '../fhir/validate.js';
import type { Route } from './router.js';

/** What the statement says beyond what routes and tables do. */
export interface CapabilitySettings {
  readonly base: string;
  readonly version: string;
  /** ms; when the program was built or started. */
  readonly date: number;
  readonly secured: boolean;
  /** Address of the tenant's authorisation server, where it has one. */
  readonly oauth?: string | undefined;
  readonly multipleDelete: boolean;
  /** How strictly what is written is checked, and whether references must hold; of the tenant where it is known. */
  readonly validation: ValidationLevel;
  readonly integrity: boolean;
  /** Of the tenant where it is known. */
  readonly indexPrivacy?: IndexPrivacy | undefined;
  /** The tenant's search parameters, its own among them; R4's alone for callers who may not know of it. */
  readonly registry?: ParameterRegistry | undefined;
}

/** A CapabilityStatement of R4 can name R4's types alone; ours are served the same way and told in the documentation. */
const R4_NAMES = new Set(
  [...(requiredCodes('resource-types')?.values() ?? [])].flatMap((codes) => [...(codes ?? [])]),
);
export const R4_TYPES = RESOURCE_TYPES.filter((type) => R4_NAMES.has(type));
const OWN_TYPES = RESOURCE_TYPES.filter((type) => !R4_NAMES.has(type));

/** Order of R4 `type-restful-interaction`. */
const TYPE_INTERACTIONS = [
  'read',
  'vread',
  'update',
  'patch',
  'delete',
  'history-instance',
  'history-type',
  'create',
  'search-type',
];
/** What a server says that serves Bulk Data Access. */
const BULK_DATA = 'http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data';
const SYSTEM_INTERACTIONS = ['transaction', 'batch', 'search-system', 'history-system'];

/** Compartments of R4, all of which are served. */
export const COMPARTMENTS = ['Patient', 'Encounter', 'Practitioner', 'RelatedPerson', 'Device'] as const;

/**
 * The CapabilityStatement (R4 http.html#capabilities), from the table of routes and the tables of resource types and
 * search parameters: nothing is claimed that has no route, and every route is claimed.
 */
export function capabilityStatement(routes: readonly Route[], settings: CapabilitySettings): Resource {
  const codes = (kind: 'type' | 'system') =>
    new Set(routes.flatMap(({ claim }) => (claim.kind === kind ? [claim.code] : [])));
  const typeCodes = codes('type');
  const systemCodes = codes('system');
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: new Date(settings.date).toISOString(),
    publisher: 'Cenote',
    kind: 'instance',
    software: { name: 'Cenote', version: settings.version },
    implementation: { description: 'Cenote FHIR R4 data lake', url: settings.base },
    ...(routes.some(({ claim }) => claim.kind === 'operation' && claim.name === 'export')
      ? { instantiates: [BULK_DATA] }
      : {}),
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    ...(typeCodes.has('patch')
      ? { patchFormat: ['application/json-patch+json', 'application/fhir+json'] }
      : {}),
    rest: [
      {
        mode: 'server',
        documentation: documentation(settings),
        security: security(settings),
        resource: R4_TYPES.map((type) => resourceOf(type, typeCodes, routes, settings)),
        interaction: SYSTEM_INTERACTIONS.filter((code) => systemCodes.has(code)).map((code) => ({ code })),
        searchParam: [
          { name: '_type', type: 'special', definition: 'http://hl7.org/fhir/SearchParameter/Resource-type' },
          ...['_id', '_lastUpdated', '_tag', '_profile', '_security', '_source'].flatMap(commonParameter),
        ],
        operation: operations(routes, undefined),
        compartment: COMPARTMENTS.map(
          (type) => `http://hl7.org/fhir/CompartmentDefinition/${type.toLowerCase()}`,
        ),
      },
    ],
  };
}

/** `metadata?mode=terminology` (R4 terminologycapabilities.html). The code systems themselves are the tenant's data. */
export function terminologyCapabilities({ base, version, date }: CapabilitySettings): Resource {
  return {
    resourceType: 'TerminologyCapabilities',
    status: 'active',
    date: new Date(date).toISOString(),
    kind: 'instance',
    software: { name: 'Cenote', version },
    implementation: { description: 'Cenote FHIR R4 data lake', url: base },
    codeSearch: 'explicit',
    expansion: {
      hierarchical: false,
      paging: true,
      incomplete: false,
      parameter: [
        'url',
        'valueSet',
        'valueSetVersion',
        'filter',
        'offset',
        'count',
        'includeDesignations',
        'displayLanguage',
      ].map((name) => ({
        name,
      })),
    },
    validateCode: { translations: true },
    translation: { needsMap: true },
    closure: { translation: false },
  };
}

/** What a dump of the database shows of values at each level. */
const INDEX_TELLS: Readonly<Record<IndexPrivacy, string>> = {
  exact: 'keyed hashes of values, dates and numbers.',
  bucketed: 'hashes that many values share, months in place of dates; matches are opened and looked at.',
  none: 'nothing of values; matches are found by opening records.',
};

function documentation({ validation, integrity, registry, indexPrivacy }: CapabilitySettings): string {
  return [
    ...OWN_TYPES.map((type) => {
      const codes = (registry ?? standardRegistry).parametersOf(type).map(({ code }) => code);
      return `Served like the types of R4, though R4 does not know it: ${type}, searched by ${codes.join(', ')}.`;
    }),
    `What is written is checked at the level "${validation}" unless X-Cenote-Validation names another.`,
    ...(integrity
      ? ['References must name resources that are here; what others refer to cannot be deleted.']
      : []),
    ...(indexPrivacy
      ? [
          `Index privacy level "${indexPrivacy}": ${INDEX_TELLS[indexPrivacy]} Results are the same at each level.`,
        ]
      : []),
  ].join(' ');
}

/** SMART's extension with the addresses of the authorisation server, for clients that look here for them. */
const OAUTH_URIS = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris';

function security({ secured, oauth }: CapabilitySettings): Record<string, unknown> {
  if (!secured)
    return { description: 'Development mode: no token is asked for, and only this machine is served.' };
  const endpoints = ['authorize', 'token', 'introspect', 'revoke'];
  return {
    ...(oauth === undefined
      ? {}
      : {
          extension: [
            {
              url: OAUTH_URIS,
              extension: endpoints.map((url) => ({ url, valueUri: `${oauth}/${url}` })),
            },
          ],
        }),
    service: [
      {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR' },
        ],
        text: 'OAuth2 bearer token for this tenant, with SMART scopes',
      },
    ],
    description: 'Every request except for this statement needs a bearer token issued for this tenant.',
  };
}

function commonParameter(code: string): Record<string, unknown>[] {
  const found = searchParametersOf('Patient').find((parameter) => parameter.code === code);
  return found ? [{ name: found.code, type: found.type, definition: found.url }] : [];
}

function resourceOf(
  type: string,
  codes: ReadonlySet<string>,
  routes: readonly Route[],
  { multipleDelete, integrity, registry = standardRegistry }: CapabilitySettings,
): Record<string, unknown> {
  const parameters = registry.parametersOf(type).filter(({ code }) => code !== '_type' && code !== '_has');
  const references = parameters.filter((parameter) => parameter.type === 'reference');
  const own = operations(routes, type);
  const pointing = pointingAt(registry).get(type) ?? [];
  return {
    type,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    interaction: TYPE_INTERACTIONS.filter((code) => codes.has(code)).map((code) => ({ code })),
    versioning: 'versioned-update',
    readHistory: codes.has('vread'),
    updateCreate: codes.has('update'),
    conditionalCreate: codes.has('create'),
    conditionalRead: 'full-support',
    conditionalUpdate: codes.has('update'),
    conditionalDelete: multipleDelete ? 'multiple' : 'single',
    referencePolicy: ['literal', 'logical', 'local', ...(integrity ? ['enforced'] : [])],
    searchInclude: ['*', ...references.map(({ code }) => `${type}:${code}`)],
    ...(pointing.length > 0 ? { searchRevInclude: pointing } : {}),
    searchParam: parameters.map(({ code, type: kind, url }) => ({ name: code, type: kind, definition: url })),
    ...(own.length > 0 ? { operation: own } : {}),
  };
}

const tables = new WeakMap<ParameterRegistry, Map<string, string[]>>();

/** Reference parameters that may point at each type by name. Those that may point anywhere are left to `searchInclude`. */
function pointingAt(registry: ParameterRegistry): Map<string, string[]> {
  let table = tables.get(registry);
  if (table) return table;
  table = new Map();
  tables.set(registry, table);
  for (const source of RESOURCE_TYPES) {
    for (const { code, type: kind, targets } of registry.parametersOf(source)) {
      if (kind !== 'reference') continue;
      for (const target of targets) {
        const list = table.get(target) ?? [];
        list.push(`${source}:${code}`);
        table.set(target, list);
      }
    }
  }
  return table;
}

function operations(
  routes: readonly Route[],
  type: string | undefined,
): { name: string; definition: string }[] {
  const found = new Map<string, string>();
  for (const { claim } of routes) {
    if (claim.kind === 'operation' && claim.type === type) found.set(claim.name, claim.definition);
  }
  return [...found].map(([name, definition]) => ({ name, definition }));
}
