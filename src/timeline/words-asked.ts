import type { TimelineEvent } from './event.js';
import { foldWords } from './request.js';

/** Whether the event's title, kind or the note's words hold every word asked for. */
export function matchesWords(event: TimelineEvent, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const text = [event.title, event.kind, codesAndNames(event), ...event.words.map((w) => w.text)].join(' ');
  const have = foldWords(text);
  return words.every((w) => have.some((h) => h.startsWith(w)));
}

/** Displays and codes of the resource's own coded elements. */
function codesAndNames(event: TimelineEvent): string {
  const found: string[] = [];
  const { resource } = event;
  for (const name of ['code', 'medicationCodeableConcept', 'vaccineCode', 'type', 'reasonCode'] as const) {
    const value = resource[name];
    for (const concept of Array.isArray(value) ? value : [value]) {
      const { text, coding } = (concept ?? {}) as {
        text?: string;
        coding?: { display?: string; code?: string }[];
      };
      found.push(
        text ?? '',
        ...(Array.isArray(coding) ? coding.flatMap((c) => [c.display ?? '', c.code ?? '']) : []),
      );
    }
  }
  return found.join(' ');
}
