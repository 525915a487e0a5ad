import type { SectionKind } from '../model.js';
import { isSpace } from './characters.js';
import { Form, type Header } from './header.js';

/** Sections in which a part may have a heading of its own without ending them (`HEENT:`, `HYPERTENSION:`). */
export const HOLDS_PARTS = new Set<SectionKind>([
  'physical-exam',
  'review-of-systems',
  'assessment',
  'plan',
  'assessment-and-plan',
  'medications',
  'discharge-medications',
  'hospital-course',
  'results',
  'diagnoses',
  'problem-list',
  'past-medical-history',
  'instructions',
  'findings',
  'imaging',
]);

const HOLDS_EXAM_PARTS = new Set<SectionKind>([
  'physical-exam',
  'review-of-systems',
  'findings',
  'imaging',
  'plan',
  'assessment',
  'assessment-and-plan',
  'hospital-course',
  'past-medical-history',
  'operative-details',
  'results',
]);

const LISTS = new Set<SectionKind>([
  'problem-list',
  'past-medical-history',
  'past-surgical-history',
  'medications',
  'discharge-medications',
  'allergies',
  'immunizations',
  'diagnoses',
  'procedures',
  'results',
  'imaging',
]);
/** What may head a column of such a list. */
const COLUMN_HEADS = new Set<SectionKind>([
  'diagnoses',
  'problem-list',
  'medications',
  'procedures',
  'allergies',
  'immunizations',
  'results',
]);

/** What a plan may list under a smaller heading and still only plan. */
const PARTS_OF_PLAN = new Set<SectionKind>(['results', 'imaging', 'procedures', 'medications', 'diagnoses']);

/** What an item of a list in a plan does not take out of it. */
const PLANS = new Set<SectionKind>([
  'plan',
  'assessment-and-plan',
  'assessment',
  'hospital-course',
  'instructions',
  'follow-up',
]);
/** What was found on the patient, of whatever kind. */
const FOUND = new Set<SectionKind>(['physical-exam', 'review-of-systems', 'results', 'imaging', 'findings']);
/** What keywords of a title do not take out of a section that may hold it. */
const NO_SECTION_BY_KEYWORD = new Set<SectionKind>([
  'results',
  'imaging',
  'procedures',
  'physical-exam',
  'findings',
  'diagnoses',
  'assessment',
]);
const NEVER_PLANNED = new Set<SectionKind>(['allergies', 'family-history', 'past-medical-history']);

export function isBlank(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!isSpace(text.charCodeAt(at))) return false;
  return true;
}

/** Whether a header is a part of the section above it and opens none of its own. */
export function belongsTo(text: string, header: Header, open: Header): boolean {
  if (header.sub) {
    if (HOLDS_EXAM_PARTS.has(open.kind)) return true;
    // `Resp: 16` among vital signs is a rate.
    if (open.kind === 'vital-signs') return /^\s*\d/.test(text.slice(header.bodyStart, header.bodyStart + 8));
  }
  // `P: 62` among vital signs is a pulse.
  if (open.kind === 'vital-signs' && header.title.length <= 2)
    return /^\s*\d/.test(text.slice(header.bodyStart, header.bodyStart + 8));
  // `Eye exam:` within an examination, `Pain meds:` within a plan.
  if (header.composed && header.form >= open.form) {
    if (header.kind === open.kind) return true;
    if (FOUND.has(open.kind) && NO_SECTION_BY_KEYWORD.has(header.kind)) return true;
    if (PLANS.has(open.kind) && !NEVER_PLANNED.has(header.kind)) return true;
  }
  // `Allergies` above `Allergen Reactions`: the head of the columns.
  if (
    header.kind === open.kind &&
    open.bodyStart <= header.start &&
    !text.slice(header.start, header.bodyStart).includes(':') &&
    isBlank(text, open.bodyStart, header.start)
  )
    return true;
  // `Active Problem List` above `Diagnosis`: the head of a column in another word.
  if (
    COLUMN_HEADS.has(header.kind) &&
    LISTS.has(open.kind) &&
    open.bodyStart <= header.start &&
    !/[:\s]/.test(text.slice(header.start, header.bodyStart)) &&
    /^[^\S\n]*\n[^\S\n]*$/.test(text.slice(open.bodyStart, header.start))
  )
    return true;
  // `Drugs: none` among habits are no medicines.
  if (open.kind === 'social-history' && /^drugs?$/i.test(header.title)) return true;
  const smaller = header.form > open.form || (header.form === open.form && header.depth > open.depth);
  if (header.form === Form.Bullet && smaller) {
    if (header.kind === open.kind) return true;
    if (PLANS.has(open.kind) && !NEVER_PLANNED.has(header.kind)) return true;
  }
  if ((open.kind === 'plan' || open.kind === 'assessment-and-plan') && PARTS_OF_PLAN.has(header.kind))
    return smaller;
  if (header.kind !== 'other' || !HOLDS_PARTS.has(open.kind)) return false;
  // `# NSTEMI` in a note whose headers are no markdown is a problem, not a section.
  return (
    smaller || (header.unknown === true && (header.form !== Form.Markdown || open.form !== Form.Markdown))
  );
}
