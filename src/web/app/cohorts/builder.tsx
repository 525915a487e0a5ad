import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { request } from '../api.js';
import { counted, plural } from '../ui/format.js';
import { CodePicker } from './codes.js';
import {
  type Branch,
  type Criteria,
  criteriaOf,
  type Find,
  type Leaf,
  type Node,
  newBranch,
  newLeaf,
  SUBJECTS,
  searchOf,
  subjectOf,
} from './tree.js';

const PREVIEW_MS = 350;

interface Preview {
  readonly size: number;
  readonly criteria: readonly { readonly at: string; readonly size: number }[];
}
type Counts = ReadonlyMap<number, number>;

/** A cohort that is being put together: criteria by pressing codes, each with how many patients it means. */
export function Builder({ onMade }: { onMade: (id: string) => void }): JSX.Element {
  const [root, setRoot] = useState<Branch>(() => newBranch('and', [newLeaf()]));
  const [name, setName] = useState('');
  const [derived, setDerived] = useState('include');
  const [mode, setMode] = useState('snapshot');
  const [asOf, setAsOf] = useState('');
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const { criteria, places } = useMemo(() => {
    const places = new Map<number, string>();
    return { criteria: criteriaOf(root, new Date(), places), places };
  }, [root]);
  const options = { derived, ...(asOf && { asOf }) };
  const preview = usePreview(criteria, options);
  const counts = useMemo(() => {
    const byPlace = new Map(preview.value?.criteria.map((c) => [c.at, c.size]));
    return new Map(
      [...places].flatMap(([id, at]): [number, number][] =>
        byPlace.has(at) ? [[id, byPlace.get(at)!]] : [],
      ),
    );
  }, [preview.value, places]);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setProblem('');
    setBusy(true);
    try {
      const group = await request('Group/$cohort', {
        method: 'POST',
        body: { name, criteria, mode, ...options },
      });
      setName('');
      setRoot(newBranch('and', [newLeaf()]));
      onMade(group.id);
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="builder" onSubmit={submit}>
      <BranchEditor branch={root} counts={counts} onChange={setRoot} onRemove={undefined} />
      <p class="total" role="status">
        <strong>{preview.value ? preview.value.size.toLocaleString('en-US') : '…'}</strong>{' '}
        {plural(preview.value?.size ?? 0, 'patient')}
        {preview.busy && <span class="quiet"> counting…</span>}
      </p>
      {preview.problem && (
        <p class="error" role="alert">
          {preview.problem}
        </p>
      )}
      <div class="tools">
        <label>
          Facts from notes{' '}
          <select value={derived} onChange={(e) => setDerived(e.currentTarget.value)}>
            <option value="include">count</option>
            <option value="exclude">do not count</option>
            <option value="only">alone count</option>
          </select>
        </label>
        <label>
          As known on <input type="date" value={asOf} onChange={(e) => setAsOf(e.currentTarget.value)} />
        </label>
        <label>
          Members{' '}
          <select value={mode} onChange={(e) => setMode(e.currentTarget.value)}>
            <option value="snapshot">kept as they are now</option>
            <option value="live">found anew each time</option>
          </select>
        </label>
      </div>
      <div class="tools">
        <label class="name">
          Name <input value={name} required maxLength={200} onInput={(e) => setName(e.currentTarget.value)} />
        </label>
        <button type="submit" disabled={busy || !criteria}>
          Make the cohort
        </button>
      </div>
      {problem && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

/** The newest preview; the one before stays until the next is there. */
function usePreview(
  criteria: Criteria | undefined,
  options: object,
): { value: Preview | undefined; busy: boolean; problem: string } {
  const [state, setState] = useState<{ value: Preview | undefined; busy: boolean; problem: string }>({
    value: undefined,
    busy: true,
    problem: '',
  });
  const body = JSON.stringify({ criteria: criteria ?? { search: 'Patient' }, ...options });
  useEffect(() => {
    const stop = new AbortController();
    setState((s) => ({ ...s, busy: true }));
    const timer = setTimeout(() => {
      request<Preview>('Group/$cohort-preview', {
        method: 'POST',
        body: JSON.parse(body),
        signal: stop.signal,
      }).then(
        (value) => !stop.signal.aborted && setState({ value, busy: false, problem: '' }),
        (error) =>
          !stop.signal.aborted &&
          setState({ value: undefined, busy: false, problem: (error as Error).message }),
      );
    }, PREVIEW_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [body]);
  return state;
}

function BranchEditor({
  branch,
  counts,
  onChange,
  onRemove,
}: {
  branch: Branch;
  counts: Counts;
  onChange: (branch: Branch) => void;
  onRemove: (() => void) | undefined;
}): JSX.Element {
  const set = (part: Partial<Branch>) => onChange({ ...branch, ...part });
  const replace = (item: Node, next: Node | undefined) =>
    set({ items: branch.items.flatMap((one) => (one !== item ? [one] : next ? [next] : [])) });
  return (
    <fieldset class="branch">
      <legend class="visually-hidden">{onRemove ? 'Group of criteria' : 'Criteria'}</legend>
      <div class="tools">
        <label>
          {onRemove && (
            <select
              aria-label="Wanted or not"
              value={String(branch.not)}
              onChange={(e) => set({ not: e.currentTarget.value === 'true' })}
            >
              <option value="false">with</option>
              <option value="true">without</option>
            </select>
          )}{' '}
          {onRemove ? '' : 'Patients with '}
          <select
            aria-label="How the criteria are joined"
            value={branch.join}
            onChange={(e) => set({ join: e.currentTarget.value as Branch['join'] })}
          >
            <option value="and">all of</option>
            <option value="or">any of</option>
          </select>
        </label>
        {onRemove && <Count n={counts.get(branch.id)} />}
        {onRemove && (
          <button type="button" class="remove" aria-label="Remove the group" onClick={onRemove}>
            ×
          </button>
        )}
      </div>
      <ul class="criteria">
        {branch.items.map((item) => (
          <li key={item.id}>
            {item.kind === 'leaf' ? (
              <LeafEditor
                leaf={item}
                count={counts.get(item.id)}
                onChange={(next) => replace(item, next)}
                onRemove={() => replace(item, undefined)}
              />
            ) : (
              <BranchEditor
                branch={item}
                counts={counts}
                onChange={(next) => replace(item, next)}
                onRemove={() => replace(item, undefined)}
              />
            )}
          </li>
        ))}
      </ul>
      <p class="group">
        <button type="button" onClick={() => set({ items: [...branch.items, newLeaf()] })}>
          Add a criterion
        </button>
        <button
          type="button"
          onClick={() =>
            set({
              items: [...branch.items, newBranch(branch.join === 'and' ? 'or' : 'and', [newLeaf()])],
            })
          }
        >
          Add a group
        </button>
      </p>
    </fieldset>
  );
}

function Count({ n }: { n: number | undefined }): JSX.Element | null {
  return n === undefined ? null : <span class="size quiet">{counted(n, 'patient')}</span>;
}

function LeafEditor({
  leaf,
  count,
  onChange,
  onRemove,
}: {
  leaf: Leaf;
  count: number | undefined;
  onChange: (leaf: Leaf) => void;
  onRemove: () => void;
}): JSX.Element {
  const set = (part: Partial<Leaf>) => onChange({ ...leaf, ...part });
  const person = leaf.find.about === 'Patient';
  return (
    <div class="criterion">
      <div class="tools">
        <select
          aria-label="Wanted or not"
          value={String(leaf.not)}
          onChange={(e) => set({ not: e.currentTarget.value === 'true' })}
        >
          <option value="false">with</option>
          <option value="true">without</option>
        </select>
        <AboutField about={leaf.find.about} onAbout={(about) => set({ find: { ...newLeaf(about).find } })} />
        <Count n={count} />
        <button type="button" class="remove" aria-label="Remove the criterion" onClick={onRemove}>
          ×
        </button>
      </div>
      <FindEditor find={leaf.find} onChange={(find) => set({ find })} />
      {!person && (
        <details class="more">
          <summary>How often, and when</summary>
          <div class="tools">
            <label>
              at least{' '}
              <input
                type="number"
                min={1}
                value={leaf.min}
                placeholder="1"
                onInput={(e) => set({ min: e.currentTarget.value })}
              />
            </label>
            <label>
              at most{' '}
              <input
                type="number"
                min={0}
                value={leaf.max}
                onInput={(e) => set({ max: e.currentTarget.value })}
              />{' '}
              times
            </label>
            <select
              aria-label="In time to something else"
              value={leaf.relation}
              onChange={(e) => set({ relation: e.currentTarget.value as Leaf['relation'] })}
            >
              <option value="">at any time</option>
              <option value="after">after</option>
              <option value="before">before</option>
              <option value="within">near</option>
            </select>
            {leaf.relation && (
              <>
                <AboutField
                  about={leaf.other.about}
                  onAbout={(about) => set({ other: { ...newLeaf(about).find } })}
                />
                <label>
                  by at most{' '}
                  <input
                    type="number"
                    min={1}
                    value={leaf.days}
                    placeholder={leaf.relation === 'within' ? 'needed' : 'any'}
                    onInput={(e) => set({ days: e.currentTarget.value })}
                  />{' '}
                  days
                </label>
              </>
            )}
          </div>
          {leaf.relation && <FindEditor find={leaf.other} onChange={(other) => set({ other })} />}
        </details>
      )}
      <code class="search-text">{searchOf(leaf.find, new Date()) ?? ''}</code>
    </div>
  );
}

function AboutField({ about, onAbout }: { about: string; onAbout: (about: string) => void }): JSX.Element {
  return (
    <select aria-label="What it is about" value={about} onChange={(e) => onAbout(e.currentTarget.value)}>
      {SUBJECTS.map((s) => (
        <option key={s.type} value={s.type}>
          {s.name}
        </option>
      ))}
      <option value="Patient">Age and sex</option>
      <option value="search">A FHIR search</option>
    </select>
  );
}

function FindEditor({ find, onChange }: { find: Find; onChange: (find: Find) => void }): JSX.Element {
  const set = (part: Partial<Find>) => onChange({ ...find, ...part });
  if (find.about === 'search')
    return (
      <input
        class="wide"
        aria-label="A FHIR search"
        value={find.search}
        placeholder="Condition?code=http://snomed.info/sct|44054006"
        onInput={(e) => set({ search: e.currentTarget.value })}
      />
    );
  if (find.about === 'Patient')
    return (
      <div class="tools">
        <label>
          Sex{' '}
          <select value={find.gender} onChange={(e) => set({ gender: e.currentTarget.value })}>
            <option value="">any</option>
            {['female', 'male', 'other', 'unknown'].map((sex) => (
              <option key={sex}>{sex}</option>
            ))}
          </select>
        </label>
        <label>
          Age from{' '}
          <input
            type="number"
            min={0}
            value={find.minAge}
            onInput={(e) => set({ minAge: e.currentTarget.value })}
          />
        </label>
        <label>
          to{' '}
          <input
            type="number"
            min={0}
            value={find.maxAge}
            onInput={(e) => set({ maxAge: e.currentTarget.value })}
          />
        </label>
      </div>
    );
  return (
    <>
      <CodePicker
        key={find.about}
        type={find.about}
        label={`Find a code: ${subjectOf(find.about)!.name.toLowerCase()}`}
        codes={find.codes}
        onCodes={(codes) => set({ codes })}
      />
      {find.codes.length > 0 && (
        <div class="tools">
          {find.about === 'Observation' && (
            <label>
              Value{' '}
              <select value={find.comparator} onChange={(e) => set({ comparator: e.currentTarget.value })}>
                <option value="">any</option>
                <option value="gt">above</option>
                <option value="ge">at least</option>
                <option value="lt">below</option>
                <option value="le">at most</option>
              </select>{' '}
              {find.comparator && (
                <input
                  type="number"
                  step="any"
                  aria-label="Value"
                  value={find.value}
                  onInput={(e) => set({ value: e.currentTarget.value })}
                />
              )}
            </label>
          )}
          {subjectOf(find.about)!.date && (
            <>
              <label>
                from{' '}
                <input type="date" value={find.from} onChange={(e) => set({ from: e.currentTarget.value })} />
              </label>
              <label>
                to <input type="date" value={find.to} onChange={(e) => set({ to: e.currentTarget.value })} />
              </label>
            </>
          )}
        </div>
      )}
    </>
  );
}
