import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Failure } from '../load.js';
import { admin, type Client, type Tenant, tenantPath } from './admin-api.js';

const KINDS = [
  ['backend private_key_jwt', 'a program that signs with its key'],
  ['app none', 'an app in a browser or on a telephone'],
  ['app client_secret', 'an app on a server, with a secret'],
  ['app private_key_jwt', 'an app on a server that signs with its key'],
] as const;

interface Draft {
  readonly name: string;
  readonly kind: string;
  readonly scope: string;
  readonly keys: string;
  readonly back: string;
}
const EMPTY: Draft = { name: '', kind: KINDS[0][0], scope: 'system/*.rs', keys: '', back: '' };

/** What `POST …/clients` takes. @throws Error where the key set is neither an address nor JSON */
function registrationOf(draft: Draft): object {
  const [kind, auth] = draft.kind.split(' ');
  const keys = draft.keys.trim();
  let keySet = {};
  if (keys.startsWith('https://')) keySet = { jwks_url: keys };
  else if (keys) {
    try {
      keySet = { jwks: JSON.parse(keys) as unknown };
    } catch {
      throw new Error('The key set is neither an https address nor JSON.');
    }
  }
  return {
    name: draft.name.trim(),
    kind,
    auth,
    scope: draft.scope.trim(),
    ...(auth === 'private_key_jwt' ? keySet : {}),
    ...(kind === 'app' ? { redirect_uris: draft.back.split(/\s+/).filter(Boolean) } : {}),
  };
}

export function RegisterClient({
  tenant,
  onMade,
}: {
  readonly tenant: Tenant;
  readonly onMade: () => void;
}): JSX.Element {
  const [draft, setDraft] = useState(EMPTY);
  const [made, setMade] = useState<Client>();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const [kind, auth] = draft.kind.split(' ');
  const submit = async (event: Event) => {
    event.preventDefault();
    setProblem(undefined);
    setBusy(true);
    try {
      setMade(
        await admin<Client>(tenantPath(tenant.name, '/clients'), {
          method: 'POST',
          body: registrationOf(draft),
        }),
      );
      setDraft(EMPTY);
      onMade();
    } catch (error) {
      setProblem((error as Error).message);
    }
    setBusy(false);
  };
  return (
    <>
      {made && (
        <div class="notice" role="status">
          <span>
            <strong>{made.name}</strong> is registered as <code>{made.client_id}</code>.
            {made.client_secret && (
              <>
                {' '}
                Its secret, shown this once: <code class="secret">{made.client_secret}</code>
              </>
            )}
          </span>
          <button type="button" onClick={() => setMade(undefined)}>
            Done
          </button>
        </div>
      )}
      <details class="inner">
        <summary>Register a client</summary>
        <form class="fields" onSubmit={submit}>
          <label class="field">
            Name
            <input
              value={draft.name}
              required
              maxLength={200}
              onInput={(e) => change({ name: e.currentTarget.value })}
            />
          </label>
          <label class="field">
            What it is
            <select
              value={draft.kind}
              onChange={(e) => {
                const chosen = e.currentTarget.value;
                const app = chosen.startsWith('app');
                const scopeOfOther = draft.scope === (app ? 'system/*.rs' : 'launch/patient patient/*.rs');
                change({
                  kind: chosen,
                  ...(scopeOfOther ? { scope: app ? 'launch/patient patient/*.rs' : 'system/*.rs' } : {}),
                });
              }}
            >
              {KINDS.map(([value, says]) => (
                <option key={value} value={value}>
                  {says}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            The most it may ask for
            <input value={draft.scope} required onInput={(e) => change({ scope: e.currentTarget.value })} />
          </label>
          {kind === 'app' && (
            <label class="field">
              Addresses it comes back to
              <textarea
                rows={2}
                required
                placeholder="https://charts.example.org/back"
                value={draft.back}
                onInput={(e) => change({ back: e.currentTarget.value })}
              />
            </label>
          )}
          {auth === 'private_key_jwt' && (
            <label class="field">
              Public keys: their https address, or the key set as JSON
              <textarea
                rows={4}
                required
                spellcheck={false}
                value={draft.keys}
                onInput={(e) => change({ keys: e.currentTarget.value })}
              />
            </label>
          )}
          {problem && <Failure message={problem} />}
          <p class="buttons">
            <button type="submit" disabled={busy}>
              {busy ? 'Working…' : 'Register'}
            </button>
          </p>
        </form>
      </details>
    </>
  );
}
