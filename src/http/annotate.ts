import { invalid } from '../core/fault.js';
import type { TextReader } from '../tasks/annotate.js';
import { isObject } from '../tasks/bundle-entry.js';
import type { Handler } from './exchange.js';
import type { Route } from './router.js';

/** `POST $annotate`: what a text says, without storing anything. Body `{"text", "id"?, "date"?, "type"?}`. */
export function annotateRoute(reader: () => Promise<TextReader>): Route {
  const handle: Handler = async (request) => {
    const { json } = await request.body(['json']);
    if (!isObject(json)) throw invalid('The body is not an object.', undefined, 'Send {"text": "…"}.');
    const values = json.resourceType === 'Parameters' ? fromParameters(json) : json;
    const { text } = values;
    if (typeof text !== 'string') throw invalid('The body has no text.', 'text', 'Send {"text": "…"}.');
    const { annotate } = await reader();
    const annotation = await annotate(text, {
      id: textOf(values.id, 'id') ?? 'text',
      date: textOf(values.date, 'date'),
      type: textOf(values.type, 'type'),
    });
    return { status: 200, json: annotation };
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

function fromParameters(json: Record<string, unknown>): Record<string, unknown> {
  const list = Array.isArray(json.parameter) ? json.parameter.filter(isObject) : [];
  return Object.fromEntries(
    list.map((item) => [
      String(item.name),
      item.valueString ?? item.valueMarkdown ?? item.valueDateTime ?? item.valueDate ?? item.valueCode,
    ]),
  );
}

function textOf(value: unknown, at: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value.length <= 200)) return value;
  throw invalid('The value is not a short text.', at);
}
