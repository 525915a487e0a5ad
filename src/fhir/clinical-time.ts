import type { Resource } from '../core/resource.js';
import { CLINICAL_TIME_RULES } from './clinical-time-rules.js';
import { type DateRange, MAX_MS, MIN_MS, parsePartialDate, periodRange } from './dates.js';
import { choiceName, typeDefinition } from './elements.js';

/** When something happened to a patient, and which element says so. */
export interface ClinicalTime extends DateRange {
  /** Such as `Observation.effectivePeriod`. */
  readonly element: string;
}

type Reader = (value: unknown) => DateRange | undefined;

interface Step {
  readonly names: readonly string[];
  readonly read: Reader;
  readonly element: string;
  /** Place in the rule: what a choice may be stands in one. */
  readonly rank: number;
  /** At the top of a resource, once at most. */
  readonly single: boolean;
}

const READERS: Record<string, Reader> = {
  date: textRange,
  dateTime: textRange,
  instant: textRange,
  Period: (v) => (isObject(v) ? periodRange(v) : undefined),
  Timing: timingRange,
};

const plans = new Map<string, readonly Step[]>();

/**
 * When the event a resource records took place: by the first of its type's elements (`clinical-time-rules.ts`) that
 * is there and can be read. A period that is open at one end keeps `MIN_MS` or `MAX_MS` there. Undefined where the
 * type has no such element or the resource does not say.
 */
export function clinicalTime(resource: Resource): ClinicalTime | undefined {
  for (const step of planOf(resource.resourceType)) {
    const found = read(resource, step, 0);
    if (found) return { lo: found.lo, hi: found.hi, element: step.element };
  }
  return undefined;
}

/** Whether resources of the type are of an event that has a time; not so of persons, places and what they are made of. */
export function hasClinicalTime(type: string): boolean {
  return planOf(type).length > 0;
}

/**
 * The one instant an event is sorted by: when it began, or when it ended where only that is known. Milliseconds since
 * the epoch.
 */
export function sortInstant(time: DateRange): number {
  return time.lo > MIN_MS ? time.lo : time.hi < MAX_MS ? time.hi : MIN_MS;
}

/**
 * Whether the FHIRPath expression, where it gives anything, gives what `clinicalTime` reads: it names, in the order of
 * the type's rule and without leaving out what comes before, elements that are times, of a period the start.
 *
 * | expression | of | |
 * |---|---|---|
 * | `(effective.ofType(dateTime) \| effective.ofType(Period).start).first()` | Observation | yes |
 * | `issued` | Observation | no: `effective[x]` comes before it |
 */
export function isClinicalTimePath(type: string, path: string): boolean {
  const plan = planOf(type);
  const inner = /^\((.*)\)\.first\(\)$/.exec(path.trim())?.[1] ?? path;
  const named: Step[] = [];
  for (const alternative of inner.split('|')) {
    const [, name, of, start] = PATH_OF_TIME.exec(alternative.trim()) ?? [];
    if (name === undefined) return false;
    const element = `${type}.${of === undefined ? name : choiceName(name, of)}`;
    const step = plan.find((s) => s.element === element);
    if (!step?.single || (step.read === READERS.Period) !== (start !== undefined)) return false;
    if (step.rank < (named.at(-1)?.rank ?? 0)) return false;
    named.push(step);
  }
  // Of a choice only one is there, so that of the last it does not matter which are named.
  return plan.every((step) => step.rank >= named.at(-1)!.rank || named.includes(step));
}

const PATH_OF_TIME = /^([a-z][A-Za-z]*)(?:\.ofType\((dateTime|instant|date|Period)\))?(\.start)?$/;

/** Follows the names; of several values the earliest counts. */
function read(node: unknown, step: Step, depth: number): DateRange | undefined {
  if (Array.isArray(node)) {
    let earliest: DateRange | undefined;
    for (const item of node) {
      const found = read(item, step, depth);
      if (found && (!earliest || found.lo < earliest.lo)) earliest = found;
    }
    return earliest;
  }
  if (node === undefined || node === null) return undefined;
  const name = step.names[depth];
  if (name === undefined) return step.read(node);
  return isObject(node) ? read(node[name], step, depth + 1) : undefined;
}

function planOf(type: string): readonly Step[] {
  let plan = plans.get(type);
  if (!plan) {
    plan = (CLINICAL_TIME_RULES.find((rule) => rule.type === type)?.elements ?? []).flatMap((path, rank) =>
      stepsOf(type, path, rank),
    );
    plans.set(type, plan);
  }
  return plan;
}

/** A choice `effective[x]` gives one step for each of its types that is a time; ages and texts are none. */
function stepsOf(type: string, path: string, rank: number): Step[] {
  const names = path.split('.');
  const last = names.pop()!;
  let parent = type;
  for (const name of names) {
    const code = typeDefinition(parent)?.byName.get(name)?.types[0]?.code;
    if (code === undefined) throw new Error(`clinical-time rule ${type}.${path} names no element`);
    parent = code;
  }
  const element = typeDefinition(parent)?.byName.get(last.replace('[x]', ''));
  if (!element) throw new Error(`clinical-time rule ${type}.${path} names no element`);
  return element.types
    .filter((t) => READERS[t.code])
    .map((t) => {
      const name = element.choice ? choiceName(element.name, t.code) : element.name;
      return {
        names: [...names, name],
        read: READERS[t.code]!,
        element: [type, ...names, name].join('.'),
        rank,
        single: names.length === 0 && element.max <= 1,
      };
    });
}

function textRange(value: unknown): DateRange | undefined {
  return typeof value === 'string' ? parsePartialDate(value) : undefined;
}

/** From the first to the last event of a Timing, or what bounds its repeats. */
function timingRange(value: unknown): DateRange | undefined {
  if (!isObject(value)) return undefined;
  const events = (Array.isArray(value.event) ? value.event : [])
    .map(textRange)
    .filter((r) => r !== undefined);
  if (events.length > 0) {
    return { lo: Math.min(...events.map((e) => e.lo)), hi: Math.max(...events.map((e) => e.hi)) };
  }
  const bounds = isObject(value.repeat) ? value.repeat.boundsPeriod : undefined;
  return isObject(bounds) ? periodRange(bounds) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
