import './note/review.css';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Resource, request } from './api.js';
import { type Correction, canCorrect, corrected, correctionOf, statusesOf } from './note/correct.js';

const REVIEW = 'https://cenote.health/fhir/CodeSystem/review';
const MAX_COMMENT = 2_000;

const SYSTEMS: readonly (readonly [string, string])[] = [
  ['http://snomed.info/sct', 'SNOMED CT'],
  ['http://www.nlm.nih.gov/research/umls/rxnorm', 'RxNorm'],
  ['http://hl7.org/fhir/sid/icd-10-cm', 'ICD-10-CM'],
  ['http://loinc.org', 'LOINC'],
  ['http://hl7.org/fhir/sid/cvx', 'CVX'],
];

export function decisionOf(resource: Resource): string | undefined {
  return resource.meta?.tag?.find((t) => t.system === REVIEW)?.code;
}

/** Confirm, correct or reject a fact that was derived from a note; the decision outlives every later reading of it. */
export function Review({
  resource,
  onChanged,
}: {
  resource: Resource;
  onChanged?: (resource: Resource) => void;
}): JSX.Element {
  const [current, setCurrent] = useState(resource);
  const [comment, setComment] = useState('');
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const [correcting, setCorrecting] = useState(false);
  const decided = decisionOf(current);
  const decide = async (decision: 'confirmed' | 'rejected' | 'corrected', correction?: Resource) => {
    setProblem('');
    setBusy(true);
    try {
      const next = await request(`${current.resourceType}/${current.id}/$review`, {
        method: 'POST',
        body: {
          decision,
          ...(correction && { resource: correction }),
          ...(comment.trim() && { comment: comment.trim() }),
        },
      });
      setCurrent(next);
      setCorrecting(false);
      onChanged?.(next);
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="review">
      <h3>Is it right?</h3>
      {decided && (
        <p role="status">
          A person has <strong>{decided}</strong> it.
        </p>
      )}
      <input
        aria-label="Comment"
        placeholder="Comment (optional)"
        maxLength={MAX_COMMENT}
        value={comment}
        onInput={(e) => setComment(e.currentTarget.value)}
      />
      <p class="group">
        <button type="button" disabled={busy} onClick={() => decide('confirmed')}>
          Confirm
        </button>
        {canCorrect(current.resourceType) && (
          <button
            type="button"
            disabled={busy}
            aria-expanded={correcting}
            onClick={() => setCorrecting(!correcting)}
          >
            Correct…
          </button>
        )}
        <button type="button" disabled={busy} onClick={() => decide('rejected')}>
          Reject
        </button>
      </p>
      {correcting && (
        <CorrectionForm
          key={current.meta?.versionId}
          resource={current}
          busy={busy}
          onGiven={(given) => decide('corrected', corrected(current, given))}
        />
      )}
      {problem && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

function CorrectionForm({
  resource,
  busy,
  onGiven,
}: {
  resource: Resource;
  busy: boolean;
  onGiven: (correction: Correction) => void;
}): JSX.Element {
  const [given, setGiven] = useState(() => correctionOf(resource));
  const set = (part: Partial<Correction>) => setGiven({ ...given, ...part });
  const systems = SYSTEMS.some(([url]) => url === given.system)
    ? SYSTEMS
    : [[given.system, given.system || 'none'] as const, ...SYSTEMS];
  const statuses = statusesOf(resource.resourceType);
  return (
    <form
      class="correction"
      onSubmit={(event) => {
        event.preventDefault();
        onGiven(given);
      }}
    >
      <label>
        Text
        <input value={given.text} required onInput={(e) => set({ text: e.currentTarget.value })} />
      </label>
      <label>
        Code system
        <select value={given.system} onChange={(e) => set({ system: e.currentTarget.value })}>
          {systems.map(([url, name]) => (
            <option key={url} value={url}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Code
        <input
          value={given.code}
          placeholder="none"
          // The old name is not that of another code.
          onInput={(e) => set({ code: e.currentTarget.value.trim(), display: '' })}
        />
      </label>
      <label>
        Name of the code
        <input
          value={given.display}
          placeholder="none"
          onInput={(e) => set({ display: e.currentTarget.value })}
        />
      </label>
      <label>
        Status
        <select value={given.status} onChange={(e) => set({ status: e.currentTarget.value })}>
          {!statuses.includes(given.status) && <option value={given.status}>{given.status || 'none'}</option>}
          {statuses.map((status) => (
            <option key={status}>{status}</option>
          ))}
        </select>
      </label>
      <label>
        Date
        <input
          value={given.date}
          placeholder="2020, 2020-03 or 2020-03-01"
          pattern="\d{4}(-\d{2}(-\d{2})?)?"
          onInput={(e) => set({ date: e.currentTarget.value.trim() })}
        />
      </label>
      <button type="submit" disabled={busy}>
        Save the correction
      </button>
    </form>
  );
}
