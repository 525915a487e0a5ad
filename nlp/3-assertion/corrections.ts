import type { Mention } from '../model.js';

/** Where a note begins to put right what it said before: `ADDENDUM: final read NO DVT`. */
const PUTS_RIGHT =
  /\b(?:addendum|addenda|correction|corrected|amended|amendment|erratum|final (?:read|report|result)|over-?read|in error|prelim\w* (?:note|report|read) (?:was )?wrong)\b/i;
/** What every note may take back: that someone is allergic. */
const ALWAYS = new Set(['allergen']);

/**
 * What an addendum denies was not so where the note said it before: `DVT on preliminary duplex … ADDENDUM: NO DVT`. An
 * allergy that the note itself excludes was none either. Changes `mentions` in place.
 * @param order indices of the mentions by their place in the text
 */
export function takeBackEarlier(text: string, mentions: Mention[], order: readonly number[]): void {
  const names = deniedLater(mentions, order);
  if (names.size === 0) return;
  const at = text.search(PUTS_RIGHT);
  const denied = new Set<string>();
  for (let k = order.length - 1; k >= 0; k--) {
    const mention = mentions[order[k]!]!;
    const { polarity, temporality, experiencer } = mention.assertion;
    if (experiencer !== 'patient') continue;
    const always = ALWAYS.has(mention.type);
    if (at < 0 && !always) continue;
    const name = nameOf(mention);
    if (!names.has(name)) continue;
    if (polarity === 'negated') {
      if (temporality !== 'past' && (always || mention.start > at)) denied.add(name);
      continue;
    }
    if (!denied.has(name) || (!always && mention.start > at)) continue;
    mentions[order[k]!] = {
      ...mention,
      assertion: { ...mention.assertion, polarity: 'negated' },
      because: { ...mention.because, assertion: 'taken back later in the note' },
    };
  }
}

/** What is denied behind a place where it was said to be so. */
function deniedLater(mentions: readonly Mention[], order: readonly number[]): ReadonlySet<string> {
  const said = new Set<string>();
  const later = new Set<string>();
  for (const index of order) {
    const mention = mentions[index]!;
    if (mention.assertion.polarity !== 'negated') said.add(nameOf(mention));
    else if (said.size > 0 && said.has(nameOf(mention))) later.add(nameOf(mention));
  }
  return later;
}

function nameOf({ type, text }: Mention): string {
  return `${type} ${text.toLowerCase()}`;
}
