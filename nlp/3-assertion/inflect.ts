/** What has no regular past and participle; the others follow the rules of spelling. */
const IRREGULAR: Readonly<Record<string, readonly [past: string, participle: string]>> = {
  ask: ['asked', 'asked'],
  be: ['was', 'been'],
  begin: ['began', 'begun'],
  choose: ['chose', 'chosen'],
  come: ['came', 'come'],
  cut: ['cut', 'cut'],
  feel: ['felt', 'felt'],
  find: ['found', 'found'],
  forbid: ['forbade', 'forbidden'],
  forgo: ['forwent', 'forgone'],
  give: ['gave', 'given'],
  go: ['went', 'gone'],
  hear: ['heard', 'heard'],
  hold: ['held', 'held'],
  keep: ['kept', 'kept'],
  lean: ['leaned', 'leaned'],
  mean: ['meant', 'meant'],
  put: ['put', 'put'],
  read: ['read', 'read'],
  say: ['said', 'said'],
  see: ['saw', 'seen'],
  speak: ['spoke', 'spoken'],
  steer: ['steered', 'steered'],
  take: ['took', 'taken'],
  talk: ['talked', 'talked'],
  teach: ['taught', 'taught'],
  tell: ['told', 'told'],
  think: ['thought', 'thought'],
  throw: ['threw', 'thrown'],
  withdraw: ['withdrew', 'withdrawn'],
  withhold: ['withheld', 'withheld'],
};

/** Verbs that double their last consonant though the rule of one syllable does not reach them. */
const DOUBLING = new Set([
  'defer',
  'refer',
  'prefer',
  'quit',
  'submit',
  'admit',
  'commit',
  'permit',
  'omit',
  'occur',
  'recur',
]);
/** British and American spelling differ in these only. */
const BOTH_SPELLINGS = new Set(['counsel', 'label', 'cancel']);

/** Every form of a verb: `decline`, `declines`, `declined`, `declining`; the past and the participle may be one. */
export function verbForms(verb: string): {
  present: string[];
  past: string[];
  participle: string[];
  ing: string[];
} {
  const third = /(?:s|x|z|ch|sh|o)$/.test(verb)
    ? `${verb}es`
    : /[^aeiou]y$/.test(verb)
      ? `${verb.slice(0, -1)}ies`
      : `${verb}s`;
  const irregular = IRREGULAR[verb];
  const stems = doubled(verb);
  const ing = stems.map((stem) => `${verb === stem && /[^eo]e$/.test(verb) ? verb.slice(0, -1) : stem}ing`);
  const regular = stems.map((stem) =>
    stem.endsWith('e') ? `${stem}d` : /[^aeiou]y$/.test(stem) ? `${stem.slice(0, -1)}ied` : `${stem}ed`,
  );
  return {
    present: [verb, third],
    past: irregular ? [irregular[0]] : regular,
    participle: irregular ? [irregular[1]] : regular,
    ing,
  };
}

function doubled(verb: string): string[] {
  if (BOTH_SPELLINGS.has(verb)) return [verb, verb + verb.at(-1)];
  const short = /^[^aeiou]*[aeiou][bdgklmnprt]$/.test(verb);
  return short || DOUBLING.has(verb) ? [verb + verb.at(-1)] : [verb];
}

/**
 * A phrase whose verbs stand in angles, with every form they take: `<opt> against` stands for `opt`, `opts`, `opted`,
 * `opting against`, and `<offer:ed>` for the participle alone. What comes back is in the notation of choices.
 */
export function inflected(phrase: string): string {
  return phrase.replace(
    /<([a-z|-]+)(:ed|:s|:ing)?>/g,
    (_, verbs: string, only: string | undefined, at: number) => {
      const forms = verbs.split('|').flatMap((verb) => {
        const { present, past, participle, ing } = verbForms(verb);
        if (only === ':ed') return participle;
        if (only === ':s') return [...present, ...past];
        if (only === ':ing') return ing;
        return [...present, ...past, ...participle, ...ing];
      });
      const choices = [...new Set(forms)].join('|');
      // A verb that is a choice already gives its forms as choices beside the others: `{<fill:ed>|on file}`.
      return phrase.lastIndexOf('{', at) > phrase.lastIndexOf('}', at) ? choices : `{${choices}}`;
    },
  );
}
