import { join } from 'node:path';
import { segmentText } from '../1-segment/index.js';
import { findMentions } from '../2-mention/index.js';
import { type Reviser, reviserOf } from '../4-attribute/directions.js';
import { LEARNED_TYPES, type LearnedType } from '../4-attribute/directions-features.js';
import { DirectionsTagger } from '../4-attribute/directions-model.js';
import { withAttributes } from '../4-attribute/index.js';
import type { AttributeType, Mention, Span } from '../model.js';
import { directionExamples, trainDirections } from '../train/directions.js';
import type { Evaluation, ScoreRow } from './score.js';
import {
  type GoldAttribute,
  type GoldText,
  goldMentions,
  readCaseReports,
  readPhee,
} from './signature-gold.js';

export const FOLDS = 5;
/** Parts of the figures, and all of them together. */
const PARTS = ['drug-sig train', 'drug-sig dev', 'case-reports'] as const;
const TOGETHER = 'drug-sig + case-reports';

const GOLD_TYPE: Readonly<Partial<Record<AttributeType, LearnedType>>> = {
  strength: 'dose',
  dose: 'dose',
  route: 'route',
  frequency: 'frequency',
  duration: 'duration',
};

/** A text of the sets, and the fold in which it is held out. */
export interface HeldOutText extends GoldText {
  readonly part: (typeof PARTS)[number];
  readonly fold: number;
}

/** Sentences of one abstract (their ids begin with its number) are held out together, case reports by their order. */
export function readHeldOut(folder: string): HeldOutText[] {
  const phee = (part: (typeof PARTS)[number], name: string): HeldOutText[] =>
    readPhee(join(folder, 'drug-sig', name)).map((text) => ({
      ...text,
      part,
      fold: Number.parseInt(text.id, 10) % FOLDS,
    }));
  return [
    ...phee('drug-sig train', 'phee-train.json'),
    ...phee('drug-sig dev', 'phee-dev.json'),
    ...readCaseReports(join(folder, 'case-reports')).map((text, i) => ({
      ...text,
      part: 'case-reports' as const,
      fold: i % FOLDS,
    })),
  ];
}

/** By fold, what learned beside the rules, from the texts of the other folds. */
export function revisersByFold(texts: readonly HeldOutText[]): Reviser[] {
  const examples = texts.map(directionExamples);
  return Array.from({ length: FOLDS }, (_, fold) =>
    reviserOf(
      new DirectionsTagger(
        trainDirections(texts.flatMap((text, i) => (text.fold === fold ? [] : examples[i]!))),
      ),
    ),
  );
}

/** Dose (with strength), route, frequency and duration tied to the right drug; learned parts by folds. */
export const evaluate: Evaluation = (folder) => {
  const texts = readHeldOut(folder);
  const revisers = revisersByFold(texts);
  return [
    ...signatureRows(texts, revisers, 'drugs found by the pipeline', (text) =>
      findMentions({ text: text.text, ...segmentText(text.text) }),
    ),
    ...signatureRows(texts, revisers, 'drugs given', goldMentions),
  ];
};

/**
 * Rows of each part and of all. An attribute is right when its span overlaps a gold one of its type whose drug overlaps
 * its drug; each gold attribute counts once, and those tied to no drug are neither right nor wrong.
 * @param drugs how the drugs were found, for the rows; @param mentionsOf finds them.
 */
export function signatureRows(
  texts: readonly HeldOutText[],
  revisers: readonly Reviser[],
  drugs: string,
  mentionsOf: (text: HeldOutText) => Mention[],
): ScoreRow[] {
  const tallies = new Map([...PARTS, TOGETHER].map((part) => [part as string, new Tally()]));
  for (const text of texts) {
    const result = compare(text, mentionsOf(text), revisers[text.fold]!);
    for (const part of [text.part, TOGETHER]) tallies.get(part)!.add(text, result);
  }
  return [...tallies].flatMap(([part, tally]) => tally.rows(part, `overlapping span, right drug (${drugs})`));
}

class Tally {
  private documents = 0;
  private readonly gold = new Map<LearnedType, number>();
  private readonly found = new Map<LearnedType, number>();
  private readonly right = new Map<LearnedType, number>();

  add(text: GoldText, { right, missed, extra }: Comparison): void {
    this.documents++;
    const count = (
      counts: Map<LearnedType, number>,
      spans: readonly { readonly type: LearnedType }[],
    ): void => {
      for (const { type } of spans) counts.set(type, (counts.get(type) ?? 0) + 1);
    };
    count(this.gold, text.attributes);
    count(this.found, [...right, ...extra]);
    count(this.right, right);
    if (right.length + missed.length !== text.attributes.length)
      throw new Error('a gold attribute of a signature was counted twice');
  }

  rows(data: string, rule: string): ScoreRow[] {
    const sum = (counts: Map<LearnedType, number>, type: LearnedType | undefined): number =>
      type ? (counts.get(type) ?? 0) : [...counts.values()].reduce((a, b) => a + b, 0);
    return [undefined, ...LEARNED_TYPES].map((type) => {
      const right = sum(this.right, type);
      const precision = right / Math.max(1, sum(this.found, type));
      const recall = right / Math.max(1, sum(this.gold, type));
      return {
        what: `Medication ${type ?? 'signature'}`,
        data: `${data}, 5-fold`,
        documents: this.documents,
        rule,
        value: right === 0 ? 0 : (2 * precision * recall) / (precision + recall),
        precision,
        recall,
      };
    });
  }
}

interface Predicted extends Span {
  readonly type: LearnedType;
  readonly drugs: Span[];
}

interface Comparison {
  readonly right: readonly GoldAttribute[];
  readonly missed: readonly GoldAttribute[];
  readonly extra: readonly Predicted[];
}

function overlaps(a: Span, b: Span): boolean {
  return a.start < b.end && b.start < a.end;
}

function sameDrug(gold: GoldAttribute, drugs: readonly Span[]): boolean {
  return gold.drugs.some((drug) => drugs.some((other) => overlaps(drug, other)));
}

/** What was found in a text beside its gold. Drugs that someone reacted to are drugs here. */
export function compare(text: GoldText, mentions: readonly Mention[], revise: Reviser): Comparison {
  const done = withAttributes(
    { context: { id: text.id }, text: text.text, ...segmentText(text.text), mentions },
    revise,
  ).filter(({ type }) => type === 'medication' || type === 'vaccine' || type === 'allergen');
  const predicted = new Map<string, Predicted>();
  for (const mention of done) {
    for (const { type: name, start, end } of mention.attributes) {
      const type = GOLD_TYPE[name];
      if (!type) continue;
      const known = predicted.get(`${type}|${start}`);
      if (known) known.drugs.push(mention);
      else predicted.set(`${type}|${start}`, { type, start, end, drugs: [mention] });
    }
  }
  // The sets have no form: "tablets" and "cream" are marked as routes there. A form counts where it finds one.
  for (const mention of done) {
    for (const form of mention.attributes) {
      if (form.type !== 'form') continue;
      const match = text.attributes.find(
        (gold) => gold.type === 'route' && overlaps(gold, form) && sameDrug(gold, [mention]),
      );
      if (match && ![...predicted.values()].some((each) => each.type === 'route' && overlaps(each, match)))
        predicted.set(`form|${form.start}`, {
          type: 'route',
          start: form.start,
          end: form.end,
          drugs: [mention],
        });
    }
  }
  const open = new Set(text.attributes);
  const right: GoldAttribute[] = [];
  const extra: Predicted[] = [];
  for (const each of predicted.values()) {
    // Some gold spans hold dose and frequency in one ("450 mg twice a day"): their parts are neither right nor wrong.
    const inside = text.attributes.some(
      (gold) =>
        gold.type !== each.type &&
        gold.start <= each.start &&
        gold.end >= each.end &&
        sameDrug(gold, each.drugs),
    );
    if (inside || text.untied.some((span) => overlaps(span, each))) continue;
    const match = [...open].find(
      (gold) => gold.type === each.type && overlaps(gold, each) && sameDrug(gold, each.drugs),
    );
    if (match) {
      open.delete(match);
      right.push(match);
    } else extra.push(each);
  }
  return { right, missed: [...open], extra };
}
