import type { JSX } from 'preact';
import { Show, useLoad } from '../load.js';
import { download, type ExportFile, fetchFile } from './export-api.js';

interface Column {
  readonly name: string;
  readonly type: string;
  readonly filled: number;
  readonly distinct: number;
  readonly min?: string | number;
  readonly max?: string | number;
  readonly top?: readonly { readonly value: string; readonly count: number }[];
}
interface TypeQuality {
  readonly type: string;
  readonly rows: number;
  readonly duplicates: number;
  readonly dates: {
    readonly beforeBirth: number;
    readonly afterDeath: number;
    readonly future: number;
    /** Not given for types that are of no event. */
    readonly undated?: number;
  };
  readonly columns: readonly Column[];
}

/** The quality report of an export: what is empty, doubled or cannot be, and how full each column is. */
export function Quality({ reports }: { reports: readonly ExportFile[] }): JSX.Element {
  const json = reports.find((r) => r.name === 'quality.json');
  const found = useLoad(json?.path ?? '', async (signal) =>
    json ? ((await (await fetchFile(json.path, signal)).json()) as { types: TypeQuality[] }) : { types: [] },
  );
  return (
    <section class="quality">
      <h3>Quality report</h3>
      <p class="group">
        {reports.map((report) => (
          <button key={report.path} type="button" onClick={() => download(report)}>
            {report.name}
          </button>
        ))}
      </p>
      <Show of={found}>
        {({ types }) => (
          <>
            <div
              class="scroll"
              // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
              tabIndex={0}
            >
              <table class="figures">
                <thead>
                  <tr>
                    {[
                      'Type',
                      'Rows',
                      'Copies',
                      'Undated',
                      'Before birth',
                      'After death',
                      'In the future',
                    ].map((name) => (
                      <th key={name} scope="col">
                        {name}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {types.map((t) => (
                    <tr key={t.type}>
                      <th scope="row">{t.type}</th>
                      <td>{t.rows.toLocaleString('en-US')}</td>
                      <Count of={t.duplicates} />
                      <td>{t.dates.undated?.toLocaleString('en-US') ?? '–'}</td>
                      <Count of={t.dates.beforeBirth} />
                      <Count of={t.dates.afterDeath} />
                      <Count of={t.dates.future} />
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            {types.map((t) => (
              <details key={t.type}>
                <summary>{t.type}: its columns</summary>
                <Columns of={t} />
              </details>
            ))}
          </>
        )}
      </Show>
    </section>
  );
}

/** A number that should be none. */
function Count({ of }: { of: number }) {
  return <td class={of > 0 ? 'no' : undefined}>{of.toLocaleString('en-US')}</td>;
}

function Columns({ of }: { of: TypeQuality }): JSX.Element {
  return (
    <div
      class="scroll"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
      tabIndex={0}
    >
      <table class="figures">
        <thead>
          <tr>
            <th scope="col">Column</th>
            <th scope="col">Filled</th>
            <th scope="col">Values</th>
            <th scope="col">From, to, or most frequent</th>
          </tr>
        </thead>
        <tbody>
          {of.columns
            .filter((c) => c.filled > 0)
            .map((c) => (
              <tr key={c.name}>
                <th scope="row">{c.name}</th>
                <td>
                  <meter min={0} max={of.rows || 1} value={c.filled} aria-label={`${c.name} filled`} />{' '}
                  {Math.round((c.filled / (of.rows || 1)) * 100)} %
                </td>
                <td>{c.distinct.toLocaleString('en-US')}</td>
                <td>
                  {c.min !== undefined
                    ? `${c.min} – ${c.max}`
                    : (c.top ?? [])
                        .slice(0, 3)
                        .map((v) => `${v.value} (${v.count})`)
                        .join(', ')}
                </td>
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  );
}
