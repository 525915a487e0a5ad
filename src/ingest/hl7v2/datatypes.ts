import type { CodeableConcept, Coding } from '../../core/resource.js';
import type { Sender } from '../hl7-values.js';
import { isOid, systemOfName, systemOfRoot } from '../systems.js';
import type { Repetition } from './message.js';

/** Systems of identifiers whose authority has only a local name; our own, since no public one exists. */
const LOCAL_SYSTEM = 'https://cenote.health/fhir/assigner/';
export interface Identifier {
  readonly system: string;
  readonly value: string;
  readonly type?: CodeableConcept;
  readonly assigner?: { display: string };
}

/** URI of an assigning authority (HD): its OID or UUID, else its name as one of ours. */
export function authoritySystem(hd: Repetition, facility: string): string {
  const universal = hd.get(2);
  const type = hd.get(3)?.toUpperCase();
  if (universal && (type === undefined || ['ISO', 'UUID', 'GUID', 'HCD'].includes(type))) {
    const system = systemOfRoot(universal);
    if (system) return system;
  }
  const name = hd.get(1);
  if (name && isOid(name)) return systemOfRoot(name)!;
  if (name === 'USSSA') return 'http://hl7.org/fhir/sid/us-ssn';
  if (name === 'NPI' || universal === 'NPI') return 'http://hl7.org/fhir/sid/us-npi';
  return LOCAL_SYSTEM + encodeURIComponent((name ?? universal ?? facility).toLowerCase());
}

/** CX: an identifier with its authority (component 4) and type (5). */
export function identifier(cx: Repetition, sender: Sender): Identifier | undefined {
  const value = cx.get(1);
  return value ? identified(value, cx.component(4), cx.get(5), sender) : undefined;
}

/** An identifier by its value, the authority that gave it (HD) and its type (HL7 table 0203). */
export function identified(
  value: string,
  authority: Repetition,
  type: string | undefined,
  sender: Sender,
): Identifier {
  const system =
    type === 'SS'
      ? 'http://hl7.org/fhir/sid/us-ssn'
      : type === 'NPI'
        ? 'http://hl7.org/fhir/sid/us-npi'
        : authoritySystem(authority, sender.facility);
  return {
    system,
    value,
    ...(type && {
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: type }] },
    }),
  };
}

/** EI in its four components as an identifier. */
export function entityIdentifier(ei: Repetition, sender: Sender): Identifier | undefined {
  const value = ei.get(1);
  if (!value) return undefined;
  const universal = systemOfRoot(ei.get(3));
  const name = ei.get(2) ?? sender.facility;
  return { system: universal ?? LOCAL_SYSTEM + encodeURIComponent(name.toLowerCase()), value };
}

/** CWE, CE, CNE: two codings and the words; undefined where it is empty. */
export function concept(cwe: Repetition): CodeableConcept | undefined {
  const codings = [coding(cwe, 1), coding(cwe, 4)].filter((c) => c !== undefined);
  const text = cwe.get(9) ?? cwe.get(2) ?? cwe.get(5) ?? cwe.get(1);
  if (!text) return undefined;
  return { ...(codings.length > 0 && { coding: codings }), text };
}

function coding(cwe: Repetition, from: number): Coding | undefined {
  const code = cwe.get(from);
  const system = systemOfName(cwe.get(from + 2));
  const display = cwe.get(from + 1);
  return code && system && !/\s{2}|^\s|\s$/.test(code)
    ? { system, code, ...(display && { display }) }
    : undefined;
}

/** XPN, and XCN from its second component on (`offset` 1). */
export function humanName(xpn: Repetition, offset = 0): Record<string, unknown> | undefined {
  const at = (component: number) => xpn.get(component + offset);
  const family = at(1);
  const given = [at(2), at(3)].filter((part) => part !== undefined);
  if (!family && given.length === 0) return undefined;
  const use = offset === 0 ? NAME_USES[at(7) ?? ''] : undefined;
  const suffix = at(4);
  const prefix = at(5);
  return {
    ...(use && { use }),
    ...(family && { family }),
    ...(given.length > 0 && { given }),
    ...(prefix && { prefix: [prefix] }),
    ...(suffix && { suffix: [suffix] }),
  };
}

/** HL7 table 0200. */
const NAME_USES: Readonly<Record<string, string>> = {
  L: 'official',
  D: 'usual',
  M: 'maiden',
  N: 'nickname',
  S: 'anonymous',
  T: 'temp',
};

/** A name in one line. */
export function nameText(name: Record<string, unknown> | undefined): string | undefined {
  if (!name) return undefined;
  const list = (key: string) => (name[key] as string[] | undefined) ?? [];
  return [...list('prefix'), ...list('given'), name.family as string | undefined, ...list('suffix')]
    .filter(Boolean)
    .join(' ');
}

/** XAD. */
export function address(xad: Repetition): Record<string, unknown> | undefined {
  const line = [xad.get(1), xad.get(2)].filter((part) => part !== undefined);
  const use = { H: 'home', B: 'work', O: 'work', C: 'temp', BI: 'billing' }[xad.get(7) ?? ''];
  const [city, state, postalCode, country] = [xad.get(3), xad.get(4), xad.get(5), xad.get(6)];
  if (line.length === 0 && !city && !state && !postalCode && !country) return undefined;
  return {
    ...(use && { use }),
    ...(line.length > 0 && { line }),
    ...(city && { city }),
    ...(state && { state }),
    ...(postalCode && { postalCode }),
    ...(country && { country }),
  };
}

/** XTN: the old one number, or the parts of the newer versions. */
export function telecom(xtn: Repetition, use: string | undefined): Record<string, unknown> | undefined {
  const equipment = xtn.get(3);
  const parts = [xtn.get(5), xtn.get(6), xtn.get(7)].filter((part) => part !== undefined);
  const email = xtn.get(4);
  const isEmail = equipment === 'Internet' || equipment === 'X.400';
  const value = isEmail ? (email ?? xtn.get(1)) : (xtn.get(12) ?? xtn.get(1) ?? (parts.join(' ') || email));
  if (!value) return undefined;
  const said = { PRN: 'home', ORN: 'home', WPN: 'work', CP: 'mobile', PRS: 'mobile' }[xtn.get(2) ?? ''];
  return {
    system:
      isEmail || (value === email && value.includes('@'))
        ? 'email'
        : (TELECOM_SYSTEMS[equipment ?? ''] ?? 'phone'),
    value,
    ...((equipment === 'CP' ? 'mobile' : (said ?? use)) && {
      use: equipment === 'CP' ? 'mobile' : (said ?? use),
    }),
  };
}

/** HL7 table 0202. */
const TELECOM_SYSTEMS: Readonly<Record<string, string>> = {
  FX: 'fax',
  BP: 'pager',
  MD: 'other',
  TDD: 'other',
  TTY: 'other',
};

/** A quantity whose unit is a CWE; the code only where the sender says it is UCUM. */
export function quantity(value: number, unit: Repetition): Record<string, unknown> {
  const code = unit.get(1);
  const ucum = systemOfName(unit.get(3)) === 'http://unitsofmeasure.org';
  const words = unit.get(2) ?? code;
  return {
    value,
    ...(words && { unit: words }),
    ...(ucum && code && { system: 'http://unitsofmeasure.org', code }),
  };
}
