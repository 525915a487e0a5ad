/** Words a unit may be made of: a unit with any other is left out, since a name could stand there. */
const WORDS = new Set(
  (
    'g kg mg ug mcg ng pg L l dL mL uL fL cL mol mmol umol nmol pmol m cm mm um nm km in ft lb oz s min h hr d wk mo a yr ' +
    'day days week weeks month months year years hour hours minute minutes Hz kHz MHz Cel degF C F K Pa kPa mmHg Hg H2O ' +
    'U mU uU kU IU iU mIU meq mEq eq mosm mOsm osm cal kcal kJ J W V mV dB Bq MBq Gy mGy Sv ' +
    'tablet tablets capsule capsules drop drops puff puffs unit units score count ratio tbl cells beats breaths ' +
    'in_i lb_av oz_av ft_i gal_us e BPM bpm sq pH arb CFU titer bdsk_u x'
  ).split(' '),
);

/** Whether `unit` is made of words and signs of units alone: `mg/dL`, `10*3/uL`, `mm[Hg]`, `{score}`. */
export function isUnit(unit: string): boolean {
  if (unit.length > 24 || !/^[A-Za-z0-9_%./*^[\]{}()'" µμ°+-]+$/.test(unit)) return false;
  if (/\d{4}/.test(unit)) return false;
  return unit
    .replace(/H2O/g, 'Hg')
    .split(/[^A-Za-z_]+/)
    .every((word) => word === '' || WORDS.has(word.replace(/^_/, '')));
}
