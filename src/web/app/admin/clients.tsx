import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Show, useLoad } from '../load.js';
import { Confirm } from '../ui/confirm.js';
import { counted, whenText } from '../ui/format.js';
import { Json } from '../ui/json.js';
import { admin, type Client, type Tenant, tenantPath } from './admin-api.js';
import { RegisterClient } from './register-client.js';

export function Clients({ tenant }: { readonly tenant: Tenant }): JSX.Element {
  const [round, setRound] = useState(0);
  const [revoking, setRevoking] = useState<Client>();
  const found = useLoad(`${tenant.name} ${round}`, (signal) =>
    admin<{ clients: Client[] }>(tenantPath(tenant.name, '/clients'), { signal }),
  );
  const again = () => setRound(round + 1);
  return (
    <section class="panel" aria-labelledby="clients">
      <h2 id="clients">Clients</h2>
      <Show of={found}>
        {({ clients }) =>
          clients.length === 0 ? (
            <p class="quiet">No program or app is registered.</p>
          ) : (
            <ul class="plain-list">
              {clients.map((c) => (
                <li key={c.client_id}>
                  <Row client={c} onRevoke={() => setRevoking(c)} />
                </li>
              ))}
            </ul>
          )
        }
      </Show>
      <RegisterClient tenant={tenant} onMade={again} />
      {revoking && (
        <Confirm
          title={`Revoke ${revoking.name}?`}
          verb="Revoke it"
          act={() =>
            admin(tenantPath(tenant.name, `/clients/${encodeURIComponent(revoking.client_id)}`), {
              method: 'DELETE',
            })
          }
          onClose={(done) => {
            setRevoking(undefined);
            if (done) again();
          }}
        >
          <p>Its tokens stop counting within a second, and it gets no new ones. This cannot be taken back.</p>
        </Confirm>
      )}
    </section>
  );
}

const AUTH: Readonly<Record<string, string>> = {
  private_key_jwt: 'signs with its key',
  client_secret: 'has a secret',
  none: 'public, with PKCE',
};

function Row({
  client: c,
  onRevoke,
}: {
  readonly client: Client;
  readonly onRevoke: () => void;
}): JSX.Element {
  const keys = c.jwks?.keys ?? [];
  return (
    <article class="client">
      <header class="bar-head">
        <h3>{c.name}</h3>
        {c.revoked ? (
          <span class="state cancelled">revoked {whenText(c.revoked)}</span>
        ) : (
          <button type="button" onClick={onRevoke} aria-label={`Revoke ${c.name}`}>
            Revoke
          </button>
        )}
      </header>
      <dl class="particulars">
        <dt>Client id</dt>
        <dd>
          <code>{c.client_id}</code>
        </dd>
        <dt>Kind</dt>
        <dd>
          {c.kind === 'backend' ? 'program' : 'app'}, {AUTH[c.auth] ?? c.auth}
        </dd>
        <dt>May ask for</dt>
        <dd>
          <code>{c.scope}</code>
        </dd>
        {c.redirect_uris && (
          <>
            <dt>Comes back to</dt>
            <dd>{c.redirect_uris.join(', ')}</dd>
          </>
        )}
        {c.jwks_url && (
          <>
            <dt>Key set at</dt>
            <dd>{c.jwks_url}</dd>
          </>
        )}
        <dt>Since</dt>
        <dd>{whenText(c.created)}</dd>
      </dl>
      {c.jwks && (
        <details>
          <summary>Key set, {counted(keys.length, 'key')}</summary>
          <p class="quiet">
            {keys.map((k) => [k.kid, k.alg ?? k.kty, k.crv].filter(Boolean).join(' ')).join('; ')}
          </p>
          <Json value={c.jwks} label={`Key set of ${c.name}`} />
        </details>
      )}
    </article>
  );
}
