import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { segmentText } from '../1-segment/index.js';
import { findMentions } from '../2-mention/index.js';
import { withAttributes } from '../4-attribute/index.js';
import type { Assertion, AttributeType, Mention, Span } from '../model.js';
import type { Evaluation, ScoreRow } from './score.js';

/** Precision, recall and F1 of one kind of attribute. */
export interface SignatureScore {
  readonly gold: number;
  readonly found: number;
  readonly right: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

export interface SignatureReport {
  readonly data: string;
  readonly documents: number;
  /** How attributes are counted as right. */
  readonly rule: string;
  readonly byType: Readonly<Record<string, SignatureScore>>;
  readonly all: SignatureScore;
}

interface GoldAttribute extends Span {
  readonly type: 'dose' | 'route' | 'frequency' | 'duration';
  /** Any of these drugs is right. */
  readonly drugs: readonly Span[];
}

interface GoldText {
  readonly id: string;
  readonly text: string;
  readonly drugs: readonly Span[];
  readonly attributes: readonly GoldAttribute[];
  /** Attributes that the annotators marked and tied to nothing: neither right nor wrong. */
  readonly untied?: readonly Span[];
}

const TYPES = ['dose', 'route', 'frequency', 'duration'] as const;
const GOLD_TYPE: Readonly<Partial<Record<AttributeType, (typeof TYPES)[number]>>> = {
  strength: 'dose',
  dose: 'dose',
  route: 'route',
  frequency: 'frequency',
  duration: 'duration',
};
const PLAIN: Assertion = { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' };

/**
 * Scores dose (with strength), route, frequency and duration tied to the right drug. An attribute is right when its
 * span overlaps a gold one of its type whose drug overlaps its drug; each gold attribute counts once.
 * @param folder the corpora's folder, with `drug-sig/` and `case-reports/`.
 * @param drugs `gold`: the drugs are given, so that only the tying is measured; `found`: the pipeline's own.
 */
export function evaluateSignatures(folder: string, drugs: 'gold' | 'found' = 'found'): SignatureReport[] {
  const sets: [string, GoldText[]][] = [
    ['drug-sig train', readPhee(join(folder, 'drug-sig', 'phee-train.json'))],
    ['drug-sig dev', readPhee(join(folder, 'drug-sig', 'phee-dev.json'))],
    ['case-reports', readCaseReports(join(folder, 'case-reports'))],
  ];
  return sets.map(([name, texts]) => score(name, texts, drugs));
}

/** Rows for the table of scores. */
export const evaluate: Evaluation = (folder) => {
  const rows: ScoreRow[] = [];
  for (const drugs of ['found', 'gold'] as const) {
    for (const report of evaluateSignatures(folder, drugs)) {
      const add = (what: string, score: SignatureScore): void => {
        rows.push({
          what,
          data: report.data,
          documents: report.documents,
          rule: report.rule,
          value: score.f1,
          precision: score.precision,
          recall: score.recall,
        });
      };
      add('Medication signature', report.all);
      for (const [type, score] of Object.entries(report.byType)) add(`Medication ${type}`, score);
    }
  }
  return rows;
};

/** Gold and found attributes of each text that differ, for reading. */
export function signatureErrors(
  folder: string,
  set: 'train' | 'dev' | 'case-reports',
  drugs: 'gold' | 'found' = 'gold',
): string[] {
  const texts =
    set === 'case-reports'
      ? readCaseReports(join(folder, 'case-reports'))
      : readPhee(join(folder, 'drug-sig', `phee-${set}.json`));
  const lines: string[] = [];
  for (const text of texts) {
    const { missed, extra } = compare(text, drugs);
    if (missed.length + extra.length === 0) continue;
    const show = (span: Span & { type: string }): string =>
      `${span.type}"${text.text.slice(span.start, span.end)}"`;
    const from = Math.max(0, Math.min(...[...missed, ...extra].map((each) => each.start)) - 100);
    lines.push(
      `${text.text.length > 400 ? text.text.slice(from, from + 300).replace(/\n/g, ' ') : text.text}\n    MISSED ${missed.map(show).join(', ')}   EXTRA ${extra.map(show).join(', ')}`,
    );
  }
  return lines;
}

function overlaps(a: Span, b: Span): boolean {
  return a.start < b.end && b.start < a.end;
}

function compare(
  text: GoldText,
  drugs: 'gold' | 'found',
): {
  right: Record<string, number>;
  found: Record<string, number>;
  missed: GoldAttribute[];
  extra: (Span & { type: string })[];
} {
  const segmented = segmentText(text.text);
  const mentions: Mention[] =
    drugs === 'found'
      ? findMentions({ text: text.text, ...segmented })
      : text.drugs.map((span) => ({
          ...span,
          text: text.text.slice(span.start, span.end),
          type: 'medication',
          assertion: PLAIN,
          attributes: [],
          concepts: [],
          score: 1,
          accepted: true,
        }));
  const done = withAttributes({ context: { id: text.id }, text: text.text, ...segmented, mentions });
  const predicted = new Map<string, Span & { type: (typeof TYPES)[number]; drugs: Span[] }>();
  for (const mention of done) {
    if (mention.type !== 'medication' && mention.type !== 'vaccine') continue;
    for (const attribute of mention.attributes) {
      const type = GOLD_TYPE[attribute.type];
      if (!type) continue;
      const key = `${type}|${attribute.start}`;
      const known = predicted.get(key);
      if (known) known.drugs.push(mention);
      else predicted.set(key, { type, start: attribute.start, end: attribute.end, drugs: [mention] });
    }
  }
  const right: Record<string, number> = {};
  const found: Record<string, number> = {};
  const open = new Set(text.attributes);
  // The sets have no form: "tablets" and "cream" are marked as routes there. A form counts where it finds one.
  for (const mention of done) {
    for (const form of mention.attributes) {
      if (form.type !== 'form') continue;
      const match = text.attributes.find(
        (gold) =>
          gold.type === 'route' && overlaps(gold, form) && gold.drugs.some((drug) => overlaps(drug, mention)),
      );
      if (match && ![...predicted.values()].some((each) => each.type === 'route' && overlaps(each, match))) {
        predicted.set(`form|${form.start}`, {
          type: 'route',
          start: form.start,
          end: form.end,
          drugs: [mention],
        });
      }
    }
  }
  const extra: (Span & { type: string })[] = [];
  for (const each of predicted.values()) {
    // Some gold spans hold dose and frequency in one ("450 mg twice a day"): their parts are neither right nor wrong.
    const inside = text.attributes.some(
      (gold) =>
        gold.type !== each.type &&
        gold.start <= each.start &&
        gold.end >= each.end &&
        gold.drugs.some((drug) => each.drugs.some((other) => overlaps(drug, other))),
    );
    if (inside || text.untied?.some((span) => overlaps(span, each))) continue;
    found[each.type] = (found[each.type] ?? 0) + 1;
    const match = [...open].find(
      (gold) =>
        gold.type === each.type &&
        overlaps(gold, each) &&
        gold.drugs.some((drug) => each.drugs.some((other) => overlaps(drug, other))),
    );
    if (match) {
      open.delete(match);
      right[each.type] = (right[each.type] ?? 0) + 1;
    } else extra.push(each);
  }
  return { right, found, missed: [...open], extra };
}

function score(data: string, texts: readonly GoldText[], drugs: 'gold' | 'found'): SignatureReport {
  const gold: Record<string, number> = {};
  const found: Record<string, number> = {};
  const right: Record<string, number> = {};
  for (const text of texts) {
    for (const attribute of text.attributes) gold[attribute.type] = (gold[attribute.type] ?? 0) + 1;
    const result = compare(text, drugs);
    for (const type of TYPES) {
      found[type] = (found[type] ?? 0) + (result.found[type] ?? 0);
      right[type] = (right[type] ?? 0) + (result.right[type] ?? 0);
    }
  }
  const sum = (counts: Record<string, number>): number =>
    TYPES.reduce((total, type) => total + (counts[type] ?? 0), 0);
  return {
    data,
    documents: texts.length,
    rule: `overlapping span, right drug (${drugs === 'gold' ? 'drugs given' : 'drugs found by the pipeline'})`,
    byType: Object.fromEntries(
      TYPES.map((type) => [type, scoreOf(gold[type] ?? 0, found[type] ?? 0, right[type] ?? 0)]),
    ),
    all: scoreOf(sum(gold), sum(found), sum(right)),
  };
}

function scoreOf(gold: number, found: number, right: number): SignatureScore {
  const precision = found === 0 ? 0 : right / found;
  const recall = gold === 0 ? 0 : right / gold;
  return {
    gold,
    found,
    right,
    precision,
    recall,
    f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
  };
}

interface PheeArgument {
  readonly text: readonly (readonly string[])[];
  readonly start: readonly (readonly number[])[];
}

function readPhee(path: string): GoldText[] {
  const names: Readonly<Record<string, (typeof TYPES)[number]>> = {
    Dosage: 'dose',
    Route: 'route',
    Freq: 'frequency',
    Duration: 'duration',
  };
  const spans = (argument: PheeArgument | undefined): Span[] =>
    (argument?.text ?? []).flatMap((texts, i) =>
      texts.map((text, j) => ({
        start: argument!.start[i]![j]!,
        end: argument!.start[i]![j]! + text.length,
      })),
    );
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const row = JSON.parse(line) as {
        id: string;
        context: string;
        annotations: { events: { Treatment?: Record<string, PheeArgument | undefined> }[] }[];
      };
      const drugs = new Map<number, Span>();
      const attributes = new Map<string, GoldAttribute>();
      for (const { Treatment: treatment } of row.annotations.flatMap((each) => each.events)) {
        if (!treatment) continue;
        const own = spans(treatment.Drug);
        for (const drug of own) drugs.set(drug.start, drug);
        for (const [name, type] of Object.entries(names)) {
          for (const span of spans(treatment[name])) {
            const key = `${type}|${span.start}`;
            attributes.set(key, { type, ...span, drugs: [...(attributes.get(key)?.drugs ?? []), ...own] });
          }
        }
      }
      // Sentences annotated with no event at all say nothing of what they leave out.
      return {
        id: row.id,
        text: row.context,
        drugs: [...drugs.values()].sort((a, b) => a.start - b.start),
        attributes: [...attributes.values()],
      };
    });
}

/** BRAT: Dosage, Administration, Frequency and Duration that MODIFY a Medication. */
function readCaseReports(folder: string): GoldText[] {
  const names: Readonly<Record<string, (typeof TYPES)[number]>> = {
    Dosage: 'dose',
    Administration: 'route',
    Frequency: 'frequency',
    Duration: 'duration',
  };
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ann'))
    .sort()
    .map((name) => {
      const text = readFileSync(join(folder, name.replace(/ann$/, 'txt')), 'utf8');
      const entities = new Map<string, Span & { type: string }>();
      const links: [string, string][] = [];
      const events = new Map<string, string>();
      for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
        const [id = '', body = ''] = line.split('\t');
        const parts = body.split(' ');
        if (id.startsWith('T'))
          entities.set(id, {
            type: parts[0]!,
            start: Number(parts[1]),
            end: Number(parts.at(-1)!.split(';').at(-1)),
          });
        if (id.startsWith('E')) events.set(id, parts[0]!.slice(parts[0]!.indexOf(':') + 1));
        if (id.startsWith('R') && parts[0] === 'MODIFY')
          links.push([parts[1]!.replace(/^Arg\d:/, ''), parts[2]!.replace(/^Arg\d:/, '')]);
      }
      const drugs = [...entities.values()]
        .filter((entity) => entity.type === 'Medication')
        .sort((a, b) => a.start - b.start);
      const attributes: GoldAttribute[] = [];
      const tied = new Set<string>();
      for (const [from, to] of links) {
        const attribute = entities.get(events.get(from) ?? from);
        const drug = entities.get(events.get(to) ?? to);
        const type = attribute && names[attribute.type];
        if (!attribute || !type || drug?.type !== 'Medication') continue;
        tied.add(events.get(from) ?? from);
        attributes.push({ type, start: attribute.start, end: attribute.end, drugs: [drug] });
      }
      const linked = new Set(links.map(([from]) => events.get(from) ?? from));
      const untied = [...entities]
        .filter(([id, entity]) => names[entity.type] && !tied.has(id) && !linked.has(id))
        .map(([, entity]) => entity);
      return { id: name, text, drugs, attributes, untied };
    });
}
