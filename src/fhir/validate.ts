import { Fault } from '../core/fault.js';
import { Decimal, MAX_JSON_DEPTH } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { type CheckOptions, checkResource, MAX_FAULTS } from './check.js';
import { type ElementRow, type Member, typeDefinition } from './elements.js';
import { narrativeFault } from './narrative.js';
import { compileExpression } from './paths.js';
import { requiredCodes } from './required-codes.js';
import { readTable } from './tables.js';
import { compileView } from './views/view.js';

/**
 * How much is asked of a resource before it is written. `minimal`: that it is JSON with a known type; `structure`: the
 * form (`checkResource`); `strict`: also the codes of required bindings, R4's invariants of severity error, and the
 * narrative.
 */
export type ValidationLevel = 'minimal' | 'structure' | 'strict';

export const VALIDATION_LEVELS: readonly ValidationLevel[] = ['minimal', 'structure', 'strict'];

/** Checks a resource at a level. @returns the same object. @throws Fault `invalid`, as `checkResource`. */
export function validateResource(
  value: unknown,
  level: ValidationLevel,
  options: CheckOptions = {},
): Resource {
  const resource = checkResource(value, { ...options, minimal: level === 'minimal' });
  // A view that cannot run is refused when it is written, not when somebody needs it.
  if (resource.resourceType === 'ViewDefinition' && level !== 'minimal') compileView(resource);
  if (level !== 'strict') return resource;
  const [first, ...also] = ruleFaults(resource);
  if (!first) return resource;
  throw new Fault('invalid', first.message, {
    at: first.at,
    remedy: first.remedy,
    issueCode: first.issueCode,
    also,
  });
}

/** What a resource of right form still breaks: required codes, invariants, narrative, contained resources. */
export function ruleFaults(resource: Resource): Fault[] {
  const walk = new Walk();
  walk.resource(resource, resource, [resource.resourceType]);
  return walk.faults;
}

interface Rule {
  readonly key: string;
  readonly human: string;
  readonly holds: (element: unknown, resource: Resource) => boolean;
}

interface Slot {
  readonly member: Member;
  /** Type to go into; undefined for primitives. */
  readonly child: string | undefined;
  readonly binding: string | undefined;
  readonly rules: readonly Rule[];
}

interface Plan {
  readonly rules: readonly Rule[];
  /** Only members with something to look at. */
  readonly slots: ReadonlyMap<string, Slot>;
}

type Invariants = Record<string, [key: string, expression: string, human: string][]>;
type Path = (string | number)[];

let invariants: Invariants | undefined;
const plans = new Map<string, Plan>();

/** The invariants that are written for a type or path itself, compiled for elements of `type`. */
function rulesAt(path: string, type: string): Rule[] {
  invariants ??= readTable<Invariants>('invariants.json');
  return (invariants[path] ?? []).map(([key, expression, human]) => {
    const compiled = compileExpression(expression, type);
    return {
      key,
      human,
      holds: (element, resource) => {
        const found = compiled.from(element, resource);
        return !(found.length === 1 && found[0] === false);
      },
    };
  });
}

function planOf(type: string): Plan {
  let plan = plans.get(type);
  if (!plan) {
    const rules: Rule[] = [];
    for (let t: string | undefined = type; t !== undefined; t = typeDefinition(t)?.base)
      rules.push(...rulesAt(t, type));
    const slots = new Map<string, Slot>();
    for (const [name, member] of typeDefinition(type)?.members ?? []) {
      const slot = slotOf(type, member);
      if (slot.child !== undefined || slot.binding !== undefined || slot.rules.length > 0)
        slots.set(name, slot);
    }
    plan = { rules, slots };
    plans.set(type, plan);
  }
  return plan;
}

function slotOf(type: string, member: Member): Slot {
  const { element } = member;
  const { code } = member.type;
  const path = `${type}.${element.name}${element.choice ? '[x]' : ''}`;
  const child = typeDefinition(code) ? code : undefined;
  return {
    member,
    child,
    binding: bindingOf(element),
    // A backbone element has its own rules as a type.
    rules: code === path ? [] : rulesAt(path, code),
  };
}

function bindingOf({ binding }: ElementRow): string | undefined {
  return binding?.strength === 'required' && requiredCodes(binding.valueSet) ? binding.valueSet : undefined;
}

class Walk {
  readonly faults: Fault[] = [];

  /** `container` is the resource that holds `resource` as contained, or itself. */
  resource(resource: Resource, container: Resource, path: Path): void {
    this.element(resource, resource.resourceType, resource, container, path, 0);
    const div = (resource.text as { div?: unknown } | undefined)?.div;
    const wrong = typeof div === 'string' ? narrativeFault(div) : undefined;
    if (wrong)
      this.fault(
        [...path, 'text', 'div'],
        wrong,
        'Keep to the XHTML that R4 allows in narratives.',
        'invariant',
      );
    if (resource === container) this.contained(resource, path);
  }

  private element(
    value: object,
    type: string,
    resource: Resource,
    container: Resource,
    path: Path,
    depth: number,
  ): void {
    if (depth > MAX_JSON_DEPTH || this.faults.length >= MAX_FAULTS) return;
    const plan = planOf(type);
    for (const rule of plan.rules) this.rule(rule, value, resource, path);
    for (const name in value) {
      const slot = plan.slots.get(name);
      if (!slot) continue;
      path.push(name);
      const inside = (value as Record<string, unknown>)[name];
      if (Array.isArray(inside)) {
        for (let i = 0; i < inside.length; i++) {
          path.push(i);
          this.member(inside[i], slot, resource, container, path, depth);
          path.pop();
        }
      } else this.member(inside, slot, resource, container, path, depth);
      path.pop();
    }
    if (type === 'Reference') this.reference(value as { reference?: unknown }, container, path);
  }

  private member(
    value: unknown,
    slot: Slot,
    resource: Resource,
    container: Resource,
    path: Path,
    depth: number,
  ): void {
    if (value === null || value === undefined) return;
    for (const rule of slot.rules) this.rule(rule, value, resource, path);
    if (slot.binding !== undefined) this.codes(value, slot.binding, path);
    if (slot.child === undefined || typeof value !== 'object') return;
    if (slot.child === 'Resource') {
      const inner = value as Resource;
      const contained = path.at(-2) === 'contained';
      this.resource(inner, contained ? container : inner, path);
    } else this.element(value, slot.child, resource, container, path, depth + 1);
  }

  private rule(rule: Rule, value: unknown, resource: Resource, path: Path): void {
    // A primitive that has only extensions is there, too. That is rare, and costs a copy.
    if (rule.holds(value, resource) || rule.holds(withBareExtensions(value), resource)) return;
    this.fault(
      path,
      `${rule.key}: ${rule.human.replace(/\.$/, '')}`,
      'See the invariant of that name in R4.',
      'invariant',
    );
  }

  /** A code, Coding or CodeableConcept whose binding is required: one of its codes must be in the set. */
  private codes(value: unknown, valueSet: string, path: Path): void {
    const set = requiredCodes(valueSet)!;
    const known = (code: unknown, system: unknown): boolean => {
      for (const [s, codes] of set) {
        if (system !== undefined && system !== s) continue;
        if (codes === undefined || codes.has(code as string)) return true;
      }
      return false;
    };
    const v = value as { coding?: { code?: unknown; system?: unknown }[]; code?: unknown; system?: unknown };
    const right =
      typeof value === 'string'
        ? known(value, undefined)
        : Array.isArray(v.coding)
          ? v.coding.some((c) => known(c?.code, c?.system))
          : v.code === undefined || known(v.code, v.system);
    if (!right) {
      this.fault(
        path,
        `This code is not in the required value set ${valueSet}`,
        examplesOf(set),
        'code-invalid',
      );
    }
  }

  /** ref-1: what `#id` names is contained. */
  private reference(reference: { reference?: unknown }, container: Resource, path: Path): void {
    const text = reference.reference;
    if (typeof text !== 'string' || text.charCodeAt(0) !== 35 || text === '#') return;
    const inside = container.contained as Resource[] | undefined;
    if (inside?.some((c) => c?.id === text.slice(1))) return;
    this.fault(
      [...path, 'reference'],
      'ref-1: No contained resource has this id',
      'Add it to contained, or refer to a resource by Type/id.',
      'invariant',
    );
  }

  /** dom-3: what is contained is referred to, or refers to its container. */
  private contained(resource: Resource, path: Path): void {
    const inside = resource.contained as Resource[] | undefined;
    if (!Array.isArray(inside)) return;
    const named = new Set<string>();
    fragments(resource, named, 0);
    inside.forEach((c, i) => {
      if (named.has(`#${c?.id}`)) return;
      const back = new Set<string>();
      fragments(c, back, 0);
      if (back.has('#')) return;
      this.fault(
        [...path, 'contained', i],
        'dom-3: Nothing in the resource refers to this contained resource',
        'Refer to it by #id, or remove it.',
        'invariant',
      );
    });
  }

  private fault(path: Path, message: string, remedy: string, issueCode: string): void {
    if (this.faults.length >= MAX_FAULTS) return;
    const at = path.reduce<string>(
      (text, step) => text + (typeof step === 'number' ? `[${step}]` : `${text ? '.' : ''}${step}`),
      '',
    );
    this.faults.push(new Fault('invalid', `${at}: ${message}.`, { at, remedy, issueCode }));
  }
}

/** A copy in which `_status` stands for a `status` that is absent, so that `exists()` sees it. */
function withBareExtensions(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withBareExtensions);
  if (typeof node !== 'object' || node === null || node instanceof Decimal) return node;
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(node)) {
    copy[name] = withBareExtensions(value);
    if (name.charCodeAt(0) === 95 && !(name.slice(1) in node)) copy[name.slice(1)] = value;
  }
  return copy;
}

/** Collects the texts that could be references to contained resources. */
function fragments(node: unknown, found: Set<string>, depth: number): void {
  if (depth > MAX_JSON_DEPTH || typeof node !== 'object' || node === null) return;
  for (const value of Object.values(node)) {
    if (typeof value === 'string') {
      if (value.charCodeAt(0) === 35) found.add(value);
    } else fragments(value, found, depth + 1);
  }
}

const MAX_CODES_NAMED = 12;

function examplesOf(set: ReadonlyMap<string, ReadonlySet<string> | undefined>): string {
  const codes = [...set.values()].flatMap((c) => [...(c ?? [])]);
  const named = codes.slice(0, MAX_CODES_NAMED).join(', ');
  return codes.length > MAX_CODES_NAMED ? `Use one of its codes, such as ${named}.` : `Use one of ${named}.`;
}
