import { describe, expect, test } from 'vitest';
import { tokenize } from '../../nlp/1-segment/tokens.js';
import { ContextJudge } from '../../nlp/2-mention/context.js';
import { fromOtherModels } from '../../nlp/2-mention/other-opinions.js';
import { DRUG_OPINIONS, loadTagger, type Tagged } from '../../nlp/2-mention/tagger.js';

/** What is found in `text` where the helpers think so of the word `[name]`: [all together, drug events, chemicals]. */
function found(text: string, opinion: readonly number[], listItem = false): string[] {
  const plain = text.replace(/[[\]]/g, '');
  const start = text.indexOf('[');
  const end = text.indexOf(']') - 1;
  const tokens = tokenize(plain);
  const drugs = new Float32Array(DRUG_OPINIONS * tokens.length);
  tokens.forEach((token, t) => {
    if (token.start >= start && token.end <= end) drugs.set(opinion, DRUG_OPINIONS * t);
  });
  const tagged: Tagged = { spans: [], probabilities: new Float32Array(5 * tokens.length), drugs };
  const context = new ContextJudge(tokens, 'none', listItem, tagged, loadTagger(), false);
  return fromOtherModels(plain, tagged, [], context).map(
    ({ first, last, score }) =>
      `${plain.slice(tokens[first]!.start, tokens[last - 1]!.end)} ${score > 0.5 ? 'believed' : 'seen'}`,
  );
}

const SURE = [1.2, 0.8, 0.6];
const FAINT = [0.4, 0.2, 0.3];

describe('a drug that only the helpers of the tagger know', () => {
  test.each<[string, readonly number[], string[]]>([
    [
      'The seizures began two days after the first infusion of [Zorvex] had ended.',
      SURE,
      ['Zorvex believed'],
    ],
    ['The seizures ended when the team had thought of [Zorvex] for the first time.', SURE, ['Zorvex seen']],
    ['The seizures began two days after the first infusion of [Zorvex] had ended.', FAINT, ['Zorvex seen']],
    ['The seizures ended when the team had thought of [Zorvex] for the first time.', FAINT, []],
    ['She had been given 2.5 mg [MWF] and 5 mg on all of the other days.', SURE, []],
    ['The sutures were cut with the long [Zorvex] and the wound was closed again.', [0.9, 0.9, 0], []],
  ])('%s %s', (text, opinion, expected) => {
    expect(found(text, opinion)).toEqual(expected);
  });

  test('is not looked for in lists and fragments, whose writing the helpers do not know', () => {
    expect(found('infusion of [Zorvex]', SURE)).toEqual([]);
    expect(found('The patient was started on an infusion of [Zorvex] once more.', SURE, true)).toEqual([]);
  });
});
