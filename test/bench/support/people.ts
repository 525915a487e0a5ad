import type { Resource } from '../../../src/core/resource.js';

/**
 * Made-up people whose codes, ages and names are as frequent as in public statistics, roughly: common diseases and tests with
 * whom they befall, and surnames by the census. What an attacker knows beforehand is a second population, drawn with
 * another seed.
 */

export interface Person {
  readonly id: string;
  readonly family: string;
  readonly given: string;
  readonly gender: 'male' | 'female';
  readonly birthDate: string;
  readonly conditions: readonly { readonly code: string; readonly day: string }[];
  readonly values: readonly { readonly code: string; readonly value: number; readonly day: string }[];
}

/** [ICD-10-CM code, share of 10,000 diagnoses, usual age, women among ten]. */
const DISEASES: readonly (readonly [string, number, number, number])[] = [
  ['I10', 900, 62, 5],
  ['E78.5', 620, 61, 5],
  ['E11.9', 430, 60, 5],
  ['K21.9', 310, 54, 6],
  ['F41.9', 290, 40, 7],
  ['M54.50', 280, 50, 5],
  ['F32.A', 270, 44, 7],
  ['J06.9', 260, 22, 5],
  ['E66.9', 240, 47, 6],
  ['E03.9', 210, 57, 8],
  ['J45.909', 200, 30, 6],
  ['G47.33', 190, 56, 3],
  ['N39.0', 170, 52, 9],
  ['I25.10', 165, 70, 3],
  ['E55.9', 160, 50, 7],
  ['R07.9', 150, 49, 5],
  ['G43.909', 140, 38, 8],
  ['M17.9', 135, 67, 6],
  ['I48.91', 130, 74, 4],
  ['N18.3', 125, 72, 5],
  ['J30.9', 120, 32, 5],
  ['D64.9', 110, 58, 7],
  ['J44.9', 105, 69, 5],
  ['M81.0', 95, 71, 9],
  ['N40.0', 90, 68, 0],
  ['K59.00', 85, 45, 6],
  ['I50.9', 80, 75, 5],
  ['H66.90', 78, 6, 5],
  ['O80', 75, 29, 10],
  ['L70.0', 70, 20, 6],
  ['F17.210', 68, 46, 4],
  ['F90.9', 65, 15, 3],
  ['K76.0', 60, 52, 5],
  ['B34.9', 58, 18, 5],
  ['C50.911', 50, 63, 10],
  ['M10.9', 48, 60, 2],
  ['C61', 42, 70, 0],
  ['F31.9', 34, 41, 6],
  ['G40.909', 30, 33, 5],
  ['B20', 22, 45, 2],
  ['F20.9', 18, 42, 4],
  ['K50.90', 16, 36, 5],
  ['G35', 15, 44, 7],
  ['B18.2', 14, 55, 4],
  ['F11.20', 13, 38, 4],
];

/** [LOINC code, share, middle of its values, spread as a factor]. */
const TESTS: readonly (readonly [string, number, number, number])[] = [
  ['8480-6', 160, 126, 1.13],
  ['8462-4', 160, 77, 1.13],
  ['8867-4', 140, 75, 1.15],
  ['29463-7', 120, 79, 1.22],
  ['39156-5', 90, 27, 1.18],
  ['2345-7', 80, 101, 1.2],
  ['2160-0', 75, 0.9, 1.25],
  ['718-7', 60, 13.6, 1.1],
  ['6690-2', 55, 7, 1.3],
  ['777-3', 50, 245, 1.25],
  ['2951-2', 48, 139, 1.02],
  ['2823-3', 46, 4.2, 1.08],
  ['4548-4', 40, 5.9, 1.18],
  ['2093-3', 36, 185, 1.2],
  ['2085-9', 34, 52, 1.25],
  ['3016-3', 25, 1.9, 1.8],
  ['1742-6', 24, 22, 1.5],
  ['33914-3', 20, 82, 1.25],
  ['2857-1', 8, 1.3, 2.5],
  ['25836-8', 2, 60, 20],
];

/** Surnames with their share of 100,000 people; the tail is made up of syllables. */
const SURNAMES: readonly (readonly [string, number])[] = (
  'Smith 828 Johnson 656 Williams 551 Brown 487 Jones 483 Garcia 395 Miller 393 Davis 379 Rodriguez 371 Martinez 359 ' +
  'Hernandez 354 Lopez 296 Gonzalez 285 Wilson 271 Anderson 265 Thomas 256 Taylor 254 Moore 245 Jackson 240 Martin 238 ' +
  'Lee 235 Perez 231 Thompson 225 White 224 Harris 211 Sanchez 207 Clark 190 Ramirez 188 Lewis 180 Robinson 178 ' +
  'Walker 177 Young 164 Allen 163 King 157 Wright 155 Scott 149 Torres 148 Nguyen 148 Hill 147 Flores 146 Green 146 ' +
  'Adams 144 Nelson 142 Baker 141 Hall 137 Rivera 132 Campbell 131 Mitchell 130 Carter 128 Roberts 126'
)
  .split(' ')
  .reduce<[string, number][]>((list, word, i, all) => {
    if (i % 2 === 0) list.push([word, Number(all[i + 1])]);
    return list;
  }, []);
const SYLLABLES =
  'ba ben bo cor da del dor fel gar hen kel lan mar mon nor pel ros sal tan vel win zim'.split(' ');
const ENDINGS = ['er', 'son', 'ski', 'man', 'ini', 'es', 'berg', 'ton'];
const TAIL_NAMES = 1_200;
const GIVEN =
  'Mary James Linda Robert Patricia John Jennifer Michael Elizabeth David Susan William Ana Luis Wei'.split(
    ' ',
  );

/** A generator of numbers from 0 to 1 (mulberry32). */
export function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function drawer<T>(items: readonly T[], weight: (item: T) => number): (r: number) => T {
  const sums: number[] = [];
  let sum = 0;
  for (const item of items) {
    sum += weight(item);
    sums.push(sum);
  }
  return (r) => {
    let [lo, hi] = [0, items.length - 1];
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (sums[mid]! > r * sum) hi = mid;
      else lo = mid + 1;
    }
    return items[lo]!;
  };
}

const surname = drawer(
  [
    ...SURNAMES,
    ...Array.from({ length: TAIL_NAMES }, (_, i): [string, number] => {
      const n = SYLLABLES.length;
      const stem = SYLLABLES[i % n]! + SYLLABLES[Math.floor(i / n) % n]!;
      const name = stem + ENDINGS[(i * 7) % ENDINGS.length]!;
      return [name[0]!.toUpperCase() + name.slice(1), 9_000 / (i + 60)];
    }),
  ],
  ([, share]) => share,
);
const test = drawer(TESTS, ([, share]) => share);

/** How likely a disease befalls somebody of that age and sex, in comparison. */
function risk([, share, usual, women]: (typeof DISEASES)[number], age: number, female: boolean): number {
  const near = Math.exp(-(((age - usual) / 17) ** 2));
  return share * (near + 0.02) * ((female ? women : 10 - women) / 5);
}

const TODAY = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export function people(count: number, seed: number): Person[] {
  const r = random(seed);
  const normal = () => Math.sqrt(-2 * Math.log(r() + 1e-12)) * Math.cos(2 * Math.PI * r());
  return Array.from({ length: count }, (_, i) => {
    // More of the old than among all: they are the patients.
    const age = Math.min(97, Math.max(0, r() < 0.2 ? r() * 20 : 52 + 19 * normal()));
    const female = r() < 0.54;
    const disease = drawer(DISEASES, (d) => risk(d, age, female));
    const past = () => dayOf(TODAY - r() * Math.min(age + 0.01, 6) * 365 * DAY);
    const codes = new Set(
      Array.from({ length: 1 + Math.floor(r() * (1 + age / 12)) }, () => disease(r())[0]),
    );
    return {
      id: `p${seed}-${i}`,
      family: surname(r())[0],
      given: GIVEN[Math.floor(r() * r() * GIVEN.length)]!,
      gender: female ? 'female' : 'male',
      birthDate: dayOf(TODAY - age * 365.25 * DAY),
      conditions: [...codes].map((code) => ({ code, day: past() })),
      values: Array.from({ length: 1 + Math.floor(r() * 8) }, () => {
        const [code, , middle, spread] = test(r());
        return { code, value: Number((middle * spread ** normal()).toPrecision(3)), day: past() };
      }),
    };
  });
}

export function resourcesOf(person: Person): Resource[] {
  const subject = { reference: `Patient/${person.id}` };
  return [
    {
      resourceType: 'Patient',
      id: person.id,
      name: [{ family: person.family, given: [person.given] }],
      gender: person.gender,
      birthDate: person.birthDate,
    },
    ...person.conditions.map(({ code, day }, i) => ({
      resourceType: 'Condition',
      id: `${person.id}-c${i}`,
      subject,
      code: { coding: [{ system: 'http://hl7.org/fhir/sid/icd-10-cm', code }] },
      recordedDate: day,
    })),
    ...person.values.map(({ code, value, day }, i) => ({
      resourceType: 'Observation',
      id: `${person.id}-o${i}`,
      status: 'final',
      subject,
      code: { coding: [{ system: 'http://loinc.org', code }] },
      effectiveDateTime: day,
      valueQuantity: { value, unit: 'u' },
    })),
  ] as Resource[];
}
