import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import type { Icd10cmIndexRow, Icd10cmRow, RxNormRow, SnomedRow } from './tables.js';

/** What a file of an official release is, told by its name. */
export type ReleaseFile =
  | 'rxnorm-names'
  | 'rxnorm-relations'
  | 'icd10cm-order'
  | 'icd10cm-index'
  | 'snomed-concepts'
  | 'snomed-descriptions'
  | 'loinc';

const NAMES: readonly (readonly [RegExp, ReleaseFile])[] = [
  [/^RXNCONSO\.RRF(?:\.gz)?$/i, 'rxnorm-names'],
  [/^RXNREL\.RRF(?:\.gz)?$/i, 'rxnorm-relations'],
  [/^icd10cm[-_]order[-_].*\.txt(?:\.gz)?$/i, 'icd10cm-order'],
  [/^icd10cm[-_]index[-_].*\.xml(?:\.gz)?$/i, 'icd10cm-index'],
  [/^x?sct2_Concept_Snapshot_.*\.txt(?:\.gz)?$/i, 'snomed-concepts'],
  [/^x?sct2_Description_Snapshot[-_].*\.txt(?:\.gz)?$/i, 'snomed-descriptions'],
  [/^Loinc(?:Table)?\.csv(?:\.gz)?$/i, 'loinc'],
];

/** The kind of a release file, undefined where the name is none of an official file's. */
export function releaseFileOf(name: string): ReleaseFile | undefined {
  return NAMES.find(([pattern]) => pattern.test(name))?.[1];
}

/** Lines of a text file, gzipped or not; never the whole file in memory. */
export async function* linesOf(path: string): AsyncGenerator<string> {
  const raw = createReadStream(path);
  const input = path.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) yield line;
}

const RXNORM_TYPES = new Set(['IN', 'PIN', 'MIN', 'BN', 'SCD', 'SBD', 'GPCK', 'BPCK']);
const RXNORM_SYNONYMS = new Set(['SY', 'PSN']);

interface DraftDrug {
  name: string;
  type: string;
  synonyms: string[];
  ingredients: Set<string>;
  brand: string;
}

/**
 * Current English names of RXNCONSO.RRF with ingredients and brands from RXNREL.RRF. Suppressed and obsolete rows
 * are left out. Columns: NLM, RxNorm Technical Documentation, sections 12.4 and 12.5.
 */
export async function readRxNorm(
  names: AsyncIterable<string>,
  relations?: AsyncIterable<string>,
): Promise<RxNormRow[]> {
  const drugs = new Map<string, DraftDrug>();
  const synonyms = new Map<string, string[]>();
  for await (const line of names) {
    const cells = line.split('|');
    const code = cells[0]!;
    if (cells[1] !== 'ENG' || cells[11] !== 'RXNORM' || (cells[16] !== 'N' && cells[16] !== '')) continue;
    const type = cells[12]!;
    if (RXNORM_TYPES.has(type))
      drugs.set(code, { name: cells[14]!, type, synonyms: [], ingredients: new Set(), brand: '' });
    else if (RXNORM_SYNONYMS.has(type)) synonyms.set(code, [...(synonyms.get(code) ?? []), cells[14]!]);
  }
  for (const [code, others] of synonyms) drugs.get(code)?.synonyms.push(...others);
  if (relations) {
    for await (const line of relations) {
      const cells = line.split('|');
      if (cells[10] !== 'RXNORM') continue;
      const one = drugs.get(cells[0]!);
      const two = drugs.get(cells[4]!);
      if (!one || !two) continue;
      // The direction of a relation is told by the types of its ends.
      const [brand, brandCode] = one.type === 'BN' ? [one, cells[0]!] : [two, cells[4]!];
      const other = brand === one ? two : one;
      const otherCode = brand === one ? cells[4]! : cells[0]!;
      if (brand.type !== 'BN') continue;
      if (other.type === 'IN') brand.ingredients.add(otherCode);
      else if (other.type === 'SBD' || other.type === 'BPCK') other.brand = brandCode;
    }
  }
  return [...drugs].map(([code, drug]) => ({
    code,
    name: drug.name,
    synonyms: drug.synonyms.join('|'),
    type: drug.type,
    source: 'RxNorm',
    ingredient_rxcui: [...drug.ingredients].join('|'),
    brand_rxcui: drug.brand,
  }));
}

/** Codes and names of `icd10cm_order_YYYY.txt` (fixed columns, its README). */
export async function readIcd10cmOrder(lines: AsyncIterable<string>): Promise<Icd10cmRow[]> {
  const rows: Icd10cmRow[] = [];
  for await (const line of lines) {
    const plain = line.slice(6, 13).trim();
    if (!/^[A-Z]\d[0-9A-Z]{1,5}$/.test(plain)) continue;
    const code = plain.length > 3 ? `${plain.slice(0, 3)}.${plain.slice(3)}` : plain;
    rows.push({
      code,
      name: line.slice(77).trim(),
      synonyms: '',
      type: line[14] === '1' ? 'billable' : 'header',
    });
  }
  return rows;
}

/** Terms of `icd10cm_index_YYYY.xml`: nested main terms and terms, each with title and perhaps code. */
export async function readIcd10cmIndex(lines: AsyncIterable<string>): Promise<Icd10cmIndexRow[]> {
  const rows: Icd10cmIndexRow[] = [];
  const path: string[] = [];
  let depth = -1;
  let text = '';
  let field: 'title' | 'code' | undefined;
  const close = (): void => {
    if (field === 'title' && depth >= 0) {
      path[depth] = text
        .replace(/\([^)]*\)/g, '')
        .replace(/\s+/g, ' ')
        .trim();
      path.length = depth + 1;
    } else if (field === 'code' && depth >= 0) {
      rows.push({ code: text.trim(), term: path.join(', '), nonessential_modifiers: '', kind: 'index' });
    }
    field = undefined;
  };
  for await (const line of lines) {
    for (const match of line.matchAll(/<(\/?)([a-zA-Z]+)[^>]*?(\/?)>|([^<]+)/g)) {
      const [, end, tag, , words] = match;
      if (words !== undefined) {
        if (field) text += decodeXml(words);
      } else if (tag === 'mainTerm' || tag === 'term') {
        depth += end ? -1 : 1;
      } else if (tag === 'title' || tag === 'code') {
        if (end) close();
        else {
          field = tag;
          text = '';
        }
      }
    }
    if (field) text += ' ';
  }
  return rows;
}

function decodeXml(text: string): string {
  return text.replace(
    /&(amp|lt|gt|quot|apos);/g,
    (_all, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" })[name]!,
  );
}

const FULLY_SPECIFIED = '900000000000003001';
const SYNONYM = '900000000000013009';
/** Tags that mentions can be; the other half of SNOMED CT would only fill memory. */
const TAGS = new Set(['disorder', 'finding', 'situation', 'procedure', 'regime/therapy', 'physical object']);

/** Active concepts of an RF2 snapshot with their English names. Columns: SNOMED RF2 specification. */
export async function readSnomed(
  concepts: AsyncIterable<string>,
  descriptions: readonly AsyncIterable<string>[],
): Promise<SnomedRow[]> {
  const active = new Set<string>();
  for await (const line of concepts) {
    const cells = line.split('\t', 3);
    if (cells[2] === '1') active.add(cells[0]!);
  }
  const names = new Map<string, { name: string; tag: string; synonyms: string[] }>();
  for (const lines of descriptions) {
    for await (const line of lines) {
      const [, , isActive, , concept = '', language, type, term = ''] = line.split('\t');
      if (isActive !== '1' || language !== 'en' || !active.has(concept)) continue;
      const entry = names.get(concept) ?? { name: '', tag: '', synonyms: [] };
      names.set(concept, entry);
      if (type === FULLY_SPECIFIED) {
        const tagged = /^(.*) \(([^()]+)\)$/.exec(term);
        entry.name = tagged?.[1] ?? term;
        entry.tag = tagged?.[2] ?? '';
      } else if (type === SYNONYM) entry.synonyms.push(term);
    }
  }
  const rows: SnomedRow[] = [];
  for (const [code, { name, tag, synonyms }] of names) {
    if (name !== '' && TAGS.has(tag))
      rows.push({
        code,
        name,
        synonyms: synonyms.filter((each) => !each.includes('|')).join('|'),
        type: tag,
      });
  }
  return rows;
}

export interface LoincRow {
  readonly code: string;
  readonly name: string;
  readonly component: string;
  readonly property: string;
  readonly system: string;
  readonly method: string;
  /** 0 where the test is not among the common ones; 1 is the most common. */
  readonly rank: number;
  readonly otherNames: readonly string[];
}

/** Active laboratory and clinical terms of `Loinc.csv`. */
export async function readLoinc(lines: AsyncIterable<string>): Promise<LoincRow[]> {
  const rows: LoincRow[] = [];
  let columns: Map<string, number> | undefined;
  let held = '';
  for await (const line of lines) {
    // A quoted cell may hold a line break.
    const record: string = held === '' ? line : `${held}\n${line}`;
    if ((record.match(/"/g)?.length ?? 0) % 2 === 1) {
      held = record;
      continue;
    }
    held = '';
    const cells = csvCells(record);
    if (!columns) {
      columns = new Map(cells.map((name, at) => [name.replace(/^\ufeff/, ''), at]));
      continue;
    }
    const at = (name: string): string => cells[columns!.get(name) ?? -1] ?? '';
    if (at('STATUS') !== 'ACTIVE' || !/^\d{1,6}-\d$/.test(at('LOINC_NUM')) || Number(at('CLASSTYPE')) > 2)
      continue;
    rows.push({
      code: at('LOINC_NUM'),
      name: at('LONG_COMMON_NAME'),
      component: at('COMPONENT'),
      property: at('PROPERTY'),
      system: at('SYSTEM'),
      method: at('METHOD_TYP'),
      rank: Number(at('COMMON_TEST_RANK')) || 0,
      otherNames: [at('DisplayName'), at('CONSUMER_NAME')].filter((name) => name !== ''),
    });
  }
  return rows;
}

function csvCells(line: string): string[] {
  const cells: string[] = [];
  let at = 0;
  while (at <= line.length) {
    if (line[at] === '"') {
      let cell = '';
      at++;
      for (;;) {
        const end = line.indexOf('"', at);
        if (end < 0) return [...cells, cell + line.slice(at)];
        cell += line.slice(at, end);
        at = end + 1;
        if (line[at] !== '"') break;
        cell += '"';
        at++;
      }
      cells.push(cell);
      at++;
    } else {
      const end = line.indexOf(',', at);
      cells.push(line.slice(at, end < 0 ? line.length : end));
      at = end < 0 ? line.length + 1 : end + 1;
    }
  }
  return cells;
}
