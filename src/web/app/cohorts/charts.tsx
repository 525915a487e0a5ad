import type { JSX } from 'preact';
import { counted } from '../ui/format.js';

/** Colours of up to four cohorts, by number. */
const colourOf = (i: number): string => `c${i % 4}`;

export interface BarRow {
  readonly label: string;
  /** Where it comes from, such as a code. */
  readonly note?: string;
  /** Patients, by cohort. */
  readonly counts: readonly number[];
}

/** Patients by cohort as bars in a table: what is drawn is also written. */
export function Bars({
  title,
  rows,
  names,
  sizes,
}: {
  title: string;
  rows: readonly BarRow[];
  names: readonly string[];
  sizes: readonly number[];
}): JSX.Element {
  const share = (n: number, i: number) => (sizes[i] ? n / sizes[i] : 0);
  const most = Math.max(...rows.flatMap((r) => r.counts.map(share)), 0.0001);
  return (
    <table class="bars">
      <caption>{title}</caption>
      <thead class="visually-hidden">
        <tr>
          <th scope="col">{title}</th>
          <th scope="col">Patients</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.label + row.note}>
            <th scope="row" title={row.note}>
              {row.label}
            </th>
            <td>
              {row.counts.map((n, i) => (
                <span key={names[i]} class="bar-row">
                  <span class="track">
                    <span
                      class={`share ${colourOf(i)}`}
                      style={{ width: `${Math.max((share(n, i) / most) * 100, n > 0 ? 1 : 0)}%` }}
                    />
                  </span>
                  <span class="figure">
                    <span class="visually-hidden">{names[i]}: </span>
                    {Math.round(share(n, i) * 100)} % <span class="quiet">({n.toLocaleString('en-US')})</span>
                  </span>
                </span>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Keys({ names, sizes }: { names: readonly string[]; sizes: readonly number[] }): JSX.Element {
  return (
    <ul class="keys">
      {names.map((name, i) => (
        <li key={name}>
          <span class={`swatch ${colourOf(i)}`} /> {name}{' '}
          <span class="quiet">{counted(sizes[i]!, 'patient')}</span>
        </li>
      ))}
    </ul>
  );
}

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly quarter: string; readonly median: number; readonly n: number }[];
}

const WIDTH = 640;
const HEIGHT = 230;
const LEFT = 44;
const BOTTOM = 26;

/** Medians by quarter of a year, with the figures as a table beside. */
export function Lines({
  title,
  unit,
  lines,
}: {
  title: string;
  unit: string;
  lines: readonly Line[];
}): JSX.Element {
  const quarters = lines.flatMap((l) => l.points.map((p) => numberOf(p.quarter)));
  const values = lines.flatMap((l) => l.points.map((p) => p.median));
  const [from, to] = [Math.min(...quarters), Math.max(...quarters)];
  const [low, high] = niceRange(Math.min(...values), Math.max(...values));
  const x = (q: number) => LEFT + ((q - from) / Math.max(to - from, 1)) * (WIDTH - LEFT - 12);
  const y = (v: number) => HEIGHT - BOTTOM - ((v - low) / (high - low)) * (HEIGHT - BOTTOM - 10);
  const years = yearsBetween(from, to);
  return (
    <figure class="lines">
      <figcaption>
        {title} <span class="quiet">median by quarter, {unit}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}, ${unit}; the table holds the figures`}
      >
        {[0, 0.25, 0.5, 0.75, 1].map((share) => {
          const v = low + (high - low) * share;
          return (
            <g key={share}>
              <line class="grid" x1={LEFT} x2={WIDTH - 12} y1={y(v)} y2={y(v)} />
              <text x={LEFT - 6} y={y(v) + 4} text-anchor="end">
                {Math.round(v * 100) / 100}
              </text>
            </g>
          );
        })}
        {years.map((year) => (
          <text key={year} x={x(year * 4)} y={HEIGHT - 6}>
            {year}
          </text>
        ))}
        {/* The first, which is asked about, lies on top. */}
        {[...lines.entries()].reverse().map(([i, line]) => (
          <g key={line.name} class={colourOf(i)}>
            <polyline points={line.points.map((p) => `${x(numberOf(p.quarter))},${y(p.median)}`).join(' ')} />
            {line.points.map((p) => (
              <circle key={p.quarter} cx={x(numberOf(p.quarter))} cy={y(p.median)} r={3.5}>
                <title>{`${line.name}, ${p.quarter}: ${p.median} ${unit} (${p.n} values)`}</title>
              </circle>
            ))}
          </g>
        ))}
      </svg>
      <details>
        <summary>As a table</summary>
        <table class="figures">
          <thead>
            <tr>
              <th scope="col">Quarter</th>
              {lines.map((l) => (
                <th key={l.name} scope="col">
                  {l.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...new Set(lines.flatMap((l) => l.points.map((p) => p.quarter)))].sort().map((quarter) => (
              <tr key={quarter}>
                <th scope="row">{quarter}</th>
                {lines.map((l) => {
                  const point = l.points.find((p) => p.quarter === quarter);
                  return <td key={l.name}>{point ? `${point.median} (${point.n})` : ''}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

/** `2020-Q3` as quarters since year 0. */
function numberOf(quarter: string): number {
  return Number(quarter.slice(0, 4)) * 4 + Number(quarter.slice(-1)) - 1;
}

function niceRange(low: number, high: number): [number, number] {
  const step = 10 ** Math.floor(Math.log10(Math.max(high - low, Math.abs(high) / 10, 0.01)));
  const bottom = Math.floor(low / step) * step;
  const top = Math.ceil(high / step) * step;
  return [bottom, top > bottom ? top : bottom + step];
}

function yearsBetween(from: number, to: number): number[] {
  const first = Math.ceil(from / 4);
  const last = Math.floor(to / 4);
  const step = Math.max(Math.ceil((last - first + 1) / 10), 1);
  const years: number[] = [];
  for (let year = first; year <= last; year += step) years.push(year);
  return years;
}
