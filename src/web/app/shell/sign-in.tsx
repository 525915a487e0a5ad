import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, type Session, send } from '../api.js';
import { Failure } from '../load.js';
import { leaveFor } from './smart.js';

/** Whether a session opens: asked of the server before it is kept. @throws ApiError saying why not */
async function tryOut(session: Session): Promise<void> {
  try {
    await send(`/fhir/${encodeURIComponent(session.tenant)}/Patient?_summary=count`, {
      token: session.token,
      type: 'application/fhir+json',
    });
  } catch (error) {
    // A token may well be good and not permit this.
    if (error instanceof ApiError && error.status === 403) return;
    throw error;
  }
}

export function SignIn({
  session,
  why,
  onDone,
}: {
  readonly session: Session;
  /** What the server said, where it refused. */
  readonly why: string | undefined;
  readonly onDone: (session: Session) => void;
}): JSX.Element {
  const [tenant, setTenant] = useState(session.tenant);
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setProblem(undefined);
    setBusy(true);
    const wanted = { tenant: tenant.trim(), token: token.trim() };
    try {
      await tryOut(wanted);
      onDone(wanted);
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  const elsewhere = async () => {
    setProblem(undefined);
    setBusy(true);
    try {
      await leaveFor(tenant.trim());
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <section class="sign-in">
      <h1>Sign in</h1>
      <p class="quiet">Records are shown to who has an access token of the tenant.</p>
      {why && !problem && <p class="notice">{why}</p>}
      {problem && <Failure message={problem} />}
      <form onSubmit={submit}>
        <label>
          Tenant
          <input
            ref={first}
            value={tenant}
            required
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            pattern="[a-z][a-z0-9\-]{0,39}"
            title="Small letters, digits and hyphens"
            onInput={(e) => setTenant(e.currentTarget.value)}
          />
        </label>
        <label>
          Access token
          <input
            type="password"
            autocomplete="off"
            value={token}
            onInput={(e) => setToken(e.currentTarget.value)}
          />
        </label>
        <p class="buttons start">
          <button type="submit" disabled={busy}>
            {busy ? 'Asking…' : 'Sign in'}
          </button>
          <button type="button" disabled={busy || tenant.trim() === ''} onClick={elsewhere}>
            Through the tenant’s sign-in
          </button>
        </p>
      </form>
      <p class="quiet small">
        Whoever runs the server makes a token:{' '}
        <code>cenote token --tenant {tenant || 'T'} --scope "user/*.rs"</code>. It is kept in this tab alone,
        until the tab is closed or left alone for 15 minutes.
      </p>
    </section>
  );
}
