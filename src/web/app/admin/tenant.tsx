import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Show, useLoad } from '../load.js';
import { Confirm } from '../ui/confirm.js';
import { bytesText, countText, whenText } from '../ui/format.js';
import { admin, type Storage, type Tenant, tenantPath } from './admin-api.js';
import { Clients } from './clients.js';
import { Keys } from './keys.js';

export function TenantPage({ name }: { readonly name: string }): JSX.Element {
  const [round, setRound] = useState(0);
  const tenant = useLoad(`${name} ${round}`, (signal) => admin<Tenant>(tenantPath(name), { signal }));
  return (
    <>
      <p>
        <a href="#/admin">All tenants</a>
      </p>
      <Show of={tenant}>
        {(t) => (
          <>
            <Head tenant={t} onChange={() => setRound(round + 1)} />
            <Keys tenant={t} />
            <Clients tenant={t} />
            <Sizes tenant={t} />
          </>
        )}
      </Show>
    </>
  );
}

const PRIVACY: Readonly<Record<string, string>> = {
  exact: 'exact: a keyed hash for each term, dates as they are; how often an unknown term occurs can be seen',
  bucketed: 'bucketed: several terms share a hash, dates are months, numbers are bands',
  none: 'none: nothing of any value; searches open what they look at',
};

function Head({
  tenant: t,
  onChange,
}: {
  readonly tenant: Tenant;
  readonly onChange: () => void;
}): JSX.Element {
  const [asking, setAsking] = useState(false);
  const suspended = t.state !== 'active';
  return (
    <section class="panel" aria-labelledby="tenant-name">
      <header class="bar-head">
        <h2 id="tenant-name">{t.name}</h2>
        <span class={`state ${t.state}`}>{t.state}</span>
        <button type="button" onClick={() => setAsking(true)}>
          {suspended ? 'Let it work again' : 'Suspend'}
        </button>
      </header>
      <dl class="particulars">
        <dt>Id</dt>
        <dd>
          <code>{t.id}</code>
        </dd>
        <dt>Since</dt>
        <dd>{whenText(t.created)}</dd>
        <dt>Index privacy</dt>
        <dd>{PRIVACY[t.indexPrivacy ?? ''] ?? t.indexPrivacy ?? 'not said'}</dd>
        <dt>Customer’s key</dt>
        <dd>{t.keyProvider ?? 'not said'}</dd>
        <dt>Checks</dt>
        <dd>
          {t.validation ?? 'as the server says'}
          {t.integrity ? '; references must hold' : ''}
        </dd>
      </dl>
      {asking && (
        <Confirm
          title={suspended ? `Let ${t.name} work again?` : `Suspend ${t.name}?`}
          verb={suspended ? 'Let it work' : 'Suspend it'}
          typed={suspended ? undefined : t.name}
          act={() => admin(tenantPath(t.name, suspended ? '/resume' : '/suspend'), { method: 'POST' })}
          onClose={(done) => {
            setAsking(false);
            if (done) onChange();
          }}
        >
          <p>
            {suspended
              ? 'Its records can be read and written again, and its jobs go on.'
              : 'Nobody reads or writes its records, and its jobs stop, until it is let work again. Nothing is deleted.'}
          </p>
        </Confirm>
      )}
    </section>
  );
}

/** Smaller tables are summed up. */
const MAX_TABLES = 12;

function Sizes({ tenant }: { readonly tenant: Tenant }): JSX.Element {
  const found = useLoad(tenant.name, (signal) =>
    admin<Storage>(tenantPath(tenant.name, '/storage'), { signal }),
  );
  return (
    <section class="panel" aria-labelledby="storage">
      <h2 id="storage">Storage</h2>
      <Show of={found}>
        {({ databaseBytes, tables }) => (
          <>
            <p>
              <strong>{bytesText(databaseBytes)}</strong> in its database
              {!tables && <span class="quiet">; its tables are not measured while it is suspended</span>}
            </p>
            {tables && (
              <table class="sizes">
                <thead>
                  <tr>
                    <th scope="col">Table</th>
                    <th scope="col" class="number">
                      Rows, about
                    </th>
                    <th scope="col" class="number">
                      Size
                    </th>
                    <th scope="col" class="wide">
                      <span class="sr">Share</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {tables.slice(0, MAX_TABLES).map((table) => (
                    <tr key={table.name}>
                      <th scope="row" class="path">
                        {table.name}
                      </th>
                      <td class="number">{countText(Math.round(table.estimatedRows))}</td>
                      <td class="number">{bytesText(table.bytes)}</td>
                      <td class="wide">
                        <meter
                          aria-label={`Share of ${table.name}`}
                          max={Math.max(tables[0]?.bytes ?? 1, 1)}
                          value={table.bytes}
                        />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
            {tables && tables.length > MAX_TABLES && (
              <p class="quiet">
                and {tables.length - MAX_TABLES} more tables,{' '}
                {bytesText(tables.slice(MAX_TABLES).reduce((sum, { bytes }) => sum + bytes, 0))}
              </p>
            )}
          </>
        )}
      </Show>
    </section>
  );
}
