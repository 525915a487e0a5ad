import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Bundle, type Coding, type Resource, request, resources } from '../api.js';
import { Show, useLoad } from '../load.js';
import { ageOf, personName } from '../words.js';
import { Bars } from './charts.js';
import { CodePicker } from './codes.js';
import { ComparisonOf, EVERYBODY } from './comparison.js';

const MAX_ROWS = 50_000;
const TOP_CODES = 15;
const LISTED = 100;

/** Who a cohort's patients are, held against all patients: age, sex, treatments, conditions and a value over time. */
export function Profile({ group, size }: { group: Resource; size: number }): JSX.Element {
  const [value, setValue] = useState<readonly Coding[]>([]);
  return (
    <>
      <h3>A value over time</h3>
      <CodePicker
        type="Observation"
        label="Find a result to follow"
        codes={value}
        onCodes={(codes) => setValue(codes.slice(-1))}
      />
      <ComparisonOf cohorts={[group.id, EVERYBODY]} value={value[0]} outcomes={[]} />
      <Conditions group={group} size={size} />
    </>
  );
}

interface ConditionRow {
  patient_id: string | null;
  code_text: string | null;
  code_code: string | null;
  code_display: string | null;
}

/** The conditions that most of the patients have, counted from the table of conditions. */
function Conditions({ group, size }: { group: Resource; size: number }): JSX.Element {
  const rows = useLoad(group.id, async (signal) => {
    const body = {
      resourceType: 'Parameters',
      parameter: [
        { name: 'viewReference', valueString: 'condition' },
        { name: 'group', valueReference: { reference: `Group/${group.id}` } },
        { name: '_format', valueCode: 'json' },
        { name: '_limit', valueInteger: MAX_ROWS },
      ],
    };
    const table = await request<ConditionRow[]>('$viewdefinition-run', { method: 'POST', body, signal });
    const found = new Map<string, { label: string; note: string; patients: Set<string> }>();
    for (const row of table) {
      const label = row.code_display ?? row.code_text ?? row.code_code;
      if (!label || !row.patient_id) continue;
      const key = row.code_code ?? label.toLowerCase();
      const one = found.get(key) ?? { label, note: row.code_code ?? '', patients: new Set<string>() };
      one.patients.add(row.patient_id);
      found.set(key, one);
    }
    return {
      whole: table.length < MAX_ROWS,
      rows: [...found.values()]
        .map(({ label, note, patients }) => ({ label, note, counts: [patients.size] }))
        .sort((a, b) => b.counts[0]! - a.counts[0]! || (a.label < b.label ? -1 : 1))
        .slice(0, TOP_CODES),
    };
  });
  return (
    <Show of={rows}>
      {(found) =>
        found.rows.length === 0 ? (
          <p class="quiet">None of them has a condition on record.</p>
        ) : (
          <>
            <div class="half">
              <Bars title="Conditions" rows={found.rows} names={[String(group.name)]} sizes={[size]} />
            </div>
            {!found.whole && (
              <p class="quiet">Counted from the first {MAX_ROWS.toLocaleString('en-US')} conditions.</p>
            )}
          </>
        )
      }
    </Show>
  );
}

/** Patients of a cohort that was kept, with the way to each. */
export function Members({ group }: { group: Resource }): JSX.Element {
  const ids = (group.member ?? [])
    .slice(0, LISTED)
    .map((m: { entity: { reference: string } }) => m.entity.reference.replace('Patient/', ''));
  const found = useLoad(group.id + group.meta?.versionId, (signal) =>
    ids.length === 0
      ? Promise.resolve({} as Bundle)
      : request<Bundle>(`Patient?_id=${ids.join(',')}&_count=${LISTED}`, { signal }),
  );
  const count = Number(group.quantity ?? group.member?.length ?? 0);
  return (
    <Show of={found}>
      {(bundle) => (
        <>
          {ids.length === 0 && (
            <p class="empty">
              {count > 0
                ? 'The members of this cohort are found anew each time it is used; none are kept.'
                : 'Nobody is in this cohort.'}
            </p>
          )}
          <ul class="members">
            {resources(bundle).map((p) => (
              <li key={p.id}>
                <a href={`#/patient/${p.id}`}>{personName(p)}</a>{' '}
                <span class="quiet">{[p.gender, ageOf(p.birthDate)].filter(Boolean).join(', ')}</span>
              </li>
            ))}
          </ul>
          {count > LISTED && ids.length > 0 && (
            <p class="quiet">and {(count - LISTED).toLocaleString('en-US')} more</p>
          )}
        </>
      )}
    </Show>
  );
}
