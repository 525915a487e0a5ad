import { Decimal, numberOf } from '../../core/json.js';
import type { Resource, StoredResource } from '../../core/resource.js';
import { patientsOf } from '../../fhir/compartment.js';
import { isKindOf, type Member, typeDefinition } from '../../fhir/elements.js';
import { requiredCodes } from '../../fhir/required-codes.js';
import { isResourceType } from '../../fhir/resource-types.js';
import { ageAt, shiftDate, yearOf } from './dates.js';
import { DENIED_ELEMENTS, GIVEN_TYPES, HIGHEST_AGE, SMALL_ZIP_AREAS, STATES, SYSTEMS } from './policy.js';
import { isUnit } from './units.js';

export interface DeidentifyOptions {
  /** Keyed, and of another key for each purpose: equal text gives equal digits, and nothing leads back. 16+ hex digits. */
  readonly keyed: (purpose: string, text: string) => string;
  /** `shift`: all dates of a patient are moved by the same 1 to 365 days; `year`: nothing but the year is given. */
  readonly dates: 'shift' | 'year';
  /** Instant that ages are counted to, ms. */
  readonly nowMs: number;
  /** Hides personal data in the text of a note of this patient; notes have no text where not given. */
  readonly scrub?: ((text: string, patientId: string | undefined) => string) | undefined;
}

/** What was removed or changed: `Patient.name` → why → how often. */
export type Removed = Record<string, Record<string, number>>;

/** Paths told in a report; whatever is more is told together. */
const MAX_PATHS = 5_000;
const MAX_DEPTH = 32;
const DAY_MS = 86_400_000;

/** Data types that say who or where, or are free text. */
const NEVER: ReadonlySet<string> = new Set([
  'Identifier',
  'HumanName',
  'ContactPoint',
  'ContactDetail',
  'Signature',
  'Narrative',
  'Extension',
  'Annotation',
  'Resource',
  'RelatedArtifact',
  'UsageContext',
  'Expression',
]);
const TEXT: ReadonlySet<string> = new Set([
  'string',
  'markdown',
  'uri',
  'url',
  'canonical',
  'oid',
  'uuid',
  'id',
  'base64Binary',
  'xhtml',
]);

interface Walk {
  readonly shift: number | undefined;
  readonly patient: string | undefined;
}

/**
 * Takes out of resources what says who they are about (45 CFR 164.514(b)(2)): names, addresses below the state,
 * telecommunication, numbers, pictures, free text, extensions, and dates beyond what the options permit; ids and references are
 * replaced by keyed ones that still fit each other. What R4 does not define, and what the policy does not name, is
 * left out.
 */
export class Deidentifier {
  readonly removed: Removed = {};
  /** Resources of types that are not given, by type. */
  readonly leftOut: Record<string, number> = {};
  private paths = 0;

  constructor(private readonly options: DeidentifyOptions) {}

  /** The id that stands for a resource's own wherever it is referred to. */
  idOf(type: string, id: string): string {
    return this.options.keyed('id', `${type}/${id}`).slice(0, 32);
  }

  /** Undefined where nothing of the resource may be given. */
  resource(resource: StoredResource): StoredResource | undefined {
    const type = resource.resourceType;
    if (!GIVEN_TYPES.has(type)) {
      this.leftOut[type] = (this.leftOut[type] ?? 0) + 1;
      return undefined;
    }
    const patients = patientsOf(resource);
    const patient = patients.length === 1 ? patients[0] : undefined;
    const walk: Walk = { patient, shift: patient === undefined ? undefined : this.shiftOf(patient) };
    const given = (this.object(resource as never, type, type, walk, 0) ?? {}) as Record<string, unknown>;
    const result: Record<string, unknown> = { resourceType: type, id: this.idOf(type, resource.id) };
    const updated = resource.meta?.lastUpdated;
    const at = typeof updated === 'string' ? this.date(updated, true, walk) : undefined;
    result.meta = {
      versionId: '1',
      ...(at ? { lastUpdated: at } : {}),
      ...tagsOf(resource),
    };
    for (const [name, value] of Object.entries(given))
      if (name !== 'id' && name !== 'meta') result[name] = value;
    if (type === 'Patient') this.patient(resource, result);
    return result as never as StoredResource;
  }

  /** A moment of a patient's record as its dates are given, ms; without a patient the first of its year. */
  moment(patient: string | undefined, ms: number): number {
    return patient === undefined || this.options.dates === 'year'
      ? Date.UTC(new Date(ms).getUTCFullYear(), 0, 1)
      : ms + this.shiftOf(patient) * DAY_MS;
  }

  /** −1 to −365 days. */
  private shiftOf(patient: string): number {
    return -1 - (Number.parseInt(this.options.keyed('shift', patient).slice(0, 12), 16) % 365);
  }

  /** Old age is one group; of addresses state, country and a part of the ZIP code stay. */
  private patient(resource: Resource, result: Record<string, unknown>): void {
    const { birthDate, deceasedDateTime } = resource as { birthDate?: unknown; deceasedDateTime?: unknown };
    if (typeof birthDate === 'string') {
      const died = typeof deceasedDateTime === 'string' ? Date.parse(deceasedDateTime) : Number.NaN;
      const until = Number.isNaN(died) ? this.options.nowMs : Math.min(died, this.options.nowMs);
      if ((ageAt(birthDate, until) ?? 0) > HIGHEST_AGE) {
        // So that an age counted from it to today is the group's.
        result.birthDate = String(new Date(until).getUTCFullYear() - HIGHEST_AGE - 1);
        this.note('Patient.birthDate', 'age over 89 grouped');
      }
    }
    const addresses = (Array.isArray(resource.address) ? resource.address : [])
      .map((a) => this.address(a as Record<string, unknown>))
      .filter((a) => Object.keys(a).length > 0);
    if (addresses.length > 0) result.address = addresses.slice(0, 1);
  }

  private address(address: Record<string, unknown>): Record<string, string> {
    const { state, postalCode, country } = address;
    const given: Record<string, string> = {};
    if (typeof state === 'string' && STATES.has(state)) given.state = state;
    const zip =
      typeof postalCode === 'string' ? /^(\d{3})\d{2}(?:-?\d{4})?$/.exec(postalCode)?.[1] : undefined;
    if (zip && (country === undefined || country === 'US' || country === 'USA'))
      given.postalCode = SMALL_ZIP_AREAS.has(zip) ? '000' : zip;
    if (country === 'US' || country === 'USA') given.country = country;
    return given;
  }

  private object(
    value: Record<string, unknown>,
    type: string,
    path: string,
    walk: Walk,
    depth: number,
  ): Record<string, unknown> | undefined {
    const definition = typeDefinition(type);
    if (!definition || depth > MAX_DEPTH) {
      this.note(path, 'not known');
      return undefined;
    }
    const result: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'resourceType' || inner === null || inner === undefined) continue;
      if (depth === 0 && (name === 'id' || name === 'meta')) continue;
      const at = `${path}.${name}`;
      const member = definition.members.get(name);
      if (!member) {
        this.note(name.startsWith('_') ? at : `${path}.*`, 'not known');
        continue;
      }
      const kept = Array.isArray(inner)
        ? inner.map((v) => this.value(v, member, at, walk, depth + 1)).filter((v) => v !== undefined)
        : this.value(inner, member, at, walk, depth + 1);
      if (kept === undefined || (Array.isArray(kept) && kept.length === 0)) continue;
      result[name] = kept;
    }
    return Object.keys(result).length === 0 ? undefined : result;
  }

  private value(value: unknown, member: Member, path: string, walk: Walk, depth: number): unknown {
    const type = member.type.code;
    if (DENIED_ELEMENTS.has(path)) return this.drop(path, 'says who, where or in words');
    if (type === 'Extension' || NEVER.has(type))
      return this.drop(path, type === 'Extension' ? 'extension' : 'says who, where or in words');
    if (type === 'Address') return path === 'Patient.address' ? undefined : this.drop(path, 'address');
    if (TEXT.has(type)) return this.drop(path, 'free text');
    if (typeof value === 'object' && value !== null && !(value instanceof Decimal))
      return this.complex(value as Record<string, unknown>, type, path, walk, depth);
    return this.primitive(value, type, member, path, walk);
  }

  private primitive(value: unknown, type: string, member: Member, path: string, walk: Walk): unknown {
    switch (type) {
      case 'boolean':
        return typeof value === 'boolean' ? value : this.drop(path, 'not known');
      case 'integer':
      case 'positiveInt':
      case 'unsignedInt':
      case 'decimal':
        return numberOf(value) === undefined ? this.drop(path, 'not known') : value;
      case 'date':
      case 'dateTime':
      case 'instant': {
        const given = typeof value === 'string' ? this.date(value, type === 'instant', walk) : undefined;
        if (given === undefined) return this.drop(path, 'no date');
        this.note(
          path,
          walk.shift === undefined || this.options.dates === 'year' ? 'date cut to its year' : 'date moved',
        );
        return given;
      }
      case 'time':
        return typeof value === 'string' && /^\d{2}:\d{2}:\d{2}$/.test(value)
          ? value
          : this.drop(path, 'not known');
      case 'code':
        return typeof value === 'string' && isBound(value, member)
          ? value
          : this.drop(path, 'code of no closed list');
      default:
        return this.drop(path, 'not known');
    }
  }

  /** Without a patient there is nothing to move by: then, as of several patients, the year alone is given. */
  private date(text: string, instant: boolean, { shift }: Walk): string | undefined {
    return this.options.dates === 'year' || shift === undefined
      ? yearOf(text, instant)
      : shiftDate(text, shift);
  }

  private complex(
    value: Record<string, unknown>,
    type: string,
    path: string,
    walk: Walk,
    depth: number,
  ): Record<string, unknown> | undefined {
    if (type === 'Reference') return this.reference(value, path);
    if (type === 'Coding') return this.coding(value, path);
    if (type === 'Attachment') return this.attachment(value, path, walk);
    if (isKindOf(type, 'Quantity')) return this.quantity(value, type, path);
    if (type === 'SampledData') return this.drop(path, 'series of values');
    return this.object(value, type, path, walk, depth);
  }

  private reference(value: Record<string, unknown>, path: string): Record<string, unknown> | undefined {
    const { reference } = value;
    const [, type = '', id = ''] =
      typeof reference === 'string'
        ? (/^([A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/[^/]+)?$/.exec(reference) ?? [])
        : [];
    if (value.display !== undefined) this.note(`${path}.display`, 'free text');
    if (value.identifier !== undefined) this.note(`${path}.identifier`, 'says who, where or in words');
    if (!isResourceType(type)) return this.drop(path, 'refers to something elsewhere');
    this.note(`${path}.reference`, 'id replaced');
    return { reference: `${type}/${this.idOf(type, id)}` };
  }

  private coding(value: Record<string, unknown>, path: string): Record<string, unknown> | undefined {
    const { system, code, userSelected } = value;
    if (value.display !== undefined) this.note(`${path}.display`, 'free text');
    if (typeof system !== 'string' || typeof code !== 'string' || !isKnownCode(system, code))
      return this.drop(path, 'code of no listed system');
    return { system, code, ...(typeof userSelected === 'boolean' ? { userSelected } : {}) };
  }

  private quantity(
    value: Record<string, unknown>,
    type: string,
    path: string,
  ): Record<string, unknown> | undefined {
    const { comparator, code, unit, currency } = value;
    const number = numberOf(value.value);
    const result: Record<string, unknown> = {};
    if (number !== undefined) result.value = value.value;
    if (typeof comparator === 'string' && /^(<|<=|>=|>)$/.test(comparator)) result.comparator = comparator;
    if (typeof currency === 'string' && /^[A-Z]{3}$/.test(currency)) result.currency = currency;
    for (const [name, text] of [
      ['unit', unit],
      ['code', code],
    ] as const) {
      if (text === undefined) continue;
      if (typeof text === 'string' && isUnit(text)) result[name] = text;
      else this.note(`${path}.${name}`, 'no unit that is listed');
    }
    if (result.code !== undefined && value.system === 'http://unitsofmeasure.org')
      result.system = value.system;
    if (number !== undefined && inYears(type, value) > HIGHEST_AGE) {
      result.value = HIGHEST_AGE + 1;
      delete result.comparator;
      Object.assign(result, { unit: 'a', code: 'a', system: 'http://unitsofmeasure.org' });
      this.note(path, 'age over 89 grouped');
    }
    return Object.keys(result).length === 0 ? undefined : result;
  }

  /** The text of a note, scrubbed; nothing of any other attachment. */
  private attachment(
    value: Record<string, unknown>,
    path: string,
    walk: Walk,
  ): Record<string, unknown> | undefined {
    const { contentType, data } = value;
    const { scrub } = this.options;
    if (
      !scrub ||
      typeof data !== 'string' ||
      typeof contentType !== 'string' ||
      !/^text\/plain\b/.test(contentType)
    )
      return this.drop(path, 'attachment');
    this.note(`${path}.data`, 'text scrubbed');
    const text = scrub(Buffer.from(data, 'base64').toString('utf8'), walk.patient);
    return { contentType: 'text/plain', data: Buffer.from(text, 'utf8').toString('base64') };
  }

  private drop(path: string, why: string): undefined {
    this.note(path, why);
    return undefined;
  }

  private note(path: string, why: string): void {
    let at = path;
    if (!Object.hasOwn(this.removed, at)) {
      if (this.paths >= MAX_PATHS) at = '(more)';
      else this.paths++;
    }
    const reasons = this.removed[at] ?? {};
    reasons[why] = (reasons[why] ?? 0) + 1;
    this.removed[at] = reasons;
  }
}

/** Years an age or a number of years is; other quantities may well be over 89. */
function inYears(type: string, value: Record<string, unknown>): number {
  const number = numberOf(value.value) ?? 0;
  const unit = String(value.code ?? value.unit ?? '');
  if (/^(a|yr|years?)$/i.test(unit)) return number;
  if (type !== 'Age') return 0;
  if (/^(mo|months?)$/i.test(unit)) return number / 12;
  if (/^(wk|weeks?)$/i.test(unit)) return number / 52;
  if (/^(d|days?)$/i.test(unit)) return number / 366;
  // An age without a unit is one of years.
  return number;
}

/** A code of the closed list that its element is bound to. */
function isBound(code: string, { element }: Member): boolean {
  const sets = element.binding?.strength === 'required' ? requiredCodes(element.binding.valueSet) : undefined;
  if (!sets) return false;
  for (const codes of sets.values()) if (codes?.has(code)) return true;
  return false;
}

function isKnownCode(system: string, code: string): boolean {
  if (system === 'http://unitsofmeasure.org') return isUnit(code);
  return SYSTEMS.some((row) => row.system.test(system) && row.code.test(code));
}

/** Tags of ours: whether a fact was made from a note. */
function tagsOf(resource: StoredResource): { tag?: { system: string; code: string }[] } {
  const meta = resource.meta as { tag?: unknown } | undefined;
  const tags = (Array.isArray(meta?.tag) ? meta.tag : []) as { system?: unknown; code?: unknown }[];
  const kept = tags.flatMap(({ system, code }) =>
    typeof system === 'string' &&
    typeof code === 'string' &&
    system.startsWith('https://cenote.health/') &&
    isKnownCode(system, code)
      ? [{ system, code }]
      : [],
  );
  return kept.length > 0 ? { tag: kept } : {};
}
