import { type CodeInUse, codesInUse } from '../cohort/codes-in-use.js';
import { invalid } from '../core/fault.js';
import { fold } from '../indexing/index.js';
import type { Store } from '../store/contract.js';
import { type Handler, segment } from './exchange.js';
import { operationParams } from './operation-input.js';
import type { Route } from './router.js';

const DEFAULT_COUNT = 50;
const MAX_COUNT = 10_000;
const MAX_TEXT_CHARS = 200;
const KNOWN = new Set(['_text', '_count', '_format', '_pretty']);

/** `GET|POST {type}/$codes-in-use`: the codes that resources of the type have, and how many have each. */
export function codesInUseRoutes({ store }: { readonly store: Store }): Route[] {
  const handle: Handler = async (request) => {
    const params = await operationParams(request);
    const unknown = params.find(([name]) => !KNOWN.has(name))?.[0];
    if (unknown !== undefined)
      throw invalid('$codes-in-use has no such parameter.', unknown.slice(0, 64), 'It has _text and _count.');
    const count = params.find(([name]) => name === '_count')?.[1] ?? String(DEFAULT_COUNT);
    if (!/^\d{1,6}$/.test(count) || Number(count) === 0 || Number(count) > MAX_COUNT)
      throw invalid('Not a number of codes.', '_count', `Give 1 to ${MAX_COUNT}.`);
    const { tenant, base } = request;
    const found = await codesInUse(store, tenant, segment(request, 'type'), {
      blind: tenant.keys.blind,
      base,
    });
    const words = params
      .filter(([name]) => name === '_text')
      .flatMap(([, value]) => wordsOf(value.slice(0, MAX_TEXT_CHARS)));
    const codes = found.codes.filter((code) => says(code, words));
    return {
      status: 200,
      resource: {
        resourceType: 'Parameters',
        parameter: [
          { name: 'total', valueInteger: codes.length },
          { name: 'examined', valueInteger: found.examined },
          { name: 'complete', valueBoolean: found.complete },
          ...codes.slice(0, Number(count)).map(({ system, code, display, count: n }) => ({
            name: 'code',
            part: [
              {
                name: 'coding',
                valueCoding: { system, code, ...(display === undefined ? {} : { display }) },
              },
              { name: 'count', valueInteger: n },
            ],
          })),
        ],
      },
    };
  };
  return (['GET', 'POST'] as const).map((method) => ({
    method,
    path: ':type/$codes-in-use',
    claim: {
      kind: 'operation',
      name: 'codes-in-use',
      definition: 'https://cenote.health/fhir/OperationDefinition/codes-in-use',
    },
    needs: 'r',
    handle,
  }));
}

const wordsOf = (text: string): string[] =>
  fold(text)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');

/** Each word begins one of the display's, or the code. */
function says({ code, display }: CodeInUse, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const have = [...wordsOf(display ?? ''), ...wordsOf(code)];
  return words.every((word) => have.some((h) => h.startsWith(word)));
}
