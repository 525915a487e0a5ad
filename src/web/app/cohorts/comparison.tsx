import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Coding, type Resource, request } from '../api.js';
import { Show, useLoad } from '../load.js';
import { plural } from '../ui/format.js';
import { type BarRow, Bars, Keys, Lines } from './charts.js';
import { CodePicker } from './codes.js';

/** What `$cohort-compare` answers. */
interface Compared {
  readonly name: string;
  readonly size: number;
  readonly sex: Readonly<Record<string, number>>;
  readonly age?: {
    readonly mean: number;
    readonly median: number;
    readonly bands: Readonly<Record<string, number>>;
  };
  readonly treatments: readonly {
    readonly code: string;
    readonly display?: string;
    readonly patients: number;
  }[];
  readonly values?: {
    readonly unit: string;
    readonly otherUnits: number;
    readonly overTime: readonly { readonly quarter: string; readonly n: number; readonly median: number }[];
  };
  readonly outcomes: readonly { readonly name: string; readonly patients: number }[];
}
interface Comparison {
  readonly cohorts: readonly Compared[];
  readonly overlap: readonly {
    readonly of: readonly string[];
    readonly patients: number;
    readonly share: number;
  }[];
  readonly inAll: number;
  readonly inAny: number;
}

const MAX_TREATMENTS = 15;
/** The cohort that others are held against. */
export const EVERYBODY = { name: 'All patients', criteria: { search: 'Patient' } };
const HBA1C: Coding = { system: 'http://loinc.org', code: '4548-4', display: 'Hemoglobin A1c' };

/** Cohorts beside each other: who they are, what they got, how a value went and what came of them. */
export function ComparisonOf({
  cohorts,
  value,
  outcomes,
}: {
  /** Ids of stored cohorts, or definitions. */
  cohorts: readonly (string | object)[];
  value: Coding | undefined;
  outcomes: readonly Coding[];
}): JSX.Element {
  const body = {
    cohorts,
    ...(value && { value: `${value.system ?? ''}|${value.code}` }),
    outcomes: outcomes.map((c) => ({
      name: c.display ?? c.code,
      search: `Condition?code=${c.system ? `${c.system}|` : ''}${c.code}`,
    })),
  };
  const found = useLoad(JSON.stringify(body), (signal) =>
    request<Comparison>('Group/$cohort-compare', { method: 'POST', body, signal }),
  );
  return (
    <Show of={found}>
      {(comparison) => (
        <Charts comparison={comparison} value={value} everybody={cohorts.includes(EVERYBODY)} />
      )}
    </Show>
  );
}

function Charts({
  comparison,
  value,
  everybody,
}: {
  comparison: Comparison;
  value: Coding | undefined;
  everybody: boolean;
}): JSX.Element {
  const { cohorts } = comparison;
  const names = cohorts.map((c) => c.name);
  const sizes = cohorts.map((c) => c.size);
  const bars = (title: string, rows: readonly BarRow[]) =>
    rows.length > 0 && <Bars title={title} rows={rows} names={names} sizes={sizes} />;
  const lines = cohorts
    .filter((c) => c.values && c.values.overTime.length > 0)
    .map((c) => ({ name: c.name, points: c.values!.overTime }));
  const others = cohorts.reduce((sum, c) => sum + (c.values?.otherUnits ?? 0), 0);
  return (
    <div class="comparison">
      <Keys names={names} sizes={sizes} />
      {!everybody && (
        <p>
          {comparison.overlap.map((o) => (
            <span key={o.of.join()} class="overlap">
              <strong>{o.patients.toLocaleString('en-US')}</strong>{' '}
              {plural(o.patients, 'patient is', 'patients are')} in both ({Math.round(o.share * 100)} % of{' '}
              {comparison.inAny.toLocaleString('en-US')}).
            </span>
          ))}
        </p>
      )}
      <div class="charts">
        {bars(
          'Age',
          rowsOf(cohorts, (c) => c.age?.bands ?? {}, byNumber).map((row) => ({
            ...row,
            label: row.label.replace('-', '–'),
          })),
        )}
        {bars(
          'Sex',
          rowsOf(cohorts, (c) => c.sex, byLabel),
        )}
        {bars(
          'Outcomes',
          rowsOf(cohorts, (c) => Object.fromEntries(c.outcomes.map((o) => [o.name, o.patients]))),
        )}
        {bars('Treatments', treatmentsOf(cohorts))}
      </div>
      <p class="quiet">
        {cohorts
          .filter((c) => c.age)
          .map((c) => `${c.name}: median age ${Math.round(c.age!.median)} years`)
          .join(' · ')}
      </p>
      {value &&
        (lines.length > 0 ? (
          <Lines
            title={value.display ?? value.code ?? ''}
            unit={cohorts.find((c) => c.values)!.values!.unit}
            lines={lines}
          />
        ) : (
          <p class="empty">None of them has a value of {value.display ?? value.code}.</p>
        ))}
      {others > 0 && <p class="quiet">{others} values in other units are left out.</p>}
    </div>
  );
}

type Order = (a: BarRow, b: BarRow) => number;
const byNumber: Order = (a, b) => Number.parseInt(a.label, 10) - Number.parseInt(b.label, 10);
const byLabel: Order = (a, b) => (a.label < b.label ? -1 : 1);

function rowsOf(
  cohorts: readonly Compared[],
  counts: (c: Compared) => Readonly<Record<string, number>>,
  order?: Order,
): BarRow[] {
  const labels = [...new Set(cohorts.flatMap((c) => Object.keys(counts(c))))];
  const rows = labels.map((label) => ({ label, counts: cohorts.map((c) => counts(c)[label] ?? 0) }));
  return order ? rows.sort(order) : rows;
}

/** Those most frequent in any of them; what is listed for one cohort alone, nobody of the others had. */
function treatmentsOf(cohorts: readonly Compared[]): BarRow[] {
  const rows = new Map<string, { label: string; note: string; counts: number[] }>();
  cohorts.forEach((cohort, i) => {
    for (const t of cohort.treatments) {
      const row = rows.get(t.code) ?? {
        label: t.display ?? t.code,
        note: t.code,
        counts: cohorts.map(() => 0),
      };
      row.counts[i] = t.patients;
      rows.set(t.code, row);
    }
  });
  // The first cohort is what is asked about.
  const weight = ({ counts }: BarRow) => counts[0]! / Math.max(cohorts[0]!.size, 1);
  return [...rows.values()]
    .sort((a, b) => weight(b) - weight(a) || Math.max(...b.counts) - Math.max(...a.counts))
    .slice(0, MAX_TREATMENTS);
}

/** Two stored cohorts to compare, the value to follow and the outcomes to count. */
export function Compare({ groups }: { groups: readonly Resource[] }): JSX.Element {
  const [first, setFirst] = useState(groups[0]?.id ?? '');
  const [second, setSecond] = useState(groups[1]?.id ?? '');
  const [value, setValue] = useState<readonly Coding[]>([HBA1C]);
  const [outcomes, setOutcomes] = useState<readonly Coding[]>([]);
  const choice = (label: string, chosen: string, onChoose: (id: string) => void) => (
    <label>
      {label}{' '}
      <select value={chosen} onChange={(e) => onChoose(e.currentTarget.value)}>
        {groups.map((g) => (
          <option key={g.id} value={g.id}>
            {g.name}
          </option>
        ))}
        <option value="">All patients</option>
      </select>
    </label>
  );
  return (
    <>
      <div class="tools">
        {choice('Compare', first, setFirst)}
        {choice('with', second, setSecond)}
      </div>
      <div class="pick-two">
        <div>
          <h3>Value over time</h3>
          <CodePicker
            type="Observation"
            label="Find a result to follow"
            codes={value}
            onCodes={(codes) => setValue(codes.slice(-1))}
          />
        </div>
        <div>
          <h3>Outcomes</h3>
          <CodePicker type="Condition" label="Find an outcome" codes={outcomes} onCodes={setOutcomes} />
        </div>
      </div>
      {first === second ? (
        <p class="empty">Choose two different cohorts.</p>
      ) : (
        <ComparisonOf
          cohorts={[first || EVERYBODY, second || EVERYBODY]}
          value={value[0]}
          outcomes={outcomes}
        />
      )}
    </>
  );
}
