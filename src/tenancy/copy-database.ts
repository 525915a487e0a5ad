import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { Fault } from '../core/fault.js';
import { MIGRATION_TABLE } from './migrate.js';

const quote = pg.escapeIdentifier;

/** Tables of the schema's own state, which each place has from its migrations. */
const OWN_TABLES = [MIGRATION_TABLE, `${MIGRATION_TABLE}_lock`];
/** What a read adds to as well: these go on being written while the rest is copied. Rows of `audit` are never changed. */
export const READS_WRITE = ['audit', 'audit_head', 'audit_anchor'] as const;
/** Memory in which an index is sorted while it is built. */
const INDEX_MEMORY = '256MB';
/** The ends of the audit chains as they were copied; a temporary table of the connection that copied them. */
const HEADS = 'cenote_copied_heads';

export interface CopyProgress {
  readonly doing: 'copying' | 'indexes' | 'comparing';
  readonly done: number;
  readonly total: number;
}
type OnProgress = (progress: CopyProgress) => void;

/** What a table holds: rows, and two sums of hashes of them that do not depend on their order. */
interface TableContent {
  readonly rows: string;
  readonly digest: string;
}

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly bytes: number;
}

const OURS = `c.relnamespace = 'public'::regnamespace and c.relname <> all($1)`;

async function tablesOf(client: pg.Client): Promise<Table[]> {
  const { rows } = await client.query<{ name: string; columns: string[]; bytes: string }>(
    `select c.relname as name, pg_table_size(c.oid) as bytes,
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             order by a.attname) as columns
     from pg_class c where ${OURS} and c.relkind in ('r', 'p') order by c.relname`,
    [OWN_TABLES],
  );
  return rows.map(({ name, columns, bytes }) => ({ name, columns, bytes: Number(bytes) }));
}

/**
 * A line for each thing that a schema says: relations with their settings, columns, indexes, constraints, functions,
 * triggers, rules, policies, comments. Written by the server, so that both sides say the same in the same words.
 */
async function schemaOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    `with ours as (select c.oid, c.relname, c.relkind, c.reloptions, c.relpersistence, c.relrowsecurity from pg_class c where ${OURS})
     select concat_ws(' ', 'relation', relkind::text, relname, relpersistence::text, relrowsecurity::text,
       array(select o from unnest(reloptions) o order by o)::text) as line from ours
     union all
     select concat_ws(' ', 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
       a.attstorage::text, a.attidentity::text, a.attgenerated::text, 'statistics ' || coalesce(a.attstattarget, -1),
       pg_get_expr(d.adbin, d.adrelid))
       from ours c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum where c.relkind in ('r', 'p')
     union all
     select 'index ' || pg_get_indexdef(c.oid) from ours c where c.relkind = 'i'
     union all
     select concat_ws(' ', 'constraint', c.relname, k.conname, pg_get_constraintdef(k.oid))
       from pg_constraint k join ours c on c.oid = k.conrelid where k.contype <> 'n'
     union all
     select 'trigger ' || pg_get_triggerdef(t.oid) from pg_trigger t join ours c on c.oid = t.tgrelid where not t.tgisinternal
     union all
     select 'rule ' || pg_get_ruledef(r.oid) from pg_rewrite r join ours c on c.oid = r.ev_class
     union all
     select 'policy ' || p.polname || ' ' || c.relname from pg_policy p join ours c on c.oid = p.polrelid
     union all
     select 'function ' || p.proname || ' ' || md5(p.prosrc) from pg_proc p
       where p.pronamespace = 'public'::regnamespace
         and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
     union all
     select 'extension ' || extname from pg_extension where extname <> 'plpgsql'
     union all
     select 'comment ' || c.relname || ' ' || d.objsubid || ' ' || d.description
       from pg_description d join ours c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
     order by 1`,
    [OWN_TABLES],
  );
  return rows.map((r) => r.line);
}

/**
 * Whether both databases have the same schema, and one that rows alone carry.
 * @throws Fault `conflict` that names what differs, `unsupported` for sequences, whose state rows do not hold
 */
export async function checkSameSchema(source: pg.Client, target: pg.Client): Promise<void> {
  const [one, other] = [await schemaOf(source), await schemaOf(target)];
  const odd = [...one.filter((l) => !other.includes(l)), ...other.filter((l) => !one.includes(l))];
  if (odd.length > 0)
    throw new Fault('conflict', `The two databases do not have the same schema: ${odd[0]!.slice(0, 200)}.`, {
      remedy:
        'Remove what was added to the database by hand, or bring it to the current schema: cenote migrate',
    });
  const sequence = one.find((l) => l.startsWith('relation S ') && !l.includes(` ${MIGRATION_TABLE}_`));
  if (sequence)
    throw new Fault('unsupported', `The schema has a sequence, which is not copied: ${sequence}.`);
}

/**
 * Copies every row of every table, as of one snapshot that begins here and stays open on `source`. Indexes that are no
 * constraint are built when the rows are there. All in one transaction of the target.
 * @returns bytes that went over
 */
export async function copyTables(
  source: pg.Client,
  target: pg.Client,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<number> {
  await source.query('begin isolation level repeatable read');
  await source.query(
    `create temporary table ${HEADS} on commit preserve rows as select part, strand, seq from public.audit_head`,
  );
  const tables = await tablesOf(source);
  const total = tables.reduce((sum, t) => sum + t.bytes, 0);
  await target.query('begin');
  await target.query(`set local maintenance_work_mem = '${INDEX_MEMORY}'`);
  await target.query(`truncate ${tables.map((t) => `public.${quote(t.name)}`).join(', ')}`);
  const { rows: indexes } = await target.query<{ name: string; made: string }>(
    `select c.relname as name, pg_get_indexdef(i.indexrelid) as made
     from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
     where ${OURS.replaceAll('c.', 't.')} and not exists (select from pg_constraint k where k.conindid = i.indexrelid)`,
    [OWN_TABLES],
  );
  for (const { name } of indexes) await target.query(`drop index public.${quote(name)}`);
  let done = 0;
  for (const { name, columns } of tables) {
    signal.throwIfAborted();
    const { bytes } = await copyRows(source, target, { table: name, columns, freeze: true }, (sent) =>
      onProgress({ doing: 'copying', done: Math.min(done + sent, total), total }),
    );
    done += bytes;
  }
  for (const [i, { made }] of indexes.entries()) {
    signal.throwIfAborted();
    onProgress({ doing: 'indexes', done: i, total: indexes.length });
    await target.query(made);
  }
  await target.query('commit');
  return done;
}

interface Rows {
  readonly table: string;
  readonly columns: readonly string[];
  /** A query for the rows; all of the table where not given. */
  readonly query?: string;
  /** The table was emptied in this transaction and nobody else looks: its rows need no vacuum afterwards. */
  readonly freeze?: true;
}

async function copyRows(
  source: pg.Client,
  target: pg.Client,
  { table, columns, query, freeze }: Rows,
  onBytes: (bytes: number) => void = () => {},
): Promise<{ bytes: number; rows: number }> {
  const what = `public.${quote(table)} (${columns.map(quote).join(', ')})`;
  let bytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, pass) {
      bytes += chunk.length;
      onBytes(bytes);
      pass(null, chunk);
    },
  });
  const into = target.query(copyFrom(`copy ${what} from stdin (format binary${freeze ? ', freeze' : ''})`));
  await pipeline(
    source.query(copyTo(`copy ${query ? `(${query})` : what} to stdout (format binary)`)),
    counted,
    into,
  );
  return { bytes, rows: into.rowCount };
}

async function contentOf(client: pg.Client, name: string, columns: readonly string[]): Promise<TableContent> {
  const row = `row(${columns.map((c) => `t.${quote(c)}`).join(', ')})`;
  const sum = (seed: number) => `coalesce(sum(hash_record_extended(${row}, ${seed})::numeric), 0)`;
  const { rows } = await client.query<TableContent>(
    `select count(*)::text as rows, concat(${sum(1)}, ' ', ${sum(2)}) as digest from public.${quote(name)} t`,
  );
  return rows[0]!;
}

/**
 * Compares both sides table by table: number of rows and digest of every column of every row. On `source` in the snapshot
 * that `copyTables` left open.
 * @returns rows in all
 * @throws Fault `integrity` that names the first table that differs
 */
export async function compareTables(
  source: pg.Client,
  target: pg.Client,
  onProgress: OnProgress,
  signal: AbortSignal,
  only?: readonly string[],
): Promise<bigint> {
  const tables = (await tablesOf(source)).filter((t) => !only || only.includes(t.name));
  let all = 0n;
  for (const [i, { name, columns }] of tables.entries()) {
    signal.throwIfAborted();
    onProgress({ doing: 'comparing', done: i, total: tables.length });
    const [one, other] = await Promise.all([
      contentOf(source, name, columns),
      contentOf(target, name, columns),
    ]);
    if (one.rows !== other.rows || one.digest !== other.digest)
      throw new Fault('integrity', `Table ${name} is not the same at both places.`, {
        remedy: 'The tenant stays where it was. Try again; if it goes on, look at the logs of both servers.',
      });
    all += BigInt(one.rows);
  }
  return all;
}

/**
 * Carries over what reads have written since `copyTables`, on the same connections: the audit rows behind the ends that were
 * copied, and the ends. Nobody may write any more. @throws Fault `integrity` where the rows are not as many as the ends say
 */
export async function catchUp(source: pg.Client, target: pg.Client): Promise<void> {
  await source.query('begin isolation level repeatable read');
  const tables = (await tablesOf(source)).filter((t) => READS_WRITE.some((name) => name === t.name));
  await target.query('begin');
  const since = `from public.audit_head n left join ${HEADS} h on h.part = n.part and h.strand = n.strand
     where n.seq is distinct from h.seq`;
  for (const { name, columns } of tables) {
    if (name === 'audit') {
      const picked = columns.map((c) => `a.${quote(c)}`).join(', ');
      // For each end that moved, its rows by their key; a join could be planned as a walk through the whole log.
      const query = `select ${picked} from (select n.part, n.strand, coalesce(h.seq, 0) as seq ${since} offset 0) as n
        cross join lateral (select * from public.audit a
          where a.part = n.part and a.strand = n.strand and a.seq > n.seq offset 0) as a`;
      const came = await copyRows(source, target, { table: name, columns, query });
      const { rows } = await source.query<{ n: string }>(
        `select coalesce(sum(n.seq - coalesce(h.seq, 0)), 0)::text as n ${since}`,
      );
      if (came.rows !== Number(rows[0]!.n))
        throw new Fault('integrity', 'The audit log is not the same at both places.', {
          remedy:
            'The tenant stays where it was. Run cenote verify, which says what is missing of its chain.',
        });
    } else {
      await target.query(`truncate public.${quote(name)}`);
      await copyRows(source, target, { table: name, columns });
    }
  }
  await compareTables(source, target, () => {}, new AbortController().signal, ['audit_head', 'audit_anchor']);
  await target.query('commit');
  await source.query('commit');
}
