import { type Bundle, extension, type Resource, request, resources } from '../api.js';
import type { Mention } from '../marked.js';

const MAX_PROVENANCES = 20;
/** References that one batch reads. */
const MAX_FACTS = 500;

/** A resource that this note yielded, with where in the note it was read. */
export interface Fact {
  readonly resource: Resource;
  readonly spans: readonly { readonly start: number; readonly end: number }[];
}

/** What a note yielded, by the Provenance that covers it; facts that are gone are left out. */
export async function readFacts(document: string, signal: AbortSignal): Promise<Fact[]> {
  const provenances = await request<Bundle>(
    `Provenance?entity=${encodeURIComponent(`DocumentReference/${document}`)}&_count=${MAX_PROVENANCES}`,
    { signal },
  );
  const targets = new Set<string>();
  for (const provenance of resources(provenances))
    for (const { reference = '' } of (provenance.target ?? []) as { reference?: string }[])
      targets.add(reference.replace(/\/_history\/.*$/, ''));
  if (targets.size === 0) return [];
  const answer = await request<Bundle>('', {
    method: 'POST',
    signal,
    body: {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [...targets].slice(0, MAX_FACTS).map((url) => ({ request: { method: 'GET', url } })),
    },
  });
  return (answer.entry ?? [])
    .map((entry) => entry.resource)
    .filter((resource) => resource && resource.resourceType !== 'OperationOutcome')
    .map((resource) => ({ resource, spans: spansOf(resource) }))
    .sort((a, b) => (a.spans[0]?.start ?? 0) - (b.spans[0]?.start ?? 0));
}

function spansOf(resource: Resource): Fact['spans'] {
  return (resource.extension ?? [])
    .filter((e) => e.url.endsWith('/source-span'))
    .map((e) => ({
      start: Number(extension(e, 'start')?.valueInteger ?? -1),
      end: Number(extension(e, 'end')?.valueInteger ?? -1),
    }));
}

/** The facts that were read from these words. */
export function factsOf(facts: readonly Fact[], mention: Mention): Fact[] {
  return facts.filter((fact) => fact.spans.some((s) => s.start < mention.end && s.end > mention.start));
}

/** The mention a fact was read from: the one that covers most of its words. */
export function mentionOf(fact: Fact, mentions: readonly Mention[]): Mention | undefined {
  const shared = (m: Mention) =>
    Math.max(0, ...fact.spans.map((s) => Math.min(s.end, m.end) - Math.max(s.start, m.start)));
  return mentions.reduce<Mention | undefined>(
    (best, m) => (shared(m) > (best ? shared(best) : 0) ? m : best),
    undefined,
  );
}
