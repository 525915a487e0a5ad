import type { CodeableConcept, Resource } from '../../core/resource.js';
import { decimal } from '../hl7-values.js';
import type { Element } from './element.js';
import { listed } from './header.js';
import {
  about,
  author,
  keyOf,
  performers,
  relatedBy,
  type Subject,
  statementId,
  T,
  textOnly,
} from './statement.js';
import { concept, interval, originalText, period, quantity } from './values.js';

export const MEDICATION_STATUSES: Readonly<Record<string, string>> = {
  active: 'active',
  completed: 'completed',
  aborted: 'stopped',
  suspended: 'on-hold',
  held: 'on-hold',
  cancelled: 'not-taken',
  nullified: 'entered-in-error',
};

/** The drug or vaccine of an administration. */
export function product(statement: Element, subject: Subject): CodeableConcept | undefined {
  const material = statement.at('consumable', 'manufacturedProduct', 'manufacturedMaterial');
  return concept(material?.at('code'), subject) ?? textOnly(material?.at('name')?.text());
}

export function medication(statement: Element, subject: Subject): Resource | undefined {
  const code = product(statement, subject);
  if (!code) return undefined;
  const times = statement.all('effectiveTime');
  const isTiming = (t: Element) => /PIVL_TS|EIVL_TS$/.test(t.attributes['xsi:type'] ?? '');
  const when = interval(
    times.find((t) => !isTiming(t)),
    subject,
  );
  const during = period(when);
  const every = times.find((t) => (t.attributes['xsi:type'] ?? '').endsWith('PIVL_TS'))?.at('period');
  const everyValue = decimal(every?.get('value') ?? every?.at('low')?.get('value'));
  const everyUnit = every?.get('unit') ?? every?.at('low')?.get('unit');
  const text = originalText(statement.at('text'), subject);
  const route = concept(statement.at('routeCode'), subject);
  const dose = quantity(statement.at('doseQuantity')) ?? quantity(statement.at('doseQuantity', 'low'));
  const dosage = {
    ...(text && { text }),
    ...(everyValue !== undefined && everyUnit && /^(s|min|h|d|wk|mo|a)$/.test(everyUnit)
      ? { timing: { repeat: { frequency: 1, period: everyValue, periodUnit: everyUnit } } }
      : {}),
    ...(statement.at('precondition') && { asNeededBoolean: true }),
    ...(route && { route }),
    ...(dose && { doseAndRate: [{ doseQuantity: dose }] }),
  };
  const reason = concept(relatedBy(statement, T.indication)?.at('value'), subject);
  const by = author(statement, subject);
  const { id, found } = statementId('MedicationStatement', statement, subject, keyOf(code), when.start ?? '');
  const { subject: patient, encounter } = about(subject);
  return {
    resourceType: 'MedicationStatement',
    id,
    ...listed('identifier', found),
    status:
      statement.get('negationInd') === 'true'
        ? 'not-taken'
        : statement.get('moodCode') === 'INT' &&
            statement.at('statusCode')?.get('code') === 'active' &&
            !during
          ? 'intended'
          : (MEDICATION_STATUSES[statement.at('statusCode')?.get('code') ?? ''] ?? 'unknown'),
    medicationCodeableConcept: code,
    subject: patient,
    ...(encounter && { context: encounter }),
    ...(during && { effectivePeriod: during }),
    ...(by.at && { dateAsserted: by.at }),
    ...(by.who && { informationSource: by.who }),
    ...listed('reasonCode', [reason]),
    ...(Object.keys(dosage).length > 0 && { dosage: [dosage] }),
  };
}

export function immunization(statement: Element, subject: Subject): Resource | undefined {
  const code = product(statement, subject);
  if (!code || statement.get('moodCode') === 'INT') return undefined;
  const refused = statement.get('negationInd') === 'true';
  const occurred = interval(statement.at('effectiveTime'), subject).start;
  const made = statement.at('consumable', 'manufacturedProduct');
  const lot = made?.at('manufacturedMaterial', 'lotNumberText')?.text();
  const maker = made?.at('manufacturerOrganization', 'name')?.text();
  const dose = quantity(statement.at('doseQuantity'));
  const route = concept(statement.at('routeCode'), subject);
  const site = concept(statement.at('approachSiteCode'), subject);
  const reason = concept(relatedBy(statement, T.refusal)?.at('code'), subject);
  const { id, found } = statementId('Immunization', statement, subject, keyOf(code), occurred ?? '');
  const { subject: patient, ...encounter } = about(subject);
  const by = performers(statement, subject);
  return {
    resourceType: 'Immunization',
    id,
    ...listed('identifier', found),
    status: refused ? 'not-done' : 'completed',
    ...(refused && reason && { statusReason: reason }),
    vaccineCode: code,
    patient,
    ...encounter,
    ...(occurred ? { occurrenceDateTime: occurred } : { occurrenceString: 'unknown' }),
    ...(lot && { lotNumber: lot }),
    ...(maker && { manufacturer: { display: maker } }),
    ...(route && { route }),
    ...(site && { site }),
    ...(dose && { doseQuantity: dose }),
    ...listed(
      'performer',
      by.map((actor) => ({ actor })),
    ),
  };
}
