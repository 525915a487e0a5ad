import { findPhi } from '../../nlp/6-phi/index.js';
import type { Span } from '../../nlp/model.js';
import { invalid } from '../core/fault.js';
import { COMPREHEND_FORMATS, type ComprehendFormat, comprehendAnswer } from '../mapping/comprehend.js';
import { mapAnnotation } from '../mapping/index.js';
import type { TextReader } from '../tasks/annotate.js';
import { isObject } from '../tasks/bundle-entry.js';
import { type Handler, oneParam } from './exchange.js';
import type { Route } from './router.js';

/** Of resources that are shown and not kept. */
const NOBODY = 'Patient/unknown';
const SUBJECT = /^Patient\/[A-Za-z0-9.-]{1,64}$/;

/**
 * `POST $annotate`: what a text says, without storing anything. Body `{"text", "id"?, "date"?, "type"?, "format"?}`
 * or Parameters of these names; `format`, in the query or the body, asks for an answer in the shape of Amazon
 * Comprehend Medical, whose own body `{"Text"}` is read too, or with `fhir` for the resources that a note of this text
 * would yield, as a Bundle, or with `both` for the annotation and that Bundle as its `bundle`; they are about `subject`, by default a Patient who is not there.
 */
export function annotateRoute(reader: () => Promise<TextReader>): Route {
  const handle: Handler = async (request) => {
    const { json } = await request.body(['json']);
    if (!isObject(json)) throw invalid('The body is not an object.', undefined, 'Send {"text": "…"}.');
    const values = json.resourceType === 'Parameters' ? fromParameters(json) : json;
    const format = formatOf(oneParam(request, 'format') ?? values.format);
    const text = values.text ?? values.Text;
    if (typeof text !== 'string') throw invalid('The body has no text.', 'text', 'Send {"text": "…"}.');
    const { annotate, version } = await reader();
    const id = textOf(values.id, 'id') ?? 'text';
    const date = textOf(values.date, 'date');
    const subject = textOf(values.subject, 'subject') ?? NOBODY;
    if (!SUBJECT.test(subject))
      throw invalid('The subject is no Patient.', 'subject', 'Name it as Patient/id.');
    const annotation = await annotate(text, { id, date, type: textOf(values.type, 'type') });
    if (format === undefined) return { status: 200, json: annotation };
    if (format === 'fhir' || format === 'both') {
      const resources = mapAnnotation(annotation, {
        tenantId: request.tenant.record.id,
        documentId: id,
        documentVersion: 1,
        recorded: new Date(request.now).toISOString(),
        subject,
        ...(date === undefined ? {} : { date }),
        pipeline: version,
      });
      const entry = resources.map((resource) => ({ resource }));
      const bundle = { resourceType: 'Bundle', type: 'collection', entry };
      return { status: 200, json: format === 'both' ? { ...annotation, bundle } : bundle };
    }
    const withPhi =
      format === 'comprehend-entities'
        ? { ...annotation, mentions: [...annotation.mentions, ...findPhi(text)].sort(byPlace) }
        : annotation;
    return { status: 200, json: comprehendAnswer(format, text, withPhi) };
  };
  return {
    method: 'POST',
    path: '$annotate',
    claim: {
      kind: 'operation',
      name: 'annotate',
      definition: 'https://cenote.health/fhir/OperationDefinition/annotate',
    },
    // It touches no record: any token of the tenant will do.
    needs: 'each',
    handle,
  };
}

const byPlace = (a: Span, b: Span) => a.start - b.start || a.end - b.end;

type Format = ComprehendFormat | 'fhir' | 'both';
const FORMATS: readonly Format[] = ['fhir', 'both', ...COMPREHEND_FORMATS];

function formatOf(value: unknown): Format | undefined {
  if (value === undefined || value === 'json') return undefined;
  const format = FORMATS.find((each) => each === value);
  if (format) return format;
  throw invalid('There is no such format.', 'format', `There are: json, ${FORMATS.join(', ')}.`);
}

function fromParameters(json: Record<string, unknown>): Record<string, unknown> {
  const list = Array.isArray(json.parameter) ? json.parameter.filter(isObject) : [];
  return Object.fromEntries(
    list.map((item) => [
      String(item.name),
      item.valueString ??
        item.valueMarkdown ??
        item.valueDateTime ??
        item.valueDate ??
        item.valueCode ??
        (isObject(item.valueReference) ? item.valueReference.reference : undefined),
    ]),
  );
}

function textOf(value: unknown, at: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value.length <= 200)) return value;
  throw invalid('The value is not a short text.', at);
}
