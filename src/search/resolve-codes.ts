import { invalid } from '../core/fault.js';
import { MAX_CODES } from '../fhir/code-tree.js';
import type { ParameterQuery, SearchValue } from '../indexing/parameter-type.js';
import { escapeText, splitUnescaped, unescapeText } from './syntax.js';
import type { Node } from './tree.js';
import type { Code, CodeKnowledge } from './value-sets.js';

/**
 * Rewrites token parameters with `:in`, `:not-in`, `:below` and `:above` to the codes they stand for (R4
 * search.html#token), so that the rest of search knows plain tokens only.
 */
export async function resolveCodes(node: Node, knowledge: CodeKnowledge): Promise<Node> {
  const done = new Map<Node, Promise<Node>>();
  const visit = (n: Node): Promise<Node> => {
    let result = done.get(n);
    if (!result) {
      result = inner(n);
      done.set(n, result);
    }
    return result;
  };
  const inner = async (n: Node): Promise<Node> => {
    switch (n.kind) {
      case 'and':
      case 'or':
        return { kind: n.kind, of: await Promise.all(n.of.map(visit)) };
      case 'not':
      case 'chain':
      case 'has':
        return { ...n, of: await visit(n.of) } as Node;
      case 'parameter':
        return needsCodes(n.query) ? resolved(n.query, knowledge) : n;
      default:
        return n;
    }
  };
  return visit(node);
}

/** Whether any parameter of the tree must be resolved. */
export function mentionsCodes(node: Node): boolean {
  const seen = new Set<Node>();
  const visit = (n: Node): boolean => {
    if (seen.has(n)) return false;
    seen.add(n);
    switch (n.kind) {
      case 'and':
      case 'or':
        return n.of.some(visit);
      case 'not':
      case 'chain':
      case 'has':
        return visit(n.of);
      case 'parameter':
        return needsCodes(n.query);
      default:
        return false;
    }
  };
  return visit(node);
}

function needsCodes({ parameter, modifier }: ParameterQuery): boolean {
  return (
    parameter.type === 'token' &&
    (modifier === 'in' || modifier === 'not-in' || modifier === 'below' || modifier === 'above')
  );
}

async function resolved(query: ParameterQuery, knowledge: CodeKnowledge): Promise<Node> {
  const { modifier } = query;
  const codes: Code[] = [];
  for (const { text } of query.values) {
    if (modifier === 'in' || modifier === 'not-in')
      codes.push(...(await knowledge.valueSet(unescapeText(text))));
    else codes.push(...(await knowledge.related(codeOf(query, text), modifier as 'below' | 'above')));
  }
  if (codes.length > MAX_CODES)
    throw invalid(
      `The parameter stands for more than ${MAX_CODES} codes.`,
      query.parameter.code,
      'Use fewer or smaller value sets.',
    );
  const values = codes.map(
    ({ system, code }): SearchValue => ({ prefix: 'eq', text: `${escapeText(system)}|${escapeText(code)}` }),
  );
  const any: Node =
    values.length === 0
      ? { kind: 'nothing' }
      : { kind: 'parameter', query: { ...query, modifier: undefined, values } };
  return modifier === 'not-in' ? { kind: 'not', of: any } : any;
}

function codeOf(query: ParameterQuery, text: string): Code {
  const [system, code, more] = splitUnescaped(text, '|').map(unescapeText);
  if (!system || !code || more !== undefined)
    throw invalid(
      'A code whose place in a hierarchy is asked for needs its system.',
      query.parameter.code,
      'Write it as system|code.',
    );
  return { system, code };
}
