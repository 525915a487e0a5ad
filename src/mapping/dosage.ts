import type { Attribute } from '../../nlp/model.js';
import { attribute, type Fact } from './fact.js';
import { SNOMED } from './snomed.js';

const UCUM = 'http://unitsofmeasure.org';

/** Counted things are written in UCUM as annotations: `{tbl}`. */
const COUNTED: Readonly<Record<string, string>> = {
  '{tbl}': 'tablet',
  '{capsule}': 'capsule',
  '{puff}': 'puff',
  '{spray}': 'spray',
  '{drop}': 'drop',
  '{patch}': 'patch',
};

interface Quantity {
  value: number;
  unit?: string;
  system?: string;
  code?: string;
}

const AMOUNT = /^(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))? (\S+)$/;

/** Parses `10 mg` or `1-2 {tbl}`; undefined for anything else. */
export function amount(normalized: string | undefined): { low: Quantity; high?: Quantity } | undefined {
  const m = normalized ? AMOUNT.exec(normalized) : null;
  if (!m) return undefined;
  const code = m[3]!;
  const quantity = (value: string): Quantity => ({
    value: Number(value),
    unit: COUNTED[code] ?? code.replace(/^\{(.*)\}$/, '$1'),
    system: UCUM,
    code,
  });
  return m[2] ? { low: quantity(m[1]!), high: quantity(m[2]) } : { low: quantity(m[1]!) };
}

function coded(a: Attribute): object {
  const text = a.text;
  return a.normalized && /^\d{6,18}$/.test(a.normalized)
    ? { coding: [{ system: SNOMED, code: a.normalized }], text }
    : { text };
}

function timing(a: Attribute | undefined, duration: Attribute | undefined): object | undefined {
  let repeat: Record<string, unknown> | undefined;
  if (a?.normalized?.startsWith('{')) {
    try {
      const parsed = JSON.parse(a.normalized) as { repeat?: Record<string, unknown> };
      repeat = parsed.repeat ?? (parsed as Record<string, unknown>);
    } catch {
      repeat = undefined;
    }
  }
  const bounds = duration?.normalized ? amount(duration.normalized) : undefined;
  if (bounds) {
    repeat = bounds.high
      ? { boundsRange: { low: bounds.low, high: bounds.high }, ...repeat }
      : { boundsDuration: bounds.low, ...repeat };
  }
  if (!a && !repeat) return undefined;
  return { ...(repeat && { repeat }), ...(a && { code: { text: a.text } }) };
}

/** The words of the signature in the order of the note. */
function signatureText(fact: Fact): string | undefined {
  const parts = fact.attributes
    .filter((a) =>
      ['strength', 'dose', 'form', 'route', 'frequency', 'duration', 'prn', 'reason'].includes(a.type),
    )
    .sort((a, b) => a.start - b.start)
    .map((a) => a.text.replace(/\s+/g, ' ').trim());
  return parts.length > 0 ? parts.join(' ') : undefined;
}

/**
 * FHIR Dosage from the attributes of a medication, one per pair of dose and frequency the words give; undefined
 * where they give none. Strength counts as dose only where no dose is given and the strength is an amount.
 */
export function dosages(fact: Fact): object[] | undefined {
  const text = signatureText(fact);
  if (!text) return undefined;
  const all = (type: Attribute['type']) => fact.attributes.filter((a) => a.type === type);
  const doses = all('dose');
  const frequencies = all('frequency');
  const route = attribute(fact, 'route');
  const prn = attribute(fact, 'prn');
  const reason = attribute(fact, 'reason');
  const count = Math.max(1, Math.min(4, Math.max(doses.length, frequencies.length)));
  const out: object[] = [];
  for (let i = 0; i < count; i++) {
    const dose = doses[i] ?? doses[0] ?? attribute(fact, 'strength');
    const parsed = amount(dose?.normalized);
    const when = timing(frequencies[i] ?? frequencies[0], attribute(fact, 'duration'));
    out.push({
      ...(count > 1 && { sequence: i + 1 }),
      text,
      ...(when && { timing: when }),
      ...(prn && (reason ? { asNeededCodeableConcept: { text: reason.text } } : { asNeededBoolean: true })),
      ...(route && { route: coded(route) }),
      ...(parsed && {
        doseAndRate: [
          parsed.high ? { doseRange: { low: parsed.low, high: parsed.high } } : { doseQuantity: parsed.low },
        ],
      }),
    });
  }
  return out;
}
