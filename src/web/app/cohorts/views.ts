import { type Resource, request } from '../api.js';

/** The tables that come with the server, by the id of their ViewDefinition. */
export const VIEWS: readonly (readonly [string, string])[] = [
  ['patient', 'Patients'],
  ['condition', 'Conditions'],
  ['medication-statement', 'Medications taken'],
  ['medication-request', 'Medications ordered'],
  ['procedure', 'Procedures'],
  ['observation', 'Results'],
  ['encounter', 'Encounters'],
  ['note', 'Notes'],
];

export interface Select {
  column?: { name: string; path: string; description?: string }[];
  select?: Select[];
  unionAll?: Select[];
  [more: string]: unknown;
}

export const readView = (id: string, signal: AbortSignal): Promise<Resource> =>
  request(`ViewDefinition/${id}`, { signal });

/** The names of a view's columns, in their order. */
export function columnsOf(view: Resource): string[] {
  // The parts of a union have the same columns: the first names them.
  const of = (select: Select): string[] => [
    ...(select.column ?? []).map((c) => c.name),
    ...(select.select ?? []).flatMap(of),
    ...(select.unionAll?.[0] ? of(select.unionAll[0]) : []),
  ];
  return ((view.select ?? []) as Select[]).flatMap(of);
}

/** The view with the wanted columns alone; what makes its rows stays as it is. */
export function withColumns(view: Resource, wanted: ReadonlySet<string>): Resource {
  const trim = (select: Select): Select => {
    const next: Select = { ...select };
    if (select.column) next.column = select.column.filter((c) => wanted.has(c.name));
    if (next.column?.length === 0) delete next.column;
    if (select.select) next.select = select.select.map(trim).filter(saysSomething);
    if (next.select?.length === 0) delete next.select;
    if (select.unionAll) next.unionAll = select.unionAll.map(trim);
    return next;
  };
  return { ...view, select: ((view.select ?? []) as Select[]).map(trim).filter(saysSomething) };
}

const saysSomething = (select: Select): boolean =>
  select.column !== undefined || select.select !== undefined || select.unionAll !== undefined;
