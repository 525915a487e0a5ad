import type { Attribute, Mention } from '../model.js';
import { rangeOf, rangeText } from './numbers.js';

const COUNT =
  '(?:\\d+(?:\\.\\d+)?(?:\\s?(?:-|–|to)\\s?\\d+(?:\\.\\d+)?)?|1/2|½|half an?|one|two|three|four|five|six)';
const PER = '(?:\\s?/\\s?|\\s(?:per|a|each|every)\\s)';

/** How much is smoked or drunk, with the UCUM unit of it; the first that fits counts. */
const AMOUNTS: readonly { readonly pattern: RegExp; readonly unit: (match: RegExpExecArray) => string }[] = [
  {
    pattern: new RegExp(
      `(?<![\\d./])(${COUNT})\\+?[\\s-]{0,2}(pack[\\s-]?(?:years?|yrs?)|py\\b|pk-?yrs?)`,
      'i',
    ),
    unit: () => '{PackYears}',
  },
  {
    pattern: new RegExp(`(?<![\\d./])(${COUNT})\\s?(ppd\\b|(?:packs?|pk)${PER}day|packs?\\sdaily)`, 'i'),
    unit: () => '{pack}/d',
  },
  {
    pattern: new RegExp(
      `(?<![\\d./])(${COUNT})\\s?((?:cigarettes?|cigs?|beers?|drinks?|units?|u(?=\\s?/)|glass(?:es)?(?:\\sof\\swine)?|bottles?(?:\\sof\\s(?:wine|beer))?|pints?|shots?)(?:${PER}(day|week|wk|night|month)|\\s(daily|weekly|nightly|on weekends|at weekends|weekends)))`,
      'i',
    ),
    unit: (match) => {
      const rhythm = (match[3] ?? match[4] ?? 'day').toLowerCase();
      const thing = /^cig/i.test(match[2]!) ? '{cigarette}' : '{drink}';
      return `${thing}/${/^w|week/.test(rhythm) ? 'wk' : rhythm.startsWith('m') ? 'mo' : 'd'}`;
    },
  },
  {
    // "Smokes 5/day", "10 a day"
    pattern: new RegExp(`(?<![\\d./])(${COUNT})(${PER}day)\\b`, 'i'),
    unit: () => '{cigarette}/d',
  },
];

const SMOKED = /smok|tobacco|cig/i;
const DRUNK = /alcohol|drink|etoh|beer|wine|liquor/i;

/**
 * Value and unit of tobacco or alcohol use: "1 ppd" `1` `{pack}/d`, "30 pack-years" `30` `{PackYears}`, "2 beers a day"
 * `2` `{drink}/d`; from the words between the neighbouring mentions.
 */
export function amountOfUse(text: string, mention: Mention, from: number, to: number): Attribute[] {
  for (const { pattern, unit } of AMOUNTS) {
    for (const [start, end] of [
      [mention.start, to],
      [from, mention.end],
    ] as const) {
      const match = pattern.exec(text.slice(start, end));
      if (!match) continue;
      const words = match[1]!;
      if (/^\{drink/.test(unit(match)) !== DRUNK.test(mention.text)) continue;
      if (/^\{cig/.test(unit(match)) && !SMOKED.test(mention.text)) continue;
      const range = rangeOf(words.replace(/half an?|1\/2|½/i, '0.5'));
      if (!range) continue;
      const at = start + match.index;
      const unitAt = start + match.index + match[0].length - match[2]!.length;
      return [
        { type: 'value', start: at, end: at + words.length, text: words, normalized: rangeText(range) },
        {
          type: 'unit',
          start: unitAt,
          end: unitAt + match[2]!.length,
          text: match[2]!,
          normalized: unit(match),
        },
      ];
    }
  }
  return [];
}
