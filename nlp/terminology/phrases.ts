// Other word orders and shorter forms of an official name, as people write them.

const FILLER: readonly (readonly [RegExp, string])[] = [
  [/,? unspecified as to .*$/i, ''],
  [
    /,? \(?(?:unspecified|not otherwise specified|not elsewhere classified|nos|nec|so described|without mention of complication)\)?(?=$|,| )/gi,
    '',
  ],
  [/^(?:unspecified|other specified|other) /i, ''],
  [/ (?:\(disorder\)|\(finding\)|\(procedure\)|\(situation\))$/i, ''],
  [/\s*\[[^\]]*\]/g, ''],
  [/ - (?=\w)/g, ' '],
];

/** A name without "unspecified", NOS, NEC and brackets. */
export function plainName(name: string): string {
  let plain = name;
  for (const [pattern, with_] of FILLER) plain = plain.replace(pattern, with_);
  return plain
    .replace(/\s+/g, ' ')
    .replace(/[ ,]+$/, '')
    .trim();
}

/** The name and its usual other forms. */
export function phraseVariants(name: string): Set<string> {
  const variants = new Set([name]);
  const plain = plainName(name);
  if (plain) variants.add(plain);
  for (const form of [...variants]) {
    // "Laceration of forearm" and "forearm laceration"
    const of = /^([\w-]+(?: [\w-]+)?) of (?:the )?([\w-]+(?: [\w-]+){0,2})$/i.exec(form);
    if (
      of &&
      !/\b(?:history|family|risk|absence|lack|loss|disorder|structure|state|use|entire)\b/i.test(of[1]!) &&
      !/\b(?:of|in|with|and|or|by)\b/i.test(of[2]!)
    ) {
      variants.add(`${of[2]} ${of[1]}`);
    }
    const type = /^(.*) mellitus type (\d|I+)$/i.exec(form);
    if (type)
      variants
        .add(`type ${type[2]} ${type[1]} mellitus`)
        .add(`type ${type[2]} ${type[1]}`)
        .add(`${type[1]} type ${type[2]}`);
    const stage = /^(.*?),? (stage|type|grade|class) (\w+)$/i.exec(form);
    if (stage) variants.add(`${stage[2]} ${stage[3]} ${stage[1]}`).add(`${stage[1]} ${stage[2]} ${stage[3]}`);
    if (/ disorder$/i.test(form) && form.split(' ').length > 2)
      variants.add(form.replace(/ disorder$/i, ' disease'));
    if (/ disease$/i.test(form) && form.split(' ').length > 2)
      variants.add(form.replace(/ disease$/i, ' disorder'));
    if (/ caused by /i.test(form)) variants.add(form.replace(/ caused by /i, ' due to '));
    if (/ due to /i.test(form))
      variants.add(form.replace(/ due to /i, ' caused by ')).add(form.replace(/ due to /i, ' secondary to '));
  }
  return variants;
}

/** Parts of the body and the adjectives that stand for them in names of diseases. */
export const BODY_ADJECTIVES: Readonly<Record<string, readonly string[]>> = {
  kidney: ['renal'],
  liver: ['hepatic'],
  lung: ['pulmonary'],
  heart: ['cardiac'],
  stomach: ['gastric'],
  brain: ['cerebral', 'brain'],
  eye: ['ocular'],
  retina: ['retinal'],
  intestine: ['intestinal', 'bowel'],
  bladder: ['vesical', 'bladder'],
  ureter: ['ureteral', 'ureteric'],
  urethra: ['urethral'],
  prostate: ['prostatic'],
  testis: ['testicular'],
  ovary: ['ovarian'],
  uterus: ['uterine'],
  vagina: ['vaginal'],
  skin: ['cutaneous', 'skin'],
  bone: ['bone', 'osseous'],
  muscle: ['muscular'],
  trachea: ['tracheal'],
  esophagus: ['esophageal'],
  colon: ['colonic'],
  rectum: ['rectal'],
  pancreas: ['pancreatic'],
  spleen: ['splenic'],
  larynx: ['laryngeal'],
  pharynx: ['pharyngeal'],
  nose: ['nasal'],
  mouth: ['oral'],
  tooth: ['dental'],
  spine: ['spinal'],
  cornea: ['corneal'],
  conjunctiva: ['conjunctival'],
  aorta: ['aortic'],
  artery: ['arterial'],
  vein: ['venous'],
  femur: ['femoral'],
  pelvis: ['pelvic'],
  abdomen: ['abdominal'],
  thorax: ['thoracic'],
  face: ['facial'],
  duodenum: ['duodenal'],
  ileum: ['ileal'],
  jejunum: ['jejunal'],
  cervix: ['cervical'],
  bronchus: ['bronchial'],
  pleura: ['pleural'],
  pericardium: ['pericardial'],
  peritoneum: ['peritoneal'],
  meninges: ['meningeal'],
  scrotum: ['scrotal'],
  penis: ['penile'],
  vulva: ['vulvar'],
  perineum: ['perineal'],
  anus: ['anal'],
  orbit: ['orbital'],
  eyelid: ['palpebral'],
  tongue: ['lingual'],
  tonsil: ['tonsillar'],
  lip: ['labial'],
  thyroid: ['thyroidal'],
  nerve: ['neural'],
  tendon: ['tendinous'],
  rib: ['costal'],
};
