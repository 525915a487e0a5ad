import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bundle, type Resource, request, resources } from '../api.js';
import { Show, useLoad } from '../load.js';
import { type Pair, sideBySide } from './diff.js';

const MAX_VERSIONS = 50;
/** Lines of what is the same around a difference. */
const CONTEXT = 3;

/** The resource as it is, and any two of its versions beside each other. */
export function Versions({ resource }: { resource: Resource }): JSX.Element {
  const at = `${resource.resourceType}/${resource.id}`;
  const history = useLoad(`${at} ${resource.meta?.versionId}`, (signal) =>
    request<Bundle>(`${at}/_history?_count=${MAX_VERSIONS}`, { signal }),
  );
  const [comparing, setComparing] = useState(false);
  return (
    <div class="versions">
      <h3>Resource</h3>
      <Show of={history}>
        {(bundle) => {
          const versions = resources(bundle).filter(Boolean);
          return (
            <>
              <p class="quiet">
                {versions.length === 1 ? 'One version' : `${versions.length} versions`}, the newest of{' '}
                {moment(versions[0])}
              </p>
              {versions.length > 1 && (
                <button type="button" onClick={() => setComparing(true)}>
                  Compare versions
                </button>
              )}
              <details>
                <summary>{at.length > 40 ? resource.resourceType : at}</summary>
                <pre
                  // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
                  tabIndex={0}
                >
                  {JSON.stringify(resource, undefined, 1)}
                </pre>
              </details>
              {comparing && <Comparison versions={versions} onClose={() => setComparing(false)} />}
            </>
          );
        }}
      </Show>
    </div>
  );
}

function Comparison({
  versions,
  onClose,
}: {
  versions: readonly Resource[];
  onClose: () => void;
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [left, setLeft] = useState(1);
  const [right, setRight] = useState(0);
  const [all, setAll] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const pairs = sideBySide(linesOf(versions[left]!), linesOf(versions[right]!));
  return (
    <dialog ref={dialog} class="compare" aria-label="Versions beside each other" onClose={onClose}>
      <form method="dialog" class="tools">
        <VersionField label="Before" versions={versions} chosen={left} onChoose={setLeft} />
        <VersionField label="After" versions={versions} chosen={right} onChoose={setRight} />
        <label class="check">
          <input type="checkbox" checked={all} onChange={(e) => setAll(e.currentTarget.checked)} /> all lines
        </label>
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </form>
      {pairs.every((p) => p.same) && <p class="quiet">The two do not differ.</p>}
      <div
        class="sides"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
        tabIndex={0}
      >
        <table>
          <thead>
            <tr>
              <th scope="col">Version {versions[left]!.meta?.versionId}</th>
              <th scope="col">Version {versions[right]!.meta?.versionId}</th>
            </tr>
          </thead>
          <tbody>
            {(all ? pairs : nearChanges(pairs)).map((pair, i) =>
              pair === undefined ? (
                <tr key={i} class="cut">
                  <td colSpan={2}>…</td>
                </tr>
              ) : (
                <tr key={i} class={pair.same ? undefined : 'differs'}>
                  <td>{pair.left !== undefined && (pair.same ? pair.left : <del>{pair.left}</del>)}</td>
                  <td>{pair.right !== undefined && (pair.same ? pair.right : <ins>{pair.right}</ins>)}</td>
                </tr>
              ),
            )}
          </tbody>
        </table>
      </div>
    </dialog>
  );
}

function VersionField({
  label,
  versions,
  chosen,
  onChoose,
}: {
  label: string;
  versions: readonly Resource[];
  chosen: number;
  onChoose: (index: number) => void;
}): JSX.Element {
  return (
    <label>
      {label}{' '}
      <select value={chosen} onChange={(e) => onChoose(Number(e.currentTarget.value))}>
        {versions.map((v, i) => (
          <option key={v.meta?.versionId} value={i}>
            {v.meta?.versionId}: {moment(v)}
          </option>
        ))}
      </select>
    </label>
  );
}

const linesOf = (resource: Resource): string[] => JSON.stringify(resource, undefined, 2).split('\n');

const moment = (resource: Resource | undefined): string =>
  (resource?.meta?.lastUpdated ?? '').slice(0, 19).replace('T', ' ');

/** The lines around what differs; undefined where lines are left out. */
function nearChanges(pairs: readonly Pair[]): (Pair | undefined)[] {
  const out: (Pair | undefined)[] = [];
  pairs.forEach((pair, i) => {
    const near = pairs.slice(Math.max(i - CONTEXT, 0), i + CONTEXT + 1).some((p) => !p.same);
    if (near) out.push(pair);
    else if (out.length > 0 ? out.at(-1) !== undefined : true) out.push(undefined);
  });
  return out;
}
