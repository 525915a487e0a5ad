import { coarseLevel } from '../core/blind.js';
import { invalid } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import { findSearchParameter, type SearchParameter } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import { primaryCodeParameter, term, valuesOf } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { poolReader, type Reader } from '../search/reader.js';
import { Binder } from '../search/render.js';
import { COLUMNS } from '../search/statement.js';
import type { RowKey, Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';

/** A coding that stands in the data. */
export interface CodeInUse {
  readonly system: string;
  readonly code: string;
  readonly display: string | undefined;
  /** Resources that have it, of those examined. */
  readonly count: number;
}

export interface CodesInUse {
  /** Those in most resources first. */
  readonly codes: readonly CodeInUse[];
  /** Resources of the type that were looked at. */
  readonly examined: number;
  /** All resources were, so the counts are exact and no code with a system is missing but as said at `codesInUse`. */
  readonly complete: boolean;
}

/** Rows of the index looked at in one statement. */
const PAGE_ROWS = 20_000;
/** Rows looked at in all; their order is that of keyed hashes, so that those of a large type are a fair sample. */
const MAX_ROWS = 1_000_000;
const MAX_MS = 5_000;
/** Bodies opened at a time: each lot teaches the index terms of the codes in it. */
const LOT = 200;
const MAX_OPENED = 6_000;
/** Of these the ones that have no code of any system known so far: words alone, or a system not met yet. */
const MAX_OPENED_UNKNOWN = 600;
/** Codes told apart. */
const MAX_CODES = 10_000;

/** Systems looked for from the start; others are learnt from what is opened. */
const SYSTEMS = [
  'http://snomed.info/sct',
  'http://loinc.org',
  'http://www.nlm.nih.gov/research/umls/rxnorm',
  'http://hl7.org/fhir/sid/icd-10-cm',
  'http://hl7.org/fhir/sid/cvx',
];

/**
 * Which codes the resources of a type have, and in how many. The index holds keyed hashes and tells no code, so codes are
 * learnt from bodies: only from those in which the index sees a code of a system that is none of those known, until there
 * are none; counted is in the index. One that always stands beside a known code of its own system may be missed.
 * Bounded in rows, bodies and time. In an index that tells less (`bucketed`, `none`) a sample of bodies is counted.
 * @throws Fault `invalid` for a type without codes
 */
export async function codesInUse(
  store: Store,
  tenant: Tenant,
  type: string,
  context: IndexContext,
): Promise<CodesInUse> {
  const primary = primaryCodeParameter(type);
  const parameter = primary === undefined ? undefined : findSearchParameter(type, primary);
  if (!parameter)
    throw invalid('Resources of this type have no code.', 'type', 'Name a type such as Condition.');
  const learner = new Learner(parameter, context);
  const reader = poolReader(store, tenant);
  const exact = coarseLevel(tenant.keys.blind) === undefined;
  const deadline = performance.now() + MAX_MS;
  let after: string | undefined;
  let examined = 0;
  let complete = true;
  for (;;) {
    const page = await nextPage(reader, type, after);
    if (page.rows > 0) {
      complete =
        (exact ? await learner.learnPage(reader, type, page) : await sampled(learner, reader, type, page)) &&
        complete;
      examined += page.live;
    }
    if (page.rows < PAGE_ROWS) break;
    after = page.last;
    if (examined >= MAX_ROWS || performance.now() > deadline || learner.spent(exact)) {
      complete = false;
      break;
    }
  }
  return { codes: learner.found(), examined, complete };
}

/** A stretch of the type's rows, by hashed id. */
interface Page {
  readonly after: string | undefined;
  readonly last: string | undefined;
  readonly rows: number;
  /** Those that are not deleted. */
  readonly live: number;
}

async function nextPage(reader: Reader, type: string, after: string | undefined): Promise<Page> {
  const bind = new Binder();
  const [row] = await reader.query({
    text:
      'select count(*)::int as rows, max(l.rid)::text as last,' +
      ' (count(*) filter (where not r.deleted))::int as live' +
      ` from (select part, rtype, rid from locator where rtype = ${bind.smallint(typeNumber(type))}` +
      `${after === undefined ? '' : ` and rid > ${bind.bigint(BigInt(after))}`}` +
      ` order by rid limit ${bind.int(PAGE_ROWS)}) l` +
      ' left join resource r on r.part = l.part and r.rtype = l.rtype and r.rid = l.rid',
    values: bind.values,
  });
  return {
    after,
    last: (row!.last as string | null) ?? undefined,
    rows: Number(row!.rows),
    live: Number(row!.live),
  };
}

/** `from … where …` of the page's rows, as alias `r`. */
function ofPage(bind: Binder, type: string, { after, last }: Page): string {
  return (
    ` from locator l join resource r on r.part = l.part and r.rtype = l.rtype and r.rid = l.rid` +
    ` where l.rtype = ${bind.smallint(typeNumber(type))} and l.rid <= ${bind.bigint(BigInt(last!))}` +
    `${after === undefined ? '' : ` and l.rid > ${bind.bigint(BigInt(after))}`} and not r.deleted`
  );
}

interface Known {
  readonly system: string;
  readonly code: string;
  readonly display: string | undefined;
  count: number;
}

class Learner {
  /** By system: its term, and its codes by theirs. */
  readonly #systems = new Map<string, { readonly term: bigint; readonly codes: Map<bigint, Known> }>();
  readonly #byTerm = new Map<bigint, Known>();
  opened = 0;
  #unknown = 0;

  constructor(
    private readonly parameter: SearchParameter,
    private readonly context: IndexContext,
  ) {
    for (const system of SYSTEMS) this.#system(system);
  }

  spent(exact: boolean): boolean {
    return this.opened >= (exact ? MAX_OPENED : MAX_OPENED / 2) || this.#byTerm.size >= MAX_CODES;
  }

  found(): CodeInUse[] {
    return [...this.#byTerm.values()]
      .filter((known) => known.count > 0)
      .sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
  }

  /** @returns whether all that has a code of a known system was learnt */
  async learnPage(reader: Reader, type: string, page: Page): Promise<boolean> {
    const whole = await this.#learn(reader, type, page, () => this.#uncovered());
    if (this.#unknown < MAX_OPENED_UNKNOWN)
      await this.#learn(reader, type, page, () => this.#ofNoSystem(), MAX_OPENED_UNKNOWN - this.#unknown);
    // What was learnt of a new system may stand beside codes that were passed over.
    const again = await this.#learn(reader, type, page, () => this.#uncovered());
    await this.#count(reader, type, page);
    return whole && again;
  }

  async #learn(
    reader: Reader,
    type: string,
    page: Page,
    condition: () => (bind: Binder) => string,
    max = Number.POSITIVE_INFINITY,
  ): Promise<boolean> {
    let from = page;
    for (let read = 0; read < max; ) {
      if (this.spent(true)) return false;
      const bind = new Binder();
      const rows = (await reader.query({
        text:
          `select ${COLUMNS}${ofPage(bind, type, from)} and ${condition()(bind)}` +
          ` order by l.rid limit ${bind.int(Math.min(LOT, max - read))}`,
        values: bind.values,
      })) as unknown as RowKey[];
      if (rows.length === 0) return true;
      const unknown = this.#byTerm.size;
      for (const resource of await reader.open(rows)) this.learn(resource);
      read += rows.length;
      if (max < Number.POSITIVE_INFINITY) this.#unknown += rows.length;
      // What taught nothing will not do so again: its codes have words of another element, or no system.
      else if (this.#byTerm.size === unknown && rows.length < LOT) return true;
      from = { ...from, after: String(rows.at(-1)!.rid) };
    }
    return true;
  }

  /** Learns the codings of a resource. @returns them, each once */
  learn(resource: StoredResource): Set<Known> {
    this.opened++;
    const own = new Set<Known>();
    for (const value of valuesOf(this.parameter, resource)) {
      const concept = (value ?? {}) as Concept;
      for (const coding of Array.isArray(concept.coding) ? concept.coding : [concept]) {
        const { system, code } = coding ?? {};
        if (typeof system !== 'string' || typeof code !== 'string' || system === '' || code === '') continue;
        const display = [coding.display, concept.text].find((t) => typeof t === 'string' && t !== '');
        own.add(this.#know(system, code, display));
      }
    }
    return own;
  }

  #system(system: string) {
    let found = this.#systems.get(system);
    if (!found) {
      found = { term: term(this.context, 'system', this.parameter, system), codes: new Map() };
      this.#systems.set(system, found);
    }
    return found;
  }

  #know(system: string, code: string, display: string | undefined): Known {
    const key = term(this.context, 'systemCode', this.parameter, system, code);
    let known = this.#byTerm.get(key);
    if (!known) {
      known = { system, code, display, count: 0 };
      this.#byTerm.set(key, known);
      this.#system(system).codes.set(key, known);
    }
    return known;
  }

  /** Rows with a code of a known system and with none of its known codes. */
  #uncovered(): (bind: Binder) => string {
    return (bind) =>
      `(${[...this.#systems.values()]
        .map(
          ({ term: of, codes }) =>
            `(r.terms @> ${bind.bigints([of])}${codes.size === 0 ? '' : ` and not r.terms && ${bind.bigints([...codes.keys()])}`})`,
        )
        .join(' or ')})`;
  }

  /** Rows that have a value, and a code of no system that is known. */
  #ofNoSystem(): (bind: Binder) => string {
    return (bind) =>
      `r.terms @> ${bind.bigints([term(this.context, 'present', this.parameter)])}` +
      ` and not r.terms && ${bind.bigints([...this.#systems.values()].map((s) => s.term))}`;
  }

  async #count(reader: Reader, type: string, page: Page): Promise<void> {
    if (this.#byTerm.size === 0) return;
    const bind = new Binder();
    const known = bind.bigints([...this.#byTerm.keys()]);
    const rows = await reader.query({
      text:
        'select u.term, count(*)::int as n from (select r.terms' +
        `${ofPage(bind, type, page)}) p cross join lateral unnest(p.terms) u (term)` +
        ` where u.term = any(${known}) group by 1`,
      values: bind.values,
    });
    for (const { term: key, n } of rows) this.#byTerm.get(BigInt(String(key)))!.count += Number(n);
  }
}

interface Concept {
  readonly text?: string;
  readonly system?: string;
  readonly code?: string;
  readonly display?: string;
  readonly coding?: readonly Concept[];
}

/** Counts in the bodies themselves. @returns whether all were opened */
async function sampled(learner: Learner, reader: Reader, type: string, page: Page): Promise<boolean> {
  let from = page;
  for (;;) {
    if (learner.spent(false)) return false;
    const bind = new Binder();
    const rows = (await reader.query({
      text: `select ${COLUMNS}${ofPage(bind, type, from)} order by l.rid limit ${bind.int(LOT)}`,
      values: bind.values,
    })) as unknown as RowKey[];
    for (const resource of await reader.open(rows))
      for (const known of learner.learn(resource)) known.count++;
    if (rows.length < LOT) return true;
    from = { ...from, after: String(rows.at(-1)!.rid) };
  }
}
