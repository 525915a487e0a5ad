import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Resource } from '../api.js';
import { Show, useLoad } from '../load.js';
import { counted } from '../ui/format.js';
import { download, type Export, type ExportFile, runExport } from './export-api.js';
import { Quality } from './quality.js';
import { columnsOf, readView, VIEWS, withColumns } from './views.js';

const FORMATS: readonly (readonly [string, string])[] = [
  ['fhir', 'FHIR resources (NDJSON)'],
  ['csv', 'Tables (CSV)'],
  ['parquet', 'Tables (Parquet)'],
  ['ndjson', 'Tables (NDJSON)'],
];

/** A cohort's records as files: resources, or tables with the columns that are wanted. */
export function ExportPanel({ group }: { group: Resource }): JSX.Element {
  const [format, setFormat] = useState('fhir');
  const [deidentify, setDeidentify] = useState(false);
  const [report, setReport] = useState(true);
  const [tables, setTables] = useState<readonly string[]>(['patient', 'condition']);
  const [dropped, setDropped] = useState<ReadonlyMap<string, ReadonlySet<string>>>(new Map());
  const [progress, setProgress] = useState<string>();
  const [problem, setProblem] = useState('');
  const [done, setDone] = useState<Export>();
  const stop = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => stop.current?.abort(), []);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    stop.current?.abort();
    stop.current = new AbortController();
    const { signal } = stop.current;
    setProblem('');
    setDone(undefined);
    setProgress('asked for');
    try {
      const asked = [
        ...(deidentify ? [{ name: '_deidentify', valueBoolean: true }] : []),
        ...(report ? [{ name: '_qualityReport', valueBoolean: true }] : []),
      ];
      const parameters =
        format === 'fhir'
          ? asked
          : [
              ...asked,
              { name: '_format', valueCode: format },
              { name: 'group', valueReference: { reference: `Group/${group.id}` } },
              ...(await Promise.all(tables.map((id) => viewParameter(id, dropped.get(id), signal)))),
            ];
      const path = format === 'fhir' ? `Group/${group.id}/$export` : '$viewdefinition-export';
      setDone(await runExport(path, parameters, signal, setProgress));
    } catch (error) {
      if (!signal.aborted) setProblem((error as Error).message);
    } finally {
      if (!signal.aborted) setProgress(undefined);
    }
  };
  return (
    <form class="export" onSubmit={submit}>
      <div class="tools">
        <label>
          Format{' '}
          <select value={format} onChange={(e) => setFormat(e.currentTarget.value)}>
            {FORMATS.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={deidentify}
            onChange={(e) => setDeidentify(e.currentTarget.checked)}
          />
          take out what says who
        </label>
        <label class="check">
          <input type="checkbox" checked={report} onChange={(e) => setReport(e.currentTarget.checked)} />
          quality report
        </label>
      </div>
      {format !== 'fhir' && (
        <ul class="tables">
          {VIEWS.map(([id, name]) => (
            <li key={id}>
              <TableField
                id={id}
                name={name}
                wanted={tables.includes(id)}
                dropped={dropped.get(id) ?? new Set()}
                onWanted={(wanted) => setTables(wanted ? [...tables, id] : tables.filter((t) => t !== id))}
                onDropped={(columns) => setDropped(new Map(dropped).set(id, columns))}
              />
            </li>
          ))}
        </ul>
      )}
      <p class="group">
        <button type="submit" disabled={progress !== undefined || (format !== 'fhir' && tables.length === 0)}>
          Export
        </button>
        {progress !== undefined && (
          <span role="status" class="quiet">
            {progress}…
          </span>
        )}
      </p>
      {problem && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
      {done && <Files of={done} onProblem={setProblem} />}
    </form>
  );
}

async function viewParameter(
  id: string,
  dropped: ReadonlySet<string> | undefined,
  signal: AbortSignal,
): Promise<object> {
  if (!dropped || dropped.size === 0)
    return {
      name: 'view',
      part: [
        { name: 'name', valueString: id },
        { name: 'viewReference', valueString: id },
      ],
    };
  const view = await readView(id, signal);
  const wanted = new Set(columnsOf(view).filter((name) => !dropped.has(name)));
  return {
    name: 'view',
    part: [
      { name: 'name', valueString: id },
      { name: 'viewResource', resource: withColumns(view, wanted) },
    ],
  };
}

function TableField({
  id,
  name,
  wanted,
  dropped,
  onWanted,
  onDropped,
}: {
  id: string;
  name: string;
  wanted: boolean;
  dropped: ReadonlySet<string>;
  onWanted: (wanted: boolean) => void;
  onDropped: (columns: ReadonlySet<string>) => void;
}): JSX.Element {
  return (
    <>
      <label class="check">
        <input type="checkbox" checked={wanted} onChange={(e) => onWanted(e.currentTarget.checked)} />
        {name}
      </label>
      {wanted && (
        <details>
          <summary>Columns{dropped.size > 0 && ` (${dropped.size} left out)`}</summary>
          <Columns id={id} dropped={dropped} onDropped={onDropped} />
        </details>
      )}
    </>
  );
}

function Columns({
  id,
  dropped,
  onDropped,
}: {
  id: string;
  dropped: ReadonlySet<string>;
  onDropped: (columns: ReadonlySet<string>) => void;
}): JSX.Element {
  const view = useLoad(id, (signal) => readView(id, signal));
  return (
    <Show of={view}>
      {(v) => {
        const columns = columnsOf(v);
        return (
          <div class="column-list">
            {columns.map((column) => (
              <label key={column} class="check">
                <input
                  type="checkbox"
                  checked={!dropped.has(column)}
                  // A table has a column at least.
                  disabled={!dropped.has(column) && dropped.size === columns.length - 1}
                  onChange={(e) => {
                    const next = new Set(dropped);
                    if (e.currentTarget.checked) next.delete(column);
                    else next.add(column);
                    onDropped(next);
                  }}
                />
                {column}
              </label>
            ))}
          </div>
        );
      }}
    </Show>
  );
}

function Files({ of, onProblem }: { of: Export; onProblem: (problem: string) => void }): JSX.Element {
  const take = (file: ExportFile) => download(file).catch((error) => onProblem((error as Error).message));
  return (
    <>
      <h3>Files</h3>
      {of.files.length === 0 && <p class="empty">There was nothing to export.</p>}
      <ul class="files">
        {of.files.map((file) => (
          <li key={file.path}>
            <button type="button" onClick={() => take(file)}>
              {file.name}
            </button>{' '}
            <span class="quiet">{file.count !== undefined && counted(file.count, 'row')}</span>
          </li>
        ))}
      </ul>
      {of.reports.length > 0 && <Quality reports={of.reports} />}
    </>
  );
}
