import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../src/core/package-root.js';

/**
 * What each folder may import of ours besides itself. Lower folders never know who uses them; shells never import
 * each other; only `src/system.ts` wires, and only shells and the commands' own tests see it.
 */
const CORE = ['src/core'];
const FHIR = [...CORE, 'src/fhir'];
const STORE = [...FHIR, 'src/indexing', 'src/tenancy', 'src/store'];
const SEARCH = [...STORE, 'src/search'];
const RESULTS = [...SEARCH, 'src/timeline', 'src/cohort', 'src/export'];
const NLP_STAGES = [
  'nlp/1-segment',
  'nlp/2-mention',
  'nlp/3-assertion',
  'nlp/4-attribute',
  'nlp/5-code',
  'nlp/6-phi',
];
const NLP_BASE = ['nlp/model.ts', 'nlp/pipeline.ts', 'nlp/rules', 'nlp/models', 'nlp/package-root.ts'];
const NLP = [...NLP_BASE, ...NLP_STAGES, 'nlp/index.ts'];
const TASKS = [...RESULTS, ...NLP, 'nlp/terminology', 'src/ingest', 'src/mapping', 'src/jobs', 'src/tasks'];
const SHELL = [...TASKS, 'src/config.ts', 'src/system.ts'];

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'nlp/model.ts': [],
  'nlp/package-root.ts': [],
  'nlp/pipeline.ts': ['nlp/model.ts'],
  'nlp/rules': NLP_BASE,
  'nlp/models': NLP_BASE,
  // Compiled to WebAssembly apart from everything else.
  'nlp/kernel': [],
  ...Object.fromEntries(NLP_STAGES.map((stage, i) => [stage, [...NLP_BASE, ...NLP_STAGES.slice(0, i)]])),
  'nlp/index.ts': NLP,
  // Makes a lexicon of official release files; what reads notes knows only the lexicon.
  'nlp/terminology': [...NLP_BASE, 'nlp/2-mention'],
  // Made to train and to measure; the product imports neither.
  'nlp/train': [...NLP, 'nlp/eval'],
  'nlp/eval': [...NLP, 'nlp/train'],
  'src/core': [],
  'src/config.ts': CORE,
  'src/fhir': CORE,
  'src/ingest': FHIR,
  'src/mapping': [...FHIR, 'nlp/model.ts'],
  'src/indexing': FHIR,
  'src/tenancy': CORE,
  'src/store': STORE,
  'src/search': SEARCH,
  'src/timeline': [...SEARCH, 'src/timeline'],
  'src/cohort': [...SEARCH, 'src/cohort'],
  'src/export': [...SEARCH, 'src/cohort', 'src/export'],
  'src/jobs': TASKS.filter((room) => room !== 'src/tasks'),
  'src/tasks': TASKS,
  'src/http': SHELL,
  'src/cli': SHELL,
  'src/worker': SHELL,
  'src/web': SHELL,
  // The only wiring.
  'src/system.ts': [...SHELL, 'src/http', 'src/worker', 'src/web'],
};
const SHELLS = ['src/http', 'src/cli', 'src/worker', 'src/web'];

const root = packageRoot();

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Static imports, re-exports, and `import()` of a literal; comments do not count. */
const STATIC = /^\s*(import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?(['"])([^'"\n]+)\3/gm;
const DYNAMIC = /\bimport\(\s*(['"])([^'"\n]+)\1\s*\)/g;

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean) => {
    if (!specifier.startsWith('.')) return;
    const written = resolve(root, dirname(file), specifier);
    const target = written.replace(/\.js$/, existsSync(written.replace(/\.js$/, '.tsx')) ? '.tsx' : '.ts');
    found.push({ from: file, to: relative(root, target).split(sep).join('/'), typeOnly });
  };
  for (const match of text.matchAll(STATIC)) {
    const clause = match[0];
    // `import { type A, type B } from` brings in nothing at run time either, under verbatimModuleSyntax it stays
    // an import all the same and so counts as one.
    add(match[4]!, match[2] !== undefined || /^\s*import\s+type\b/.test(clause));
  }
  for (const match of text.matchAll(DYNAMIC)) add(match[2]!, false);
  return found;
}

function sourcesUnder(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (statSync(join(root, path)).isDirectory()) return sourcesUnder(path);
    return path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.endsWith('.d.ts') ? [path] : [];
  });
}

/** `src/fhir/paths.ts` → `src/fhir`; files right under `src` and `nlp` are rooms of their own. */
function roomOf(path: string): string {
  return path.split('/').slice(0, 2).join('/');
}

const sources = [...sourcesUnder('src'), ...sourcesUnder('nlp')];
const imports = sources.flatMap(importsOf);

test('the import reader finds imports', () => {
  expect(imports.length).toBeGreaterThan(100);
  expect(imports).toContainEqual({
    from: 'src/tenancy/catalog.ts',
    to: 'src/core/fault.ts',
    typeOnly: false,
  });
  expect(imports).toContainEqual({
    from: 'src/tenancy/catalog.ts',
    to: 'src/tenancy/tenant.ts',
    typeOnly: true,
  });
  expect(imports.some((i) => i.from === 'src/cli/shell.ts' && i.to === 'src/system.ts')).toBe(true);
});

test('every room is in the matrix', () => {
  const unknown = [...new Set(sources.map(roomOf))].filter((room) => !(room in MAY_IMPORT));
  expect(unknown).toEqual([]);
});

test('every import of ours points to a file that is there', () => {
  const known = new Set(sources);
  const missing = imports.filter((i) => i.to.endsWith('.ts') && !known.has(i.to));
  expect(missing.map((i) => `${i.from} → ${i.to}`)).toEqual([]);
});

test('rooms import only what stands below them', () => {
  const wrong = imports.filter((i) => {
    const [from, to] = [roomOf(i.from), roomOf(i.to)];
    return from !== to && !(MAY_IMPORT[from] ?? []).includes(to);
  });
  expect(wrong.map((i) => `${i.from} → ${i.to}`)).toEqual([]);
});

test('shells never import each other', () => {
  const wrong = imports.filter((i) => {
    const [from, to] = [roomOf(i.from), roomOf(i.to)];
    return SHELLS.includes(from) && SHELLS.includes(to) && from !== to;
  });
  expect(wrong.map((i) => `${i.from} → ${i.to}`)).toEqual([]);
});

test('no file imports itself, by whatever way round', () => {
  const graph = new Map<string, string[]>();
  for (const i of imports) if (!i.typeOnly) graph.set(i.from, [...(graph.get(i.from) ?? []), i.to]);
  expect(cycles(graph)).toEqual([]);
});

test('only src/config.ts reads the environment', () => {
  const readers = sources.filter((file) => /\bprocess\.env\b/.test(readFileSync(join(root, file), 'utf8')));
  expect(readers.filter((file) => file.startsWith('src/') && file !== 'src/config.ts')).toEqual([]);
});

test('the product imports neither training nor evaluation', () => {
  const wrong = imports.filter(
    (i) => /^nlp\/(train|eval)\//.test(i.to) && !/^nlp\/(train|eval)\//.test(i.from),
  );
  expect(wrong.map((i) => `${i.from} → ${i.to}`)).toEqual([]);
});

/** Each cycle once, as `a → b → a`. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const found: string[] = [];
  const visit = (file: string): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      found.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    state.set(file, 'done');
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

test('the cycle finder finds a cycle', () => {
  expect(
    cycles(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['a', 'd']],
      ]),
    ),
  ).toEqual(['a → b → c → a']);
});
