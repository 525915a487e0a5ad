import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Failure } from '../load.js';
import { whenText } from '../ui/format.js';
import { admin, type Tenant } from './admin-api.js';

export function Tenants({
  tenants,
  onChange,
}: {
  readonly tenants: readonly Tenant[];
  readonly onChange: () => void;
}): JSX.Element {
  return (
    <>
      {tenants.length === 0 ? (
        <div class="nothing">
          <p>
            <strong>There is no tenant yet.</strong>
          </p>
          <p class="quiet">Each gets a database and keys of its own.</p>
        </div>
      ) : (
        <ul class="rows">
          {tenants.map((t) => (
            <li key={t.id}>
              <a class="row" href={`#/admin/tenant/${encodeURIComponent(t.name)}`}>
                <span class="head">
                  <strong>{t.name}</strong> <span class={`state ${t.state}`}>{t.state}</span>
                </span>
                <span class="quiet">
                  since {whenText(t.created)} · checks: {t.validation ?? 'as the server'}
                  {t.integrity && ' · references must hold'}
                  {t.indexPrivacy && ` · index: ${t.indexPrivacy}`}
                </span>
              </a>
            </li>
          ))}
        </ul>
      )}
      <Create onMade={onChange} />
    </>
  );
}

const PRIVACY = [
  ['exact', 'dates and numbers, and how often each unknown term occurs'],
  ['bucketed', 'months and bands; several terms look alike'],
  ['none', 'nothing of any value'],
] as const;

function Create({ onMade }: { readonly onMade: () => void }): JSX.Element {
  const [name, setName] = useState('');
  const [validation, setValidation] = useState('');
  const [integrity, setIntegrity] = useState(false);
  const [privacy, setPrivacy] = useState('exact');
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      await admin('tenants', {
        method: 'POST',
        body: {
          name: name.trim(),
          indexPrivacy: privacy,
          ...(validation && { validation }),
          ...(integrity && { integrity }),
        },
      });
      onMade();
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <details class="panel">
      <summary>Make a tenant</summary>
      <form onSubmit={submit} class="fields">
        <label class="field">
          Name
          <input
            value={name}
            required
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            pattern="[a-z][a-z0-9\-]{0,39}"
            title="Small letters, digits and hyphens"
            onInput={(e) => setName(e.currentTarget.value)}
          />
        </label>
        <label class="field">
          What is written is checked
          <select value={validation} onChange={(e) => setValidation(e.currentTarget.value)}>
            <option value="">as the server says</option>
            <option value="strict">strictly</option>
            <option value="structure">for its structure</option>
            <option value="minimal">least</option>
          </select>
        </label>
        <label class="field">
          What its index tells whoever has a copy of the database
          <select value={privacy} onChange={(e) => setPrivacy(e.currentTarget.value)}>
            {PRIVACY.map(([level, says]) => (
              <option key={level} value={level}>
                {level}: {says}
              </option>
            ))}
          </select>
          <span class="quiet small">
            This cannot be changed later. The less it tells, the more a search opens.
          </span>
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={integrity}
            onChange={(e) => setIntegrity(e.currentTarget.checked)}
          />
          References must hold
        </label>
        {problem && <Failure message={problem} />}
        <p class="buttons">
          <button type="submit" disabled={busy}>
            {busy ? 'Making its database and keys…' : 'Make it'}
          </button>
        </p>
      </form>
    </details>
  );
}
