import type { Annotation, Mention } from '../../nlp/model.js';
import { readAnnotation } from '../store/annotations.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { textTable } from './table.js';

/** Examples shown per row, and how many characters of each. */
const EXAMPLES = 4;
const EXAMPLE_CHARS = 28;

interface Tally {
  count: number;
  readonly words: Map<string, number>;
}

/** What all notes of a tenant said: by type what was understood, by reason what was refused. */
export interface Understood {
  readonly notes: number;
  readonly accepted: ReadonlyMap<string, Tally>;
  readonly refused: ReadonlyMap<string, Tally>;
}

/** Reads the annotations of every document of a tenant. For small tenants: it opens each. */
export async function understood(store: Store, tenant: Tenant): Promise<Understood> {
  const accepted = new Map<string, Tally>();
  const refused = new Map<string, Tally>();
  let notes = 0;
  for await (const documents of store.scan(tenant, { types: ['DocumentReference'] })) {
    for (const { id } of documents) {
      const annotation = (await readAnnotation(tenant, id))?.annotation as Annotation | undefined;
      if (!annotation) continue;
      notes++;
      for (const mention of annotation.mentions) {
        if (mention.accepted) add(accepted, kindOf(mention), mention.text);
        else add(refused, mention.reason ?? 'refused', mention.text);
      }
    }
  }
  return { notes, accepted, refused };
}

function kindOf({ type, assertion }: Mention): string {
  return assertion.experiencer === 'family' ? `${type} of a relative` : type;
}

function add(into: Map<string, Tally>, key: string, text: string): void {
  let tally = into.get(key);
  if (!tally) {
    tally = { count: 0, words: new Map() };
    into.set(key, tally);
  }
  tally.count++;
  const words = text.replace(/\s+/g, ' ').trim();
  tally.words.set(words, (tally.words.get(words) ?? 0) + 1);
}

function rows(tallies: ReadonlyMap<string, Tally>): (string | number)[][] {
  return [...tallies]
    .sort((a, b) => b[1].count - a[1].count)
    .map(([name, { count, words }]) => [name, count, examples(words)]);
}

function examples(words: ReadonlyMap<string, number>): string {
  return [...words]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, EXAMPLES)
    .map(([text]) => (text.length > EXAMPLE_CHARS ? `${text.slice(0, EXAMPLE_CHARS - 1)}…` : text))
    .join(', ');
}

/** Both tallies as tables. */
export function understoodText({ notes, accepted, refused }: Understood): string {
  return [
    `Understood in ${notes} notes:`,
    textTable(['mention', 'times', 'such as'], rows(accepted)),
    '',
    'Refused as a fact about the patient, and why:',
    textTable(['reason', 'times', 'such as'], rows(refused)),
  ].join('\n');
}
