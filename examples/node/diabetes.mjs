// The story of `examples/notebooks/1-diabetes.ipynb` from Node: DuckDB reads the exported Parquet files as they are.
//   node examples/diabetes/prepare.mjs .cache/diabetes && node examples/node/diabetes.mjs .cache/diabetes
import { pathToFileURL } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';

/** Drug groups by RxNorm code of the ingredient. */
const GROUPS = `(values ('6809', 'metformin'), ('4821', 'sulfonylurea'), ('1545653', 'SGLT2 inhibitor'),
  ('1488564', 'SGLT2 inhibitor'), ('1991302', 'GLP-1 agonist'), ('1551291', 'GLP-1 agonist'), ('274783', 'insulin')
) as groups (code, "group")`;

const views = (folder) => `
  set TimeZone = 'UTC';
  create view cohort as
    select patient_id as patient, min(onset_date_time) as diagnosed from '${folder}/lake/Condition*.parquet'
    where code_code = '44054006' and verification_status_code = 'confirmed' group by 1;
  -- One unit; a value no living person has is left out below.
  create view results as
    select patient_id as patient, event_time as taken,
      case value_quantity_code when 'mmol/mol' then 0.09148 * value_quantity_value + 2.152
        else value_quantity_value end as a1c
    from '${folder}/lake/Observation*.parquet' where code_code in ('4548-4', '59261-8');
  create view a1c as from results where a1c between 3 and 20;
  -- The first prescription or the first note that says it is taken, whichever is earlier.
  create view sources as
    select patient_id as patient, medication_codeable_concept_code as code, event_time as began, false as note
    from '${folder}/lake/MedicationRequest*.parquet'
    union all select patient_id, code_rxnorm, event_time, true from '${folder}/drugs-in-notes.parquet';
  create view starts as
    select patient, "group", min(began) as started, bool_and(note) as note_only
    from sources join ${GROUPS} using (code) group by all;
  create view second as
    select patient, arg_min("group", started) as "group", min(started) as started from starts
    where "group" <> 'metformin' group by 1;`;

const COURSE = `
  select floor(date_diff('day', diagnosed, taken) / 365.25)::int as year, count(*)::int as results,
    round(median(a1c), 2) as median
  from a1c join cohort using (patient) where taken >= diagnosed group by 1 having year < 6 order by 1`;

/** Last A1c in the 200 days before the second drug, and the one nearest to nine months after. */
const SECOND = `
  with pairs as (
    select patient, "group", a1c, taken, date_diff('minute', started, taken) / 1440 as days
    from second join a1c using (patient)
  ), compared as (
    select patient, "group",
      arg_max(a1c, days) filter (days between -200 and 1) as before,
      arg_min(a1c, abs(days - 270)) filter (days between 120 and 420) as after
    from pairs group by all
  )
  select "group", count(*)::int as people, round(avg(before), 2) as before, round(avg(after - before), 2) as change
  from compared where before is not null and after is not null group by 1 order by change`;

/** What the files of `prepare.mjs` in a folder tell, as plain objects. */
export async function diabetes(folder) {
  const db = await (await DuckDBInstance.create()).connect();
  try {
    await db.run(views(folder.replaceAll("'", "''")));
    const rows = async (sql) => (await db.runAndReadAll(sql)).getRowObjectsJson();
    const one = async (sql) => Object.values((await rows(sql))[0])[0];
    return {
      people: await one('select count(*)::int from cohort'),
      impossible: await one('select count(*)::int from results where a1c not between 3 and 20'),
      inNotesAlone: await one('select count(*)::int from starts where note_only'),
      course: await rows(COURSE),
      second: await rows(SECOND),
    };
  } finally {
    db.closeSync();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { course, second, ...counts } = await diabetes(process.argv[2] ?? '.cache/diabetes');
  console.log(counts);
  console.table(course);
  console.table(second);
}
