// Other word orders and shorter forms of an official name, as people write them.

const FILLER = [
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
export function plainName(name) {
  let plain = name;
  for (const [pattern, with_] of FILLER) plain = plain.replace(pattern, with_);
  return plain
    .replace(/\s+/g, ' ')
    .replace(/[ ,]+$/, '')
    .trim();
}

/** The name and its usual other forms. */
export function phraseVariants(name) {
  const variants = new Set([name]);
  const plain = plainName(name);
  if (plain) variants.add(plain);
  for (const form of [...variants]) {
    // "Laceration of forearm" and "forearm laceration"
    const of = /^([\w-]+(?: [\w-]+)?) of (?:the )?([\w-]+(?: [\w-]+){0,2})$/i.exec(form);
    if (
      of &&
      !/\b(?:history|family|risk|absence|lack|loss|disorder|structure|state|use|entire)\b/i.test(of[1]) &&
      !/\b(?:of|in|with|and|or|by)\b/i.test(of[2])
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
