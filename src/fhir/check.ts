import { Fault } from '../core/fault.js';
import { Decimal } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { type ElementRow, type Member, typeDefinition } from './elements.js';
import { jsonType, PRIMITIVES, type PrimitiveRule } from './primitives.js';
import { parseReference } from './references.js';
import { isResourceType } from './resource-types.js';

export interface CheckOptions {
  /** The type the resource must have: that of the URL it was sent to. */
  readonly type?: string;
  /**
   * Whether `Type?query` may stand as a reference: in a bundle, until the transaction has resolved it. Inside the
   * entries of a Bundle that is itself checked it may.
   */
  readonly conditionalReferences?: boolean;
  /** Only that it is an object of a known type, with an id in the right form where it has one. */
  readonly minimal?: boolean;
}

/** Of a resource with more faults than this, the first ones are named. */
export const MAX_FAULTS = 20;

/**
 * Checks the form of a resource against R4: known elements, JSON types, single or array, required elements, one type
 * per choice, the format of primitives, the form of references. Codes, invariants, profiles and targets of references
 * are the validator's.
 * @returns the same object, now known to be a resource.
 * @throws Fault `invalid` for the first fault, the others in `also`; each names its element and the remedy.
 */
export function checkResource(value: unknown, options: CheckOptions = {}): Resource {
  const check = new Check(options.conditionalReferences ?? false);
  check.root(value, options.type, options.minimal ?? false);
  const [first, ...also] = check.faults;
  if (!first) return value as Resource;
  throw new Fault('invalid', first.message, {
    at: first.at,
    remedy: first.remedy,
    issueCode: first.issueCode,
    also,
  });
}

/** What stands under one JSON name of a type. */
interface Slot {
  readonly element: ElementRow;
  readonly many: boolean;
  readonly primitive: PrimitiveRule | undefined;
  /** Type of the object that stands here; `Resource` where its `resourceType` says. */
  readonly type: string;
  /** Bit in the mask of elements that must be there; 0 for optional ones. */
  readonly required: number;
  /** Bit in the mask of choices seen; 0 where it is none. */
  readonly choice: number;
}

interface Plan {
  readonly slots: ReadonlyMap<string, Slot>;
  readonly required: number;
  readonly requiredElements: readonly ElementRow[];
}

const plans = new Map<string, Plan>();

function planOf(type: string): Plan {
  let plan = plans.get(type);
  if (!plan) {
    plan = buildPlan(type);
    plans.set(type, plan);
  }
  return plan;
}

function buildPlan(type: string): Plan {
  const definition = typeDefinition(type);
  if (!definition) throw new Error(`no definition of type ${type}`);
  const requiredElements = definition.elements.filter((e) => e.min > 0);
  const choices = definition.elements.filter((e) => e.choice);
  const bit = (list: readonly ElementRow[], e: ElementRow) => (list.includes(e) ? 1 << list.indexOf(e) : 0);
  const slot = ({ element, type: t }: Member): Slot => ({
    element,
    many: element.max > 1,
    primitive: PRIMITIVES[t.code],
    type: t.code,
    required: bit(requiredElements, element),
    choice: bit(choices, element),
  });
  return {
    slots: new Map([...definition.members].map(([name, member]) => [name, slot(member)])),
    required: 2 ** requiredElements.length - 1,
    requiredElements,
  };
}

type Object_ = Record<string, unknown>;

class Check {
  readonly faults: Fault[] = [];
  private readonly path: (string | number)[] = [];
  private conditional: boolean;

  constructor(conditional: boolean) {
    this.conditional = conditional;
  }

  root(value: unknown, wanted: string | undefined, minimal: boolean): void {
    if (jsonType(value) !== 'object') {
      this.fault('A resource is a JSON object', 'Send one resource.');
      return;
    }
    const type = (value as Object_).resourceType;
    if (!isResourceType(type)) {
      this.path.push('resourceType');
      this.fault('This is not a resource type of R4', 'Set resourceType to the name of a resource type.');
      return;
    }
    if (wanted !== undefined && type !== wanted) {
      this.path.push('resourceType');
      this.fault(`The resource type must be ${wanted} here`, 'Send it to the address of its own type.');
      return;
    }
    this.path.push(type);
    if (type === 'Bundle') this.conditional = true;
    if (minimal) {
      const { id } = value as Object_;
      if (id !== undefined) this.at('id', () => this.primitive(id, PRIMITIVES.id!));
      return;
    }
    this.members(value as Object_, planOf(type), type);
  }

  private members(object: Object_, plan: Plan, type: string): void {
    let present = 0;
    let chosen = 0;
    let empty = true;
    for (const name in object) {
      empty = false;
      const value = object[name];
      const slot = plan.slots.get(name);
      if (slot === undefined) {
        if (name === 'resourceType' && isResourceType(type)) continue;
        present |= this.sibling(object, name, value, plan);
        continue;
      }
      present |= slot.required;
      if (slot.choice !== 0) {
        if ((chosen & slot.choice) !== 0) {
          this.at(name, () =>
            this.fault(`${slot.element.name}[x] stands here with two types`, 'Keep one of them.'),
          );
        }
        chosen |= slot.choice;
      }
      this.path.push(name);
      if (slot.many) this.list(object, name, value, slot);
      else if (Array.isArray(value)) {
        this.fault('This element is a single value, not an array', 'Remove the brackets and keep one value.');
      } else this.one(value, slot);
      this.path.pop();
    }
    if (empty) this.fault('An object may not be empty', 'Remove it or give it content.');
    if (present !== plan.required) this.missing(present, plan);
  }

  private list(object: Object_, name: string, value: unknown, slot: Slot): void {
    if (!Array.isArray(value)) {
      this.fault('This element repeats: it is an array', 'Put the value into brackets.');
      return;
    }
    if (value.length === 0) this.fault('An array may not be empty', 'Remove it or give it content.');
    for (let i = 0; i < value.length; i++) {
      // A primitive that has only an extension stands as null, its extension in the array beside.
      if (value[i] === null && slot.primitive && hasSibling(object[`_${name}`], i)) continue;
      this.path.push(i);
      this.one(value[i], slot);
      this.path.pop();
    }
  }

  private one(value: unknown, slot: Slot): void {
    if (slot.primitive) this.primitive(value, slot.primitive);
    else if (
      typeof value !== 'object' ||
      value === null ||
      Array.isArray(value) ||
      value instanceof Decimal
    ) {
      this.fault(`This element is an object (${slot.type})`, 'Write it as an object with braces.');
    } else if (slot.type === 'Resource') this.inner(value as Object_);
    else {
      const object = value as Object_;
      if (slot.type === 'Reference' && typeof object.reference === 'string') this.reference(object.reference);
      this.members(object, planOf(slot.type), slot.type);
    }
  }

  private primitive(value: unknown, rule: PrimitiveRule): void {
    const type = typeof value;
    const right = type === rule.json || (rule.json === 'number' && value instanceof Decimal);
    if (!right) {
      const what =
        rule.json === 'string' ? 'a JSON string' : rule.json === 'number' ? 'a JSON number' : 'true or false';
      this.fault(`This element must be ${what}`, `Write ${rule.expected}.`);
    } else if (!rule.valid(value as never))
      this.fault(`This element must be ${rule.expected}`, 'Correct its format.');
  }

  /** A contained resource, or one in a Bundle or Parameters. */
  private inner(value: Object_): void {
    if (!isResourceType(value.resourceType)) {
      this.at('resourceType', () =>
        this.fault('This is not a resource type of R4', 'Set resourceType to the name of a resource type.'),
      );
      return;
    }
    this.members(value, planOf(value.resourceType), value.resourceType);
  }

  private reference(text: string): void {
    const parsed = parseReference(text, '');
    if (parsed.kind !== 'malformed' && (parsed.kind !== 'conditional' || this.conditional)) return;
    this.at('reference', () => {
      if (parsed.kind === 'conditional') {
        this.fault(
          'A search stands here as a reference',
          'Use conditional references in transaction bundles only.',
        );
      } else
        this.fault(
          'This is not the form of a reference',
          'Write Type/id, an absolute URL, urn:uuid:… or #id.',
        );
    });
  }

  /**
   * `_birthDate` beside `birthDate`: id and extensions of a primitive. Returns the bits of the element where the
   * extension stands for the value.
   */
  private sibling(object: Object_, name: string, value: unknown, plan: Plan): number {
    const slot = name.charCodeAt(0) === 95 ? plan.slots.get(name.slice(1)) : undefined;
    if (!slot?.primitive) {
      this.at(name, () =>
        this.fault('R4 has no such element here', 'Remove it, or put it into an extension.'),
      );
      return 0;
    }
    const element = planOf('Element');
    this.path.push(name);
    if (slot.many) {
      if (!Array.isArray(value))
        this.fault('This element repeats: it is an array', 'Put the value into brackets.');
      else {
        const beside = object[name.slice(1)];
        if (Array.isArray(beside) && beside.length !== value.length) {
          this.fault('The arrays of values and of their extensions differ in length', 'Fill up with null.');
        }
        for (let i = 0; i < value.length; i++) {
          if (value[i] === null) continue;
          this.path.push(i);
          this.element(value[i], element);
          this.path.pop();
        }
      }
    } else this.element(value, element);
    this.path.pop();
    return slot.required;
  }

  private element(value: unknown, plan: Plan): void {
    if (jsonType(value) !== 'object')
      this.fault('This element is an object', 'Write it as an object with braces.');
    else this.members(value as Object_, plan, 'Element');
  }

  private missing(present: number, plan: Plan): void {
    plan.requiredElements.forEach((element, i) => {
      if ((present & (1 << i)) !== 0) return;
      const name = element.choice ? `${element.name}[x]` : element.name;
      this.at(name, () => this.fault('This element is required', 'Add it.', 'required'));
    });
  }

  private at(name: string, work: () => void): void {
    this.path.push(name);
    work();
    this.path.pop();
  }

  private fault(message: string, remedy: string, issueCode = 'structure'): void {
    if (this.faults.length >= MAX_FAULTS) return;
    let at = '';
    for (const step of this.path) {
      if (typeof step === 'number') at += `[${step}]`;
      else at += (at === '' ? '' : '.') + (isName(step) ? step : '?');
    }
    const place = at === '' ? undefined : at;
    this.faults.push(
      new Fault('invalid', `${place ? `${place}: ` : ''}${message}.`, { at: place, remedy, issueCode }),
    );
  }
}

function hasSibling(list: unknown, i: number): boolean {
  return Array.isArray(list) && typeof list[i] === 'object' && list[i] !== null;
}

/** Names that came with the input are shown only if they could be names of elements: they may be anything. */
function isName(text: string): boolean {
  return /^_?[A-Za-z][A-Za-z0-9]{0,63}(\[x\])?$/.test(text);
}
