import { Fault, isFault } from '../../core/fault.js';
import type { Resource } from '../../core/resource.js';
import { typeDefinition } from '../elements.js';
import { compileExpression, type PathFunction } from '../paths.js';

/** A constraint that a profile adds to those of the base. */
export interface ProfileRule {
  readonly key: string;
  readonly human: string;
  readonly error: boolean;
  readonly holds: (element: unknown, resource: Resource) => boolean;
}

export interface Discriminator {
  readonly type: string;
  /** Steps of the path; empty for `$this`. */
  readonly steps: readonly string[];
}

/** An element of a snapshot, or a slice of one, with what is below it. */
export interface ProfileNode {
  readonly id: string;
  /** JSON name without `[x]`. */
  readonly name: string;
  readonly choice: boolean;
  readonly slice: string | undefined;
  readonly min: number;
  readonly max: number;
  readonly types: readonly ProfileElementType[];
  readonly fixed: unknown;
  readonly pattern: unknown;
  readonly binding: { readonly strength: string; readonly valueSet: string } | undefined;
  readonly rules: ProfileRule[];
  discriminators: readonly Discriminator[];
  closed: boolean;
  readonly slices: ProfileNode[];
  readonly children: ProfileNode[];
}

export interface ProfileElementType {
  readonly code: string;
  readonly profiles: readonly string[];
  readonly targets: readonly string[];
}

/** A profile made ready to check resources (or extensions) of `type`. */
export interface Profile {
  readonly url: string;
  readonly type: string;
  readonly root: ProfileNode;
}

/** Snapshots with more elements than this are refused; US Core's largest has 300. */
const MAX_ELEMENTS = 5_000;

const BASE = 'http://hl7.org/fhir/StructureDefinition/';

interface ElementDefinition {
  id?: string;
  path: string;
  sliceName?: string;
  min?: number;
  max?: string;
  type?: { code: string; profile?: string[]; targetProfile?: string[] }[];
  binding?: { strength: string; valueSet?: string };
  constraint?: { key: string; severity: string; human: string; expression?: string; source?: string }[];
  slicing?: { discriminator?: { type: string; path: string }[]; rules?: string };
  [member: string]: unknown;
}

/**
 * Builds the tree of a StructureDefinition's snapshot.
 * @throws Fault `invalid` where it has none or cannot be followed, naming the element.
 */
export function profileOf(definition: Resource): Profile {
  const { url, type, snapshot } = definition as Record<string, unknown>;
  const elements = (snapshot as { element?: ElementDefinition[] } | undefined)?.element;
  if (
    typeof url !== 'string' ||
    typeof type !== 'string' ||
    !Array.isArray(elements) ||
    elements.length === 0
  ) {
    throw new Fault('invalid', 'A profile needs url, type and a snapshot.', {
      at: 'StructureDefinition.snapshot',
      remedy: 'Load the package with snapshots.',
    });
  }
  if (elements.length > MAX_ELEMENTS) {
    throw new Fault('too-large', 'The profile has too many elements.', {
      at: 'StructureDefinition.snapshot',
    });
  }
  const nodes = new Map<string, ProfileNode>();
  let root: ProfileNode | undefined;
  for (const [i, element] of elements.entries()) {
    const id = element.id ?? element.path;
    const node = nodeOf(element, id);
    nodes.set(id, node);
    if (i === 0) {
      root = node;
      continue;
    }
    const sliced = slicedId(id);
    const home = nodes.get(sliced ?? id.slice(0, id.lastIndexOf('.')));
    if (!home) {
      throw new Fault('invalid', 'An element of the snapshot stands before its parent.', {
        at: `StructureDefinition.snapshot.element[${i}]`,
      });
    }
    (sliced === undefined ? home.children : home.slices).push(node);
  }
  return { url, type, root: root! };
}

/** `Observation.component:systolic` is a slice of `Observation.component`; undefined for what is no slice itself. */
function slicedId(id: string): string | undefined {
  const last = id.slice(id.lastIndexOf('.') + 1);
  // A slice of a slice is written a:b/c; it stands beside a:b, whose discriminators it shares.
  const colon = last.indexOf(':');
  return colon < 0 ? undefined : id.slice(0, id.length - last.length + colon);
}

function nodeOf(element: ElementDefinition, id: string): ProfileNode {
  const last = element.path.slice(element.path.lastIndexOf('.') + 1);
  const choice = last.endsWith('[x]');
  const types = (element.type ?? []).map((t) => ({
    code: t.code.startsWith('http://hl7.org/fhirpath/System.') ? 'string' : t.code,
    profiles: t.profile ?? [],
    targets: t.targetProfile ?? [],
  }));
  return {
    id,
    name: choice ? last.slice(0, -3) : last,
    choice,
    slice: element.sliceName,
    min: element.min ?? 0,
    max: element.max === undefined || element.max === '*' ? Number.POSITIVE_INFINITY : Number(element.max),
    types,
    fixed: givenValue(element, 'fixed'),
    pattern: givenValue(element, 'pattern'),
    binding: element.binding?.valueSet
      ? { strength: element.binding.strength, valueSet: element.binding.valueSet.split('|')[0]! }
      : undefined,
    rules: rulesOf(element),
    discriminators: (element.slicing?.discriminator ?? []).map((d) => ({
      type: d.type,
      steps: d.path === '$this' ? [] : d.path.split('.'),
    })),
    closed: element.slicing?.rules === 'closed',
    slices: [],
    children: [],
  };
}

/** `fixedCode`, `patternCodeableConcept` and the like. */
function givenValue(element: ElementDefinition, prefix: string): unknown {
  const name = Object.keys(element).find((k) => k.startsWith(prefix) && k.length > prefix.length);
  return name === undefined ? undefined : element[name];
}

/**
 * The constraints a profile adds. One that needs a function which expressions here do not have is left out: it can
 * neither be held nor broken.
 */
function rulesOf(element: ElementDefinition): ProfileRule[] {
  const type = typeAt(element.path);
  return (element.constraint ?? []).flatMap((c) => {
    if (!c.expression || c.source === undefined || isBaseSource(c.source)) return [];
    const compiled = compiledRule(c.expression, type);
    if (!compiled) return [];
    const holds = (value: unknown, resource: Resource): boolean => {
      const found = compiled.from(value, resource);
      return !(found.length === 1 && found[0] === false);
    };
    return [{ key: c.key, human: c.human, error: c.severity === 'error', holds }];
  });
}

function compiledRule(expression: string, type: string): PathFunction | undefined {
  try {
    return compileExpression(expression, type);
  } catch (error) {
    if (isFault(error) && error.category === 'unsupported') return undefined;
    throw error;
  }
}

/** The type of the element at a snapshot's path, whose members its expressions start from. */
function typeAt(path: string): string {
  const [root = '', ...steps] = path.split('.');
  return steps.reduce((type, step) => {
    const element = typeDefinition(type)?.byName.get(step.replace('[x]', ''));
    return element && !element.choice ? element.types[0]!.code : 'Resource';
  }, root);
}

/** R4's own invariants are checked without any profile. */
function isBaseSource(source: string): boolean {
  const name = source.startsWith(BASE) ? source.slice(BASE.length) : source;
  return /^[A-Z][A-Za-z]*$/.test(name);
}
