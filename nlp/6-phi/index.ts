import type { KnownIdentity, Mention, PhiKind, Span } from '../model.js';
import { knownFinds } from './known.js';
import { nameFinds } from './names.js';
import { numberFinds } from './number-model.js';
import { patternFinds } from './patterns.js';
import type { Found } from './rules.js';
import { spread } from './spread.js';

/**
 * Personal data in a text as mentions of type `phi`, in order, not overlapping: names, dates, ages over 89, numbers
 * that name a person, telephone, e-mail, web and postal addresses, organisations. They never become facts. Pure; the
 * time is linear in the length of the text.
 * @param known what is known of the person from elsewhere; it is found as written and with slips of the pen.
 */
export function findPhi(text: string, known?: KnownIdentity): Mention[] {
  const finds = [
    ...(known ? knownFinds(text, known) : []),
    ...patternFinds(text),
    ...nameFinds(text),
    ...numberFinds(text),
  ];
  return settled(spread(text, settled(finds))).map(({ start, end, kind, score, rule }) => ({
    start,
    end,
    text: text.slice(start, end),
    type: 'phi',
    kind,
    assertion: { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' },
    attributes: [],
    concepts: [],
    score,
    accepted: false,
    reason: 'not-a-fact',
    because: { phi: rule },
  }));
}

/**
 * Of finds that overlap one is kept, with the kind of the best and the reach of all: what hides too much is a
 * smaller harm than half a name left standing.
 */
function settled(finds: readonly Found[]): Found[] {
  const sorted = [...finds].sort((a, b) => a.start - b.start || b.end - a.end);
  const kept: Found[] = [];
  for (const find of sorted) {
    const last = kept.at(-1);
    if (!last || find.start >= last.end) {
      kept.push(find);
      continue;
    }
    const lengthOf = (f: Found) => f.end - f.start;
    const better = find.score > last.score && lengthOf(find) * 2 >= lengthOf(last) ? find : last;
    kept[kept.length - 1] = { ...better, start: last.start, end: Math.max(last.end, find.end) };
  }
  return kept;
}

/**
 * The text with each span replaced by its kind in brackets: `[NAME]`, `[DATE]`, `[HEALTH-PLAN]`. Spans may come in
 * any order; of those that overlap all is hidden under the first one's kind.
 */
export function redact(text: string, spans: readonly (Span & { readonly kind?: PhiKind })[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { start, end, kind } of [...spans].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (start >= at) parts.push(text.slice(at, start), `[${(kind ?? 'phi').toUpperCase()}]`);
    at = Math.max(at, end);
  }
  parts.push(text.slice(at));
  return parts.join('');
}
