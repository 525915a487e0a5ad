import { typeName } from '../fhir/resource-types.js';
import type { WrappedPatientKey } from '../tenancy/tenant.js';
import type { Actor } from './contract.js';
import type { CopyRows } from './copy-write.js';
import type { Decision } from './decide.js';
import { PENDING, WITHDRAWN } from './document-state.js';
import { NO_ROWS, type PreparedBody, type PreparedWrite } from './prepare.js';

/**
 * Updates that another thread prepared, column by column: what has to be known to decide about them. The rest stays
 * there, until it is asked to seal what was decided.
 */
export interface WriteColumns {
  readonly ids: readonly string[];
  readonly rtype: Int16Array;
  readonly rid: BigInt64Array;
  readonly chk: Int32Array;
  readonly part: Int32Array;
  /** Of those with `HAS_PATIENT` among their flags. */
  readonly pkey: BigInt64Array;
  readonly digest: BigInt64Array;
  /** Clinical time in ms; NaN where undated. */
  readonly at: Float64Array;
  readonly flags: Uint8Array;
  /** See `Write.holdFormer`. */
  readonly holdFormer: boolean;
}

export const HAS_PATIENT = 1;
export const IS_DERIVED = 2;
export const IS_WITHDRAWN = 4;

/** Where the thread that prepared them finds contents and index rows. */
export interface KeptContents {
  content(n: number): Uint8Array;
  units(n: number): number;
  sortLine(n: number): string;
  bulk(n: number): PreparedBody['bulk'];
}

/** The writes of columns. @param kept nothing where they are only decided about */
export function writesOf(columns: WriteColumns, kept?: KeptContents): PreparedWrite[] {
  return columns.ids.map((_, n) => new ColumnWrite(columns, n, kept));
}

class ColumnWrite implements PreparedWrite {
  readonly op = 'update';
  readonly ifMatch = undefined;
  readonly skipUnchanged = true;
  readonly body: PreparedBody;

  constructor(
    private readonly columns: WriteColumns,
    private readonly n: number,
    kept: KeptContents | undefined,
  ) {
    this.body = new ColumnBody(columns, n, kept);
  }

  get at(): string {
    return `writes[${this.n}]`;
  }
  get type(): string {
    return typeName(this.rtype)!;
  }
  get id(): string {
    return this.columns.ids[this.n]!;
  }
  get rtype(): number {
    return this.columns.rtype[this.n]!;
  }
  get rid(): bigint {
    return this.columns.rid[this.n]!;
  }
  get chk(): number {
    return this.columns.chk[this.n]!;
  }
  get holdFormer(): boolean {
    return this.columns.holdFormer;
  }
}

const NOTHING = new Uint8Array(0);

class ColumnBody implements PreparedBody {
  readonly resource = undefined;
  readonly rows = NO_ROWS;

  constructor(
    private readonly columns: WriteColumns,
    private readonly n: number,
    private readonly kept: KeptContents | undefined,
  ) {}

  get content(): Uint8Array {
    return this.kept?.content(this.n) ?? NOTHING;
  }
  get units(): number {
    return this.kept?.units(this.n) ?? 0;
  }
  get sortLine(): string | undefined {
    return this.kept?.sortLine(this.n);
  }
  get bulk(): PreparedBody['bulk'] {
    return this.kept?.bulk(this.n);
  }
  get digest(): bigint {
    return this.columns.digest[this.n]!;
  }
  get state(): number {
    return this.flag(IS_WITHDRAWN) ? WITHDRAWN : PENDING;
  }
  get at(): number | null {
    const at = this.columns.at[this.n]!;
    return Number.isNaN(at) ? null : at;
  }
  get part(): number {
    return this.columns.part[this.n]!;
  }
  get pkey(): bigint | null {
    return this.flag(HAS_PATIENT) ? this.columns.pkey[this.n]! : null;
  }
  get derived(): boolean {
    return this.flag(IS_DERIVED);
  }

  private flag(bit: number): boolean {
    return (this.columns.flags[this.n]! & bit) !== 0;
  }
}

/** What was decided about writes that another thread keeps, as it is told of it. */
export interface SealRequest {
  readonly actor: Actor;
  readonly now: number;
  /** The writes that become versions; of those that replace one `replaced` tells more. */
  readonly numbers: Int32Array;
  readonly replaced: readonly Pick<Decision, 'version' | 'lastUpdated' | 'outcome' | 'current'>[];
  /** For each of `numbers` its place in `replaced`, -1 for a first version. */
  readonly replaces: Int32Array;
  /** The patients' own keys, as they are stored. */
  readonly own: readonly WrappedPatientKey[];
}

/** @param decisions of all of a batch's writes, in their order */
export function sealRequest(
  decisions: readonly Decision[],
  actor: Actor,
  now: number,
  own: readonly WrappedPatientKey[],
): SealRequest {
  const numbers: number[] = [];
  const replaces: number[] = [];
  const replaced: SealRequest['replaced'][number][] = [];
  for (let n = 0; n < decisions.length; n++) {
    const { outcome, version, lastUpdated, current } = decisions[n]!;
    if (outcome === 'unchanged') continue;
    numbers.push(n);
    replaces.push(current ? replaced.push({ outcome, version, lastUpdated, current }) - 1 : -1);
  }
  return {
    actor,
    now,
    numbers: Int32Array.from(numbers),
    replaces: Int32Array.from(replaces),
    replaced,
    own,
  };
}

/** The decisions that a request tells of. */
export function decisionsOf(
  { numbers, replaces, replaced, now }: SealRequest,
  writes: readonly PreparedWrite[],
): Decision[] {
  const decisions: Decision[] = [];
  for (let i = 0; i < numbers.length; i++) {
    const write = writes[numbers[i]!]!;
    const former = replaced[replaces[i]!];
    decisions.push(
      former
        ? { write, ...former }
        : { write, outcome: 'created', version: 1, lastUpdated: now, current: undefined },
    );
  }
  return decisions;
}

/** Writes that another thread prepared and keeps until they are released. */
export interface KeptBatch {
  readonly columns: WriteColumns;
  /** Epoch of the search parameters and step of the index key that they were prepared at. */
  readonly parameters: number;
  readonly indexPhase: number;
  /** Asked once for each attempt of a transaction. */
  seal(request: SealRequest): Promise<CopyRows>;
}
