import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Show, useLoad } from '../load.js';
import { Confirm } from '../ui/confirm.js';
import { agoText, whenText } from '../ui/format.js';
import { Scroll } from '../ui/scroll.js';
import { admin, type Key, type Tenant, tenantPath } from './admin-api.js';

/** What `keys/rotate` takes, and what it means. */
const LEVELS = [
  ['customer', 'customer’s key', 'The keys below it are wrapped anew; no record is touched.'],
  ['tenant', 'tenant key', 'The keys below it are wrapped anew; no record is touched.'],
  [
    'body',
    'body key',
    'From now on records are sealed under a new key; those that are here stay readable under theirs.',
  ],
  [
    'patient',
    'patients’ keys',
    'From now on the keys of single patients are wrapped under a new key; those that are here stay readable under theirs.',
  ],
] as const;
/** Of these levels the records that are here can be sealed anew, by a job. */
const RESEALED = new Set(['body', 'patient']);

/** Older than this a key is due, in ms. */
const DUE_MS = 365 * 86_400_000;

export function Keys({ tenant }: { readonly tenant: Tenant }): JSX.Element {
  const [round, setRound] = useState(0);
  const [level, setLevel] = useState<string>('customer');
  const [asking, setAsking] = useState(false);
  const [reseal, setReseal] = useState(true);
  const [job, setJob] = useState<string>();
  const found = useLoad(`${tenant.name} ${round}`, (signal) =>
    admin<{ keys: Key[] }>(tenantPath(tenant.name, '/keys'), { signal }),
  );
  const chosen = LEVELS.find(([name]) => name === level)!;
  return (
    <section class="panel" aria-labelledby="keys">
      <header class="bar-head">
        <h2 id="keys">Keys</h2>
        <label>
          <span class="sr">Which key to rotate</span>
          <select value={level} onChange={(e) => setLevel(e.currentTarget.value)}>
            {LEVELS.map(([name, says]) => (
              <option key={name} value={name}>
                {says}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => setAsking(true)} disabled={tenant.state !== 'active'}>
          Rotate
        </button>
      </header>
      {job && (
        <p class="notice" role="status">
          <span>
            The records are being sealed anew: <a href={`#/jobs/${encodeURIComponent(job)}`}>see the job</a>.
          </span>
        </p>
      )}
      <Show of={found}>
        {({ keys }) => (
          <Scroll label="Keys">
            <table class="even">
              <thead>
                <tr>
                  <th scope="col">Purpose</th>
                  <th scope="col" class="number">
                    Version
                  </th>
                  <th scope="col">Made</th>
                  <th scope="col">Age</th>
                </tr>
              </thead>
              <tbody>
                {keys.map((k) => (
                  <tr key={`${k.purpose} ${k.version}`}>
                    <th scope="row">{k.purpose}</th>
                    <td class="number">{k.version}</td>
                    <td>{whenText(k.created)}</td>
                    <td>
                      {agoText(k.created)}
                      {isNewest(k, keys) && Date.now() - Date.parse(k.created) > DUE_MS && (
                        <span class="badge">over a year</span>
                      )}
                      {!isNewest(k, keys) && <span class="badge">older version</span>}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </Show>
      {asking && (
        <Confirm
          title={`Rotate the ${chosen[1]} of ${tenant.name}?`}
          verb="Rotate it"
          act={async () => {
            const { resealJob } = await admin<{ resealJob?: string }>(
              tenantPath(tenant.name, '/keys/rotate'),
              { method: 'POST', body: { level, ...(RESEALED.has(level) && reseal && { reseal }) } },
            );
            setJob(resealJob);
          }}
          onClose={(done) => {
            setAsking(false);
            if (done) setRound(round + 1);
          }}
        >
          <p>{chosen[2]}</p>
          {RESEALED.has(level) && (
            <label class="check">
              <input type="checkbox" checked={reseal} onChange={(e) => setReseal(e.currentTarget.checked)} />
              Seal what is here anew, too: a job does it while everything is in use
            </label>
          )}
        </Confirm>
      )}
    </section>
  );
}

const isNewest = (key: Key, keys: readonly Key[]): boolean =>
  keys.every((k) => k.purpose !== key.purpose || k.version <= key.version);
