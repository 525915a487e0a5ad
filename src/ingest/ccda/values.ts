import type { CodeableConcept, Coding } from '../../core/resource.js';
import { dateTime, decimal, type Sender } from '../hl7-values.js';
import { systemOfRoot } from '../systems.js';
import type { Element } from './element.js';

/** What the document says that its parts are read by. */
export interface Context {
  readonly sender: Sender;
  /** Words of the narrative by the ID they carry. */
  readonly words: ReadonlyMap<string, string>;
}

export interface Identifier {
  readonly system: string;
  readonly value: string;
}

/** II: a root alone is an identifier of its own, as a URI. */
export function identifier(id: Element | undefined): Identifier | undefined {
  const root = id?.get('root');
  const extension = id?.get('extension');
  if (!id || id.absent || !root) return undefined;
  const system = systemOfRoot(root);
  if (!extension) return system ? { system: 'urn:ietf:rfc:3986', value: system } : undefined;
  return {
    system: system ?? `https://cenote.health/fhir/assigner/${encodeURIComponent(root.toLowerCase())}`,
    value: extension,
  };
}

export function identifiers(element: Element): Identifier[] {
  return element.all('id').flatMap((id) => identifier(id) ?? []);
}

/** A reference into the narrative (`#id`), or the words as they stand. */
export function originalText(element: Element | undefined, context: Context): string | undefined {
  if (!element) return undefined;
  const reference = element.at('reference')?.get('value');
  const referred = reference?.startsWith('#') ? context.words.get(reference.slice(1)) : undefined;
  return referred || element.text() || undefined;
}

/** CD, CE, CV: the code, its translations and the words. Undefined where it says nothing at all. */
export function concept(cd: Element | undefined, context: Context): CodeableConcept | undefined {
  if (!cd) return undefined;
  const codings = [cd, ...cd.all('translation')].flatMap((one) => coding(one) ?? []);
  const words =
    originalText(cd.at('originalText'), context) ??
    cd.get('displayName') ??
    cd
      .all('translation')
      .map((t) => t.get('displayName'))
      .find(Boolean);
  const text = words ?? codings[0]?.display;
  if (codings.length === 0 && !text) return undefined;
  const unique = codings.filter(
    (c, i) => codings.findIndex((o) => o.system === c.system && o.code === c.code) === i,
  );
  return { ...(unique.length > 0 && { coding: unique }), ...(text && { text }) };
}

function coding(cd: Element): Coding | undefined {
  const code = cd.get('code');
  const system = systemOfRoot(cd.get('codeSystem'));
  const display = cd.get('displayName');
  if (!code || !system || cd.absent || /\s{2}/.test(code)) return undefined;
  return { system, code, ...(display && { display }) };
}

/** TS. */
export function time(ts: Element | undefined, { sender }: Context): string | undefined {
  return ts?.absent ? undefined : dateTime(ts?.get('value'), sender);
}

export interface Interval {
  readonly start: string | undefined;
  readonly end: string | undefined;
  /** Whether it says that it has ended, at a time known or not. */
  readonly ended: boolean;
}

/** IVL_TS, or a TS as an interval of one moment (`start` alone). */
export function interval(ivl: Element | undefined, context: Context): Interval {
  const high = ivl?.at('high');
  return {
    start: time(ivl?.at('low'), context) ?? time(ivl, context) ?? time(ivl?.at('center'), context),
    end: time(high, context),
    ended: high !== undefined && (high.absent === undefined || high.absent === 'UNK'),
  };
}

export function period({ start, end }: Interval): Record<string, string> | undefined {
  // FHIR refuses a period that ends before it starts; the later claim is left out rather than the whole period.
  const ordered =
    start !== undefined && end !== undefined && end.slice(0, 10) < start.slice(0, 10) ? undefined : end;
  return start || ordered ? { ...(start && { start }), ...(ordered && { end: ordered }) } : undefined;
}

/** PQ. A unit in braces alone or with blanks is words, not UCUM. */
export function quantity(pq: Element | undefined): Record<string, unknown> | undefined {
  const value = decimal(pq?.get('value'));
  if (!pq || value === undefined) return undefined;
  const unit = pq.get('unit');
  const isUcum = unit !== undefined && unit !== '1' && !/\s/.test(unit);
  return {
    value,
    ...(unit && unit !== '1' && { unit }),
    ...(isUcum && { system: 'http://unitsofmeasure.org', code: unit }),
  };
}

/** IVL_PQ: two ends are a range; one is a quantity with a comparator. */
function quantityRange(ivl: Element): Record<string, unknown> | undefined {
  const [low, high] = [ivl.at('low'), ivl.at('high')];
  const [from, to] = [quantity(low), quantity(high)];
  if (from && to) return { valueRange: { low: from, high: to } };
  if (from) return { valueQuantity: { ...from, comparator: low!.get('inclusive') === 'false' ? '>' : '>=' } };
  if (to) return { valueQuantity: { ...to, comparator: high!.get('inclusive') === 'false' ? '<' : '<=' } };
  return undefined;
}

/** The value of an observation, by its `xsi:type`. */
export function observedValue(
  value: Element | undefined,
  context: Context,
): Record<string, unknown> | undefined {
  if (!value) return undefined;
  const type = (value.attributes['xsi:type'] ?? value.get('type') ?? '').replace(/^\w+:/, '');
  switch (type) {
    case 'PQ':
    case 'REAL': {
      const found = quantity(value);
      if (found) return { valueQuantity: found };
      const words =
        concept(value.at('translation'), context)?.text ??
        (value.get('value') && `${value.get('value')} ${value.get('unit') ?? ''}`.trim());
      return words ? { valueString: words } : undefined;
    }
    case 'INT': {
      const number = Number(value.get('value'));
      return Number.isInteger(number) && !value.absent ? { valueInteger: number } : undefined;
    }
    case 'IVL_PQ':
      return quantityRange(value);
    case 'CD':
    case 'CE':
    case 'CO':
    case 'CV':
    case 'CS': {
      const found = concept(value, context);
      return found && { valueCodeableConcept: found };
    }
    case 'BL':
      return value.get('value') ? { valueBoolean: value.get('value') === 'true' } : undefined;
    case 'TS': {
      const when = time(value, context);
      return when ? { valueDateTime: when } : undefined;
    }
    case 'IVL_TS': {
      const when = period(interval(value, context));
      return when && { valuePeriod: when };
    }
    case 'RTO':
    case 'RTO_PQ_PQ': {
      const [numerator, denominator] = [quantity(value.at('numerator')), quantity(value.at('denominator'))];
      return numerator && denominator ? { valueRatio: { numerator, denominator } } : undefined;
    }
    default: {
      const words = originalText(value, context);
      return words ? { valueString: words } : undefined;
    }
  }
}

/** EN, PN. */
export function humanName(name: Element): Record<string, unknown> | undefined {
  if (name.absent) return undefined;
  const words = (part: string) =>
    name
      .all(part)
      .filter((p) => !p.absent)
      .map((p) => p.text())
      .filter(Boolean);
  const [family, given, prefix, suffix] = [words('family'), words('given'), words('prefix'), words('suffix')];
  const use = { L: 'official', P: 'nickname', ASGN: 'usual', OR: 'maiden' }[name.get('use') ?? ''];
  if (family.length === 0 && given.length === 0) {
    const text = name.text();
    return text ? { text } : undefined;
  }
  return {
    ...(use && { use }),
    ...(family.length > 0 && { family: family.join(' ') }),
    ...(given.length > 0 && { given }),
    ...(prefix.length > 0 && { prefix }),
    ...(suffix.length > 0 && { suffix }),
  };
}

/** AD. */
export function address(addr: Element): Record<string, unknown> | undefined {
  if (addr.absent) return undefined;
  const words = (part: string) =>
    addr
      .all(part)
      .filter((p) => !p.absent)
      .map((p) => p.text())
      .filter(Boolean);
  const line = words('streetAddressLine');
  const use = { H: 'home', HP: 'home', HV: 'home', WP: 'work', TMP: 'temp', BAD: 'old' }[
    addr.get('use') ?? ''
  ];
  const parts = Object.fromEntries(
    ['city', 'state', 'postalCode', 'country'].flatMap((part) => {
      const [text] = words(part);
      return text ? [[part, text]] : [];
    }),
  );
  if (line.length === 0 && Object.keys(parts).length === 0) return undefined;
  return { ...(use && { use }), ...(line.length > 0 && { line }), ...parts };
}

/** TEL. */
export function telecom(tel: Element): Record<string, unknown> | undefined {
  const value = tel.get('value');
  if (tel.absent || !value) return undefined;
  const [, scheme, rest] = /^(tel|mailto|fax|https?):\s*(.*)$/i.exec(value) ?? [];
  const system = { tel: 'phone', mailto: 'email', fax: 'fax', http: 'url', https: 'url' }[
    scheme?.toLowerCase() ?? ''
  ];
  const words = system === 'url' ? value : (rest ?? value).trim();
  if (!words) return undefined;
  const use = { H: 'home', HP: 'home', HV: 'home', WP: 'work', DIR: 'work', MC: 'mobile' }[
    tel.get('use') ?? ''
  ];
  return { system: system ?? (words.includes('@') ? 'email' : 'phone'), value: words, ...(use && { use }) };
}
