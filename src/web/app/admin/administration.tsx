import './admin.css';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../api.js';
import { Failure, Show, useLoad } from '../load.js';
import { admin, keepAdmin, type Tenant } from './admin-api.js';
import { Audit } from './audit.js';
import { TenantPage } from './tenant.js';
import { Tenants } from './tenants.js';

/** Tenants, their keys, clients and storage (with an administrator's token), and the audit log (with the tenant's). */
export function Administration({ route }: { readonly route: readonly string[] }): JSX.Element {
  const [what, name] = route;
  const audit = what === 'audit';
  return (
    <section class="admin">
      <h1>Administration</h1>
      <nav class="tabs" aria-label="Administration">
        <a href="#/admin" aria-current={audit ? undefined : 'page'}>
          Tenants
        </a>
        <a href="#/admin/audit" aria-current={audit ? 'page' : undefined}>
          Audit log
        </a>
      </nav>
      {audit ? <Audit /> : <Gate tenant={what === 'tenant' ? name : undefined} />}
    </section>
  );
}

type Opened = { needs: 'token'; why: string } | { needs: 'nothing'; tenants: readonly Tenant[] };

/** Opens at once where the server asks for no token (development), else after the administrator's own sign-in. */
function Gate({ tenant }: { readonly tenant: string | undefined }): JSX.Element {
  const [round, setRound] = useState(0);
  const found = useLoad(`${round} ${tenant ?? ''}`, async (signal): Promise<Opened> => {
    try {
      return {
        needs: 'nothing',
        tenants: (await admin<{ tenants: Tenant[] }>('tenants', { signal })).tenants,
      };
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 403)) throw error;
      keepAdmin('');
      return { needs: 'token', why: error.message };
    }
  });
  const again = () => setRound(round + 1);
  return (
    <Show of={found}>
      {(opened) =>
        opened.needs === 'token' ? (
          <AdminSignIn onDone={again} />
        ) : tenant ? (
          <TenantPage key={tenant} name={tenant} />
        ) : (
          <Tenants tenants={opened.tenants} onChange={again} />
        )
      }
    </Show>
  );
}

function AdminSignIn({ onDone }: { readonly onDone: () => void }): JSX.Element {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      await admin('tenants', { using: token.trim() });
      keepAdmin(token.trim());
      onDone();
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <form class="panel narrow" onSubmit={submit}>
      <h2>Sign in as an administrator</h2>
      <p class="quiet">Administration has tokens of its own: no token of a tenant counts here.</p>
      {problem && <Failure message={problem} />}
      <label class="field">
        Administrator’s token
        <input
          type="password"
          required
          autocomplete="off"
          value={token}
          onInput={(e) => setToken(e.currentTarget.value)}
        />
      </label>
      <p class="buttons">
        <button type="submit" disabled={busy}>
          {busy ? 'Asking…' : 'Sign in'}
        </button>
      </p>
      <p class="quiet small">
        Made by <code>cenote token --admin --scope "admin.read admin.write"</code>, good for a day at most. It
        is kept in this tab alone.
      </p>
    </form>
  );
}
