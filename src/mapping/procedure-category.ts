import type { ProcedureCategory } from '../../nlp/model.js';
import type { CodeableConcept } from '../core/resource.js';
import { type Fact, nameOf } from './fact.js';
import { SNOMED } from './snomed.js';

type Code = readonly [code: string, display: string];

const SURGICAL: Code = ['387713003', 'Surgical procedure'];
const CODES: Readonly<Record<ProcedureCategory, Code>> = {
  therapeutic: ['277132007', 'Therapeutic procedure'],
  diagnostic: ['103693007', 'Diagnostic procedure'],
};

/** Acts that open, take out, put in or join parts of the body, in the words of notes and of SNOMED CT. */
const SURGERY =
  /(?:ectom(?:y|ies)|otom(?:y|ies)|ostom(?:y|ies)|plast(?:y|ies)|pex(?:y|ies)|desis|rrhaph(?:y|ies))\b|\b(?:surgery|surgical|operation|amputation|resection|excision|circumcision|graft(?:s|ing)?|fundoplication|(?:knee|hip|shoulder|joint|valve) replacement|replacement of (?:\w+ ){0,2}(?:knee|hip|shoulder|joint|valve)|(?:hernia|cuff|ligament|tendon|aneurysm|valve) repair|repair of|internal fixation|(?:kidney|renal|liver|lung|heart|pancreas|corneal) transplant(?:ation)?|transplant(?:ation)? of|c(?:a)?esarean|c-section|spinal fusion|ligation|laparotomy)\b/i;

/** The same endings where nothing is cut, or only through a needle, a tube or a natural opening. */
const NO_SURGERY =
  /angioplast|valvuloplast|thrombectom|atherectom|embolectom|polypectom|phlebotom|venotom|sphincterotom|septostom|radiosurg|marrow|stem cell|microbiota|fecal|percutaneous|endoscopic|balloon|catheter|dental|tooth/i;

/** What follows is no part of what was done: "anesthesia for cesarean section", "radiation after lumpectomy". */
const NOT_DONE = /\s(?:for|after|following|before|during|with|using)\s.*$/is;

/**
 * `Procedure.category`: diagnostic, or therapeutic and, before it, surgical where the words or the name of the code
 * plainly are; undefined where the note does not say which. Both codes of a surgical one stand there, so that who
 * searches for treatments finds operations.
 */
export function procedureCategory(fact: Fact): CodeableConcept | undefined {
  const category = fact.mentions.find((mention) => mention.category)?.category;
  if (!category) return undefined;
  const codes =
    category === 'therapeutic' && isSurgery(fact) ? [SURGICAL, CODES[category]] : [CODES[category]];
  return { coding: codes.map(([code, display]) => ({ system: SNOMED, code, display })) };
}

function isSurgery(fact: Fact): boolean {
  const names = [nameOf(fact.mentions[0]!), fact.concepts[0]?.display ?? ''].map((name) =>
    name.replace(/\s+/g, ' ').replace(NOT_DONE, ''),
  );
  return names.some((name) => SURGERY.test(name)) && !names.some((name) => NO_SURGERY.test(name));
}

/** What the category of a Procedure says of it, as a mention has it; undefined where it says neither. */
export function categoryOfConcept(concept: CodeableConcept | undefined): ProcedureCategory | undefined {
  for (const { system, code } of concept?.coding ?? []) {
    if (system !== SNOMED) continue;
    if (code === CODES.diagnostic[0]) return 'diagnostic';
    if (code === CODES.therapeutic[0] || code === SURGICAL[0]) return 'therapeutic';
  }
  return undefined;
}
