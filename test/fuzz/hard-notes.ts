/** Texts that a reader of notes may choke on: pieces that are repeated without end, in several frames. */

const SIGNS: Readonly<Record<string, string>> = {
  colons: 'PLAN: ',
  'one header': 'MEDICATIONS:\n',
  'headers of one letter': 'A:\nB:\n',
  'headers in capitals without colon': 'PHYSICAL EXAM\n',
  'numbered headers': '1. ASSESSMENT:\n2. PLAN:\n',
  'markdown headers': '## Plan\n',
  'rules of signs': '-----=====*****_____\n',
  bullets: '- ',
  'bullets on lines': '- \n',
  'nested bullets': '  - * • o ',
  'numbers of a list': '1) 2) 3) ',
  blanks: ' ',
  tabs: '\t',
  'line ends': '\n',
  'carriage returns': '\r\n \r\n',
  'form feeds': '\f',
  'no-break spaces': '\u00a0\u2003\u3000',
  dots: '.',
  'dots with blanks': '. . ',
  commas: ', ',
  semicolons: '; ',
  slashes: 'a/b/',
  hyphens: 'a-b-',
  'soft hyphens': 'hyper\u00adten\u00adsion ',
  'hyphens at line ends': 'hyper-\ntension ',
  quotes: '"\'“”‘’',
  'nested quotes': '“no "pain" said” ',
  'open brackets': '([{<',
  'closed brackets': ')]}>',
  boxes: '[ ] [x] ☐ ☑ ',
  'check boxes with names': '[x] asthma [ ] gout ',
  'question marks': '? ?? ',
  'plus and minus': '+ - +/- ± ',
  'combining marks': 'a\u0301\u0308\u0323\u0327',
  'zero-width signs': 'pneu\u200bmo\u200dnia\ufeff ',
  'right-to-left overrides': '\u202easpirin\u202c \u2066no\u2069 ',
  'Arabic and Hebrew': 'حالة שלום ',
  'Chinese without blanks': '患者没有发烧',
  emoji: '👩‍⚕️💊🏽',
  'lone surrogates': '\ud83d \udc8a ',
  'control signs': '\u0000\u0007\u001b[31m',
  'letters that grow in capitals': 'ßŉǰΐİſ',
  'full-width letters': 'ａｓｐｉｒｉｎ ',
  'small capitals and ligatures': 'ﬁﬂ ﬀ ',
};

const CLINICAL: Readonly<Record<string, string>> = {
  no: 'no ',
  denies: 'denies ',
  not: 'not ',
  'alternating cues': 'no possible denies likely without ',
  'cues and names in turn': 'no gout, possible asthma, denies fever but pneumonia ',
  'double negation': 'cannot not deny no ',
  or: 'fever or chills or ',
  and: 'gout and asthma and ',
  'slashed names': 'HTN/DM/CAD/',
  'signed names': '-HTN +DM ',
  'lists under a cue': 'Denies: fever, chills, ',
  'rule out': 'r/o PE vs. MI ',
  'if then': 'if fever then aspirin unless bleeding ',
  'history of': 'history of history of ',
  family: 'mother father sister of brother with ',
  drugs: 'aspirin lisinopril metformin ',
  'drugs with doses': 'aspirin 81 mg po qd, ',
  'one drug a line': 'metoprolol succinate 50 mg po bid\n',
  'numbered drugs': '1. lisinopril 10 mg daily prn pain for 5 days\n',
  'doses alone': '5 mg ',
  ranges: '1-2-3-4 to 5-6 mg ',
  fractions: '1/2/3/4/5 ',
  tapers: '40 mg x 3 days then 30 mg x 3 days then ',
  frequencies: 'every 4 to 6 hours as needed twice daily ',
  values: 'creatinine 1.2 mg/dL ',
  'blood pressures': 'BP 120/80 130/85 ',
  'laboratory rows': 'Na 140 | K 4.0 | Cl 100 | ',
  'wide table': 'sodium\t140\t',
  'table with bars': '| WBC | 5.4 |\n',
  cells: 'a|b|c|',
  dates: '01/02/2020 ',
  'dates without end': '1/2/3/4/5/6-7-8-',
  'dates in words': 'three days ago last March in 2014 POD 2 ',
  times: '12:30:45 pm 0800 ',
  'long numbers': '12345678901234567890',
  decimals: '1.2.3.4.',
  'number words': 'twenty one hundred and five thousand ',
  abbreviations: 'Dr. Mr. e.g. i.e. vs. q.d. ',
  initials: 'A. B. C. ',
  capitals: 'PE MS RA PT ',
  'misspelt names': 'asprin lisinoprl metfromin ',
  'one long name': 'hypertensionhypertension',
  prefixes: 'anti-non-post-pre-',
  'names of phrases begun': 'type 2 type 2 chronic kidney disease stage ',
  'left and right': 'left right bilateral upper lower ',
  with: 'with without with ',
  of: 'of the of a ',
  allergies: 'allergic to penicillin (rash), ',
  vaccines: 'influenza vaccine given 2020, hepatitis B #2, ',
  codes: 'E11.9 I10 J18.9 ',
  'patient names': 'John Smith MD, Jane Doe RN ',
  links: 'http://a.b/c?d=e&f=g#h ',
  markup: '<b>no</b> &amp; <br/>',
  JSON: '{"a":[{"b":null}]},',
  base64: 'QWxhZGRpbjpvcGVuIHNlc2FtZQ',
  placeholders: '[** **] ____ XXX ',
  forms: 'Smoker: yes no Alcohol: ___ ',
  'question and answer': 'Q: pain? A: no. ',
  'stopped drugs': 'stop aspirin start metformin hold ',
  plans: 'will consider plan to schedule for ',
};

type Frame = (piece: string, length: number) => string;

const repeated: Frame = (piece, length) => piece.repeat(Math.ceil(length / piece.length)).slice(0, length);

/** Where the pieces stand: alone, one on each line, after a cue or header, with signs that open and never close. */
const FRAMES: Readonly<Record<string, Frame>> = {
  alone: repeated,
  'on lines of their own': (piece, length) => repeated(`${piece.trimEnd() || piece}\n`, length),
  'after a cue in a section': (piece, length) => repeated(`\nPLAN: no ${repeated(piece, 200)}`, length),
  'before a name and an open bracket': (piece, length) => repeated(`${piece}(pneumonia "`, length),
};

/** @param textOf gives the text cut at that many UTF-16 code units. */
export interface HardNote {
  readonly name: string;
  readonly textOf: (length: number) => string;
}

/** Every piece in every frame. */
export function hardNotes(): HardNote[] {
  return Object.entries({ ...SIGNS, ...CLINICAL }).flatMap(([name, piece]) =>
    Object.entries(FRAMES).map(([frame, made]) => ({
      name: `${name}, ${frame}`,
      textOf: (length: number) => made(piece, length),
    })),
  );
}
