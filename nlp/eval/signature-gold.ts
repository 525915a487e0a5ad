import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LearnedType } from '../4-attribute/directions-features.js';
import type { Mention, Span } from '../model.js';

/** What a set says of a medication's directions. */
export interface GoldAttribute extends Span {
  readonly type: LearnedType;
  /** Any of these drugs is right. */
  readonly drugs: readonly Span[];
}

/** A sentence or document with its drugs and what is said of them. */
export interface GoldText {
  readonly id: string;
  readonly text: string;
  readonly drugs: readonly Span[];
  readonly attributes: readonly GoldAttribute[];
  /** Attributes that the annotators marked and tied to nothing: neither right nor wrong. */
  readonly untied: readonly (Span & { readonly type: LearnedType })[];
}

interface PheeArgument {
  readonly text: readonly (readonly string[])[];
  readonly start: readonly (readonly number[])[];
}

/** PHEE: a sentence a text. */
export function readPhee(path: string): GoldText[] {
  const names: Readonly<Record<string, LearnedType>> = {
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
      const all = [...attributes.values()];
      return {
        id: row.id,
        text: row.context,
        drugs: [...drugs.values()].sort((a, b) => a.start - b.start),
        attributes: all.filter((each) => each.drugs.length > 0),
        untied: all.filter((each) => each.drugs.length === 0),
      };
    });
}

/** BRAT: Dosage, Administration, Frequency and Duration that MODIFY a Medication. */
export function readCaseReports(folder: string): GoldText[] {
  const names: Readonly<Record<string, LearnedType>> = {
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
      // One span may be tied to several drugs: "aspirin and clopidogrel daily".
      const attributes = new Map<string, GoldAttribute>();
      const tied = new Set<string>();
      for (const [from, to] of links) {
        const attribute = entities.get(events.get(from) ?? from);
        const drug = entities.get(events.get(to) ?? to);
        const type = attribute && names[attribute.type];
        if (!attribute || !type || drug?.type !== 'Medication') continue;
        tied.add(events.get(from) ?? from);
        const key = `${type}|${attribute.start}`;
        const { start, end } = attribute;
        attributes.set(key, { type, start, end, drugs: [...(attributes.get(key)?.drugs ?? []), drug] });
      }
      const linked = new Set(links.map(([from]) => events.get(from) ?? from));
      const untied = [...entities]
        .filter(([id, entity]) => names[entity.type] && !tied.has(id) && !linked.has(id))
        .map(([, { type, start, end }]) => ({ type: names[type]!, start, end }));
      return { id: name.replace(/\.ann$/, ''), text, drugs, attributes: [...attributes.values()], untied };
    });
}

/** The drugs of a text as the stage before would hand them over. */
export function goldMentions({ text, drugs }: GoldText): Mention[] {
  return drugs.map((span) => ({
    ...span,
    text: text.slice(span.start, span.end),
    type: 'medication',
    assertion: { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' },
    attributes: [],
    concepts: [],
    score: 1,
    accepted: true,
  }));
}
