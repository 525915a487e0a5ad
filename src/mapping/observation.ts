import type { Resource } from '../core/resource.js';
import { codeableConcept, derivedHead, traceExtensions } from './derived.js';
import type { DocumentEnvelope } from './document.js';
import { amount } from './dosage.js';
import { attribute, type Fact } from './fact.js';
import { SNOMED, snomed } from './snomed.js';
import { type Substance, substanceOf } from './substance.js';
import { whenOf } from './when.js';

const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';
const LOINC = 'http://loinc.org';

/** Systolic and diastolic of `120/80 mm[Hg]`. */
const PRESSURE = /^(\d{2,3})\/(\d{2,3})(?: mm\[Hg\])?$/;

function value(fact: Fact): object | undefined {
  const v = attribute(fact, 'value');
  if (!v) return undefined;
  const pressure = PRESSURE.exec(v.normalized ?? v.text);
  if (pressure) {
    const part = (code: string, display: string, n: string) => ({
      code: { coding: [{ system: LOINC, code, display }] },
      valueQuantity: { value: Number(n), unit: 'mmHg', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' },
    });
    return {
      component: [
        part('8480-6', 'Systolic blood pressure', pressure[1]!),
        part('8462-4', 'Diastolic blood pressure', pressure[2]!),
      ],
    };
  }
  const unit = attribute(fact, 'unit')?.normalized;
  const n = v.normalized ?? v.text;
  const quantity = amount(n) ?? (unit ? amount(`${n} ${unit}`) : undefined);
  if (quantity && !quantity.high) return { valueQuantity: quantity.low };
  if (quantity?.high) return { valueRange: { low: quantity.low, high: quantity.high } };
  if (/^\d+(\.\d+)?$/.test(n)) return { valueQuantity: { value: Number(n) } };
  if (/^\d{6,18}$/.test(v.normalized ?? '')) {
    return { valueCodeableConcept: { coding: [{ system: SNOMED, code: v.normalized }], text: v.text } };
  }
  return { valueString: v.text };
}

/** What the status of somebody's use is asked by (LOINC; US Core asks for tobacco's). */
const QUESTIONS: Partial<Record<Substance, readonly [code: string, display: string]>> = {
  TOBACCO_USE: ['72166-2', 'Tobacco smoking status'],
  ALCOHOL_CONSUMPTION: ['11331-6', 'History of Alcohol use'],
};

function questionOf(fact: Fact): object {
  const substance = substanceOf(fact.mentions[0]!.text);
  const [code, display] = (substance && QUESTIONS[substance]) ?? [];
  return code === undefined
    ? snomed('160476009', 'Social / personal history observable')
    : { coding: [{ system: LOINC, code, display }], text: display };
}

/** A result, vital sign or social-history finding with its value. */
export function observation(fact: Fact, id: string, document: DocumentEnvelope): Resource | undefined {
  const measured = value(fact);
  if (!measured && fact.kind !== 'social') return undefined;
  const when = whenOf(fact, document);
  const type = fact.mentions[0]!.type;
  const category =
    type === 'vital-sign' ? 'vital-signs' : type === 'social' ? 'social-history' : 'laboratory';
  // A social finding without its own LOINC question is the finding itself.
  const social = fact.kind === 'social' && !fact.concepts.some((c) => c.system === LOINC);
  return {
    ...derivedHead('Observation', id, 'derived-observation', traceExtensions(document, fact, when.source)),
    status: 'final',
    category: [{ coding: [{ system: CATEGORY, code: category }] }],
    code: social ? questionOf(fact) : codeableConcept(fact),
    subject: { reference: document.subject },
    ...(document.encounter && { encounter: { reference: document.encounter } }),
    ...(when.date && { effectiveDateTime: when.date }),
    ...(social
      ? {
          valueCodeableConcept: codeableConcept(fact),
          ...(measured && { component: [{ code: { text: 'amount' }, ...measured }] }),
        }
      : measured),
    derivedFrom: [{ reference: `DocumentReference/${document.documentId}` }],
  };
}
