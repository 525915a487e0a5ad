/**
 * Makes the compact tables under `src/fhir/tables/` from the official R4 package `hl7.fhir.r4.examples` 4.0.1 (CC0).
 * The package is 190 MB, so it is no dependency: this script fetches it once into `.cache/` with `npm pack`, and the
 * project ships what the script makes.
 *
 *   node src/fhir/generate-tables.mjs
 *
 * Running it again on the same package gives the same bytes. Numbers of resource types are never changed: a new type
 * is appended to `resource-types.json`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = 'hl7.fhir.r4.examples';
const VERSION = '4.0.1';
const here = dirname(fileURLToPath(import.meta.url));
const cache = join(here, '..', '..', '.cache');
const folder = join(cache, `${PACKAGE}-${VERSION}`, 'package');
const tables = join(here, 'tables');

/** Types of our own, appended after R4's: never renumber. */
const APPENDED_TYPES = ['ViewDefinition'];

/** A definition that lists this many targets means any resource. */
const ANY_TARGETS = 140;

/** Instances of SearchParameter that the package ships as examples of the resource, not as definitions. */
const NO_DEFINITION = /^SearchParameter-example/;

/**
 * Invariants that are left out of the table: what the check of the form or `src/fhir/validate` does itself, and four on
 * definitions that need regular expressions of FHIR's.
 */
const BY_HAND = new Set(['ele-1', 'dom-3', 'ref-1', 'txt-1', 'txt-2']);
const NEEDS_PATTERNS = new Set(['eld-16', 'eld-19', 'sdf-19', 'sdf-8a']);

/** HL7's own code systems, without those that stand in the package as examples of what others own. */
const OWN_SYSTEM = /^http:\/\/(hl7\.org\/fhir|terminology\.hl7\.org\/CodeSystem)\/(?!.*\bex(ample\b|-))/;
/** HL7's own value sets, likewise. */
const OWN_SET = /^http:\/\/(hl7\.org\/fhir|terminology\.hl7\.org)\/ValueSet\/(?!.*\bex(ample\b|-))/;
/** Systems that are not HL7's whose codes a value set of R4's lists one by one; the codes alone are taken. */
const LISTED_SYSTEMS = new Set(['http://loinc.org', 'http://unitsofmeasure.org', 'urn:ietf:bcp:47']);
/** The codes of `compose.filter` that a hierarchy answers. */
const BY_HIERARCHY = new Set(['concept', 'code']);
/** Words of a note on what a code system took from others' standards: left out. */
const OTHERS = /DICOM|SNOMED|LOINC|IHE|AHA|ASTM|ISO /;

fetchPackage();
mkdirSync(tables, { recursive: true });
const definitions = readDefinitions();
const types = writeResourceTypes();
writeElements();
writeCodes();
writeCodeSystems();
writeValueSets();
writeInvariants();
writeSearchParameters();
writeCompartments();

function fetchPackage() {
  if (existsSync(join(folder, 'package.json'))) return;
  mkdirSync(dirname(folder), { recursive: true });
  const tarball = join(cache, `${PACKAGE}-${VERSION}.tgz`);
  if (!existsSync(tarball)) {
    execFileSync('npm', ['pack', `${PACKAGE}@${VERSION}`, '--silent'], { cwd: cache, stdio: 'inherit' });
  }
  execFileSync('tar', ['xzf', tarball, '-C', dirname(folder)], { stdio: 'inherit' });
}

function read(file) {
  return JSON.parse(readFileSync(join(folder, file), 'utf8'));
}

/** The definitions of R4's own types: abstract ones, resources, data types and primitives. Not profiles. */
function readDefinitions() {
  const out = new Map();
  for (const file of readdirSync(folder).sort()) {
    if (!file.startsWith('StructureDefinition-')) continue;
    const d = read(file);
    if (!d.url?.startsWith('http://hl7.org/fhir/StructureDefinition/')) continue;
    const own = d.derivation === 'specialization' || (d.abstract && !d.derivation);
    if (own && d.kind !== 'logical' && d.type === d.id) out.set(d.type, d);
  }
  return out;
}

function writeResourceTypes() {
  const names = [...definitions.values()]
    .filter((d) => d.kind === 'resource' && !d.abstract)
    .map((d) => d.type);
  names.sort();
  const all = [...names, ...APPENDED_TYPES];
  save('resource-types.json', all, 0);
  return new Set(all);
}

/**
 * One entry per type and per backbone element (named by its path):
 *   {"Observation": {"base": "DomainResource", "elements": [["status", "1..1", "code", "r:<valueset>", "sm"], …]}}
 * Type is a name, `Reference(A|B)`, `canonical(A|B)`, the path of a backbone element, or several joined by a space
 * (then the element is a choice and its JSON name carries the type). Flags: s in the summary, m modifier,
 * o order matters not kept. Inherited elements are left to the base.
 */
function writeElements() {
  const out = {};
  for (const d of [...definitions.values()].sort((a, b) => (a.type < b.type ? -1 : 1))) {
    if (d.kind === 'primitive-type') continue;
    const rows = new Map([[d.type, []]]);
    const bases = new Map([[d.type, d.baseDefinition?.split('/').pop()]]);
    for (const e of d.snapshot.element) {
      if (!e.path.includes('.')) continue;
      const parent = e.path.slice(0, e.path.lastIndexOf('.'));
      const name = e.path.slice(parent.length + 1);
      if (e.base && !e.base.path.startsWith(`${d.type}.`)) continue;
      if (!rows.has(parent)) throw new Error(`no parent for ${e.path}`);
      const nested =
        e.type?.length === 1 &&
        ['BackboneElement', 'Element'].includes(e.type[0].code) &&
        hasChildren(d, e.path);
      if (nested) {
        rows.set(e.path, []);
        bases.set(e.path, e.type[0].code);
      }
      const row = [
        name.replace('[x]', ''),
        `${e.min}..${e.max}`,
        nested ? e.path : typeText(e),
        bindingText(e),
        flagText(e),
      ];
      if (name.endsWith('[x]') && !row[2].includes(' ')) row[2] = ` ${row[2]}`;
      while (row.at(-1) === '') row.pop();
      rows.get(parent).push(row);
    }
    for (const [path, elements] of rows) out[path] = { base: bases.get(path), elements };
  }
  const text = Object.entries(out)
    .map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`)
    .join(',\n');
  writeFileSync(join(tables, 'elements.json'), `{\n${text}\n}\n`);
}

function hasChildren(d, path) {
  return d.snapshot.element.some(
    (e) => e.path.startsWith(`${path}.`) && (!e.base || e.base.path.startsWith(`${d.type}.`)),
  );
}

function typeText(e) {
  // The package says string here; the specification says id.
  if (e.path === 'Resource.id') return 'id';
  if (e.contentReference) return e.contentReference.slice(1);
  return e.type
    .map((t) => {
      // Element.id and the like are written as FHIRPath system types; the FHIR type stands in an extension.
      const code = t.code.startsWith('http://hl7.org/fhirpath/System.')
        ? (t.extension?.find((x) => x.url.endsWith('structuredefinition-fhir-type'))?.valueUrl ?? 'string')
        : t.code;
      const targets = (t.targetProfile ?? []).map((p) => p.split('/').pop()).filter((p) => p !== 'Resource');
      return targets.length > 0 && (code === 'Reference' || code === 'canonical')
        ? `${code}(${targets.join('|')})`
        : code;
    })
    .join(' ');
}

function bindingText(e) {
  const b = e.binding;
  if (!b?.valueSet || !['required', 'extensible'].includes(b.strength)) return '';
  return `${b.strength[0]}:${b.valueSet.split('|')[0].replace('http://hl7.org/fhir/ValueSet/', '')}`;
}

function flagText(e) {
  return (e.isSummary ? 's' : '') + (e.isModifier ? 'm' : '');
}

/**
 * {"administrative-gender": {"http://hl7.org/fhir/administrative-gender": ["male", …]}}: the codes of each value set that
 * an element is bound to as `required`, by system. 0 for a system whose codes the package does not list (currencies,
 * UCUM, media types), and for sets made by a filter.
 */
function writeCodes() {
  const valueSets = new Map();
  const codeSystems = new Map();
  for (const file of readdirSync(folder).sort()) {
    if (file.startsWith('ValueSet-')) valueSets.set(read(file).url, read(file));
    if (file.startsWith('CodeSystem-')) codeSystems.set(read(file).url, read(file));
  }
  const out = {};
  for (const d of definitions.values()) {
    for (const e of d.snapshot?.element ?? []) {
      if (e.binding?.strength !== 'required' || !e.binding.valueSet) continue;
      const url = e.binding.valueSet.split('|')[0];
      const name = bindingText(e).slice(2);
      // Two sets are named like their code system and left out of the package.
      if (!valueSets.has(url) && !url.startsWith('http://hl7.org/fhir/')) continue;
      const set = valueSets.get(url) ?? { compose: { include: [{ system: `http://hl7.org/fhir/${name}` }] } };
      out[name] ??= Object.fromEntries(expand(set, valueSets, codeSystems));
    }
  }
  const filled = Object.entries(out).filter(([, systems]) => Object.keys(systems).length > 0);
  save('codes.json', Object.fromEntries(filled.sort(([a], [b]) => compare(a, b))), 0);
}

/**
 * [["http://hl7.org/fhir/administrative-gender", "AdministrativeGender", "4.0.1", "", [["male", "Male"], …]], …]: the code
 * systems that the package lists completely. Flags: `i` where case does not count; a concept's third item is what is nested
 * under it, its fourth the further codes that lie under it (v3's property `child`).
 */
function writeCodeSystems() {
  const out = [];
  for (const file of readdirSync(folder).filter((name) => name.startsWith('CodeSystem-'))) {
    const { url = '', name, version, content, copyright = '', caseSensitive, concept } = read(file);
    if (content !== 'complete' || !concept || !OWN_SYSTEM.test(url) || OTHERS.test(copyright)) continue;
    out.push([url, name, version, caseSensitive === false ? 'i' : '', compactConcepts(concept)]);
  }
  save(
    'code-systems.json',
    out.sort((a, b) => compare(a[0], b[0])),
    1,
  );
}

/**
 * [["http://hl7.org/fhir/ValueSet/marital-status", "MaritalStatusCodes", "4.0.1", [[system, codes, filters, sets], …], […]], …]:
 * the value sets of which every code is known by the tables here, with what they include and exclude. A code is a string,
 * or [code, display] where the set has a display of its own.
 */
function writeValueSets() {
  const sets = new Map();
  const systems = new Set(
    JSON.parse(readFileSync(join(tables, 'code-systems.json'), 'utf8')).map(([url]) => url),
  );
  for (const file of readdirSync(folder).filter((name) => name.startsWith('ValueSet-'))) {
    const set = read(file);
    if (OWN_SET.test(set.url)) sets.set(set.url, set);
  }
  const known = (set, depth = 0) =>
    set?.compose !== undefined &&
    depth < 8 &&
    [...set.compose.include, ...(set.compose.exclude ?? [])].every(
      ({ system, concept, filter = [], valueSet = [] }) =>
        (system === undefined ||
          systems.has(system) ||
          (concept !== undefined && LISTED_SYSTEMS.has(system))) &&
        filter.every((f) => BY_HIERARCHY.has(f.property)) &&
        valueSet.every((url) => known(sets.get(url.split('|')[0]), depth + 1)),
    );
  const compact = ({ system, concept, filter, valueSet }) => {
    const plain = LISTED_SYSTEMS.has(system);
    const row = [
      system ?? 0,
      concept?.map(({ code, display }) => (display === undefined || plain ? code : [code, display])) ?? 0,
      filter?.map((f) => [f.property, f.op, f.value]) ?? 0,
      valueSet ?? 0,
    ];
    while (row.at(-1) === 0) row.pop();
    return row;
  };
  const out = [...sets.values()]
    .filter((set) => known(set))
    .map(({ url, name, version, compose: { include, exclude } }) => {
      const row = [url, name, version, include.map(compact)];
      return exclude ? [...row, exclude.map(compact)] : row;
    });
  save(
    'value-sets.json',
    out.sort((a, b) => compare(a[0], b[0])),
    1,
  );
}

function compactConcepts(concepts) {
  return concepts.map(({ code, display, concept, property = [] }) => {
    const further = property.filter((p) => p.code === 'child').map((p) => p.valueCode);
    const nested = concept ? compactConcepts(concept) : undefined;
    const row = [code, display ?? 0, nested ?? 0, further.length > 0 ? further : 0];
    while (row.at(-1) === 0) row.pop();
    return row;
  });
}

function expand(set, valueSets, codeSystems) {
  const out = new Map();
  const add = (system, codes) =>
    out.set(system, codes === 0 || out.get(system) === 0 ? 0 : [...(out.get(system) ?? []), ...codes]);
  for (const include of set.compose?.include ?? []) {
    for (const url of include.valueSet ?? []) {
      for (const [system, codes] of expand(valueSets.get(url.split('|')[0]) ?? {}, valueSets, codeSystems))
        add(system, codes);
    }
    if (!include.system) continue;
    const system = codeSystems.get(include.system);
    if (include.concept)
      add(
        include.system,
        include.concept.map((c) => c.code),
      );
    else if (include.filter || system?.content !== 'complete' || !system.concept) add(include.system, 0);
    else add(include.system, allCodes(system.concept));
  }
  for (const exclude of set.compose?.exclude ?? []) {
    const gone = new Set((exclude.concept ?? []).map((c) => c.code));
    const codes = out.get(exclude.system);
    if (codes)
      out.set(
        exclude.system,
        codes.filter((c) => !gone.has(c)),
      );
  }
  return out;
}

function allCodes(concepts) {
  return concepts.flatMap((c) => [c.code, ...allCodes(c.concept ?? [])]);
}

/** {"Patient.contact": [["pat-1", "name.exists() or …", "SHALL at least contain …"]]}, errors only, by type or path. */
function writeInvariants() {
  const out = {};
  for (const d of [...definitions.values()].sort((a, b) => compare(a.type, b.type))) {
    const inherited = new Set();
    const base = definitions.get(d.baseDefinition?.split('/').pop());
    for (const c of base?.snapshot.element[0].constraint ?? []) inherited.add(c.key);
    for (const e of d.snapshot?.element ?? []) {
      if (e.path.includes('.') && e.base && !e.base.path.startsWith(`${d.type}.`)) continue;
      for (const c of e.constraint ?? []) {
        if (c.severity !== 'error' || !c.expression || BY_HAND.has(c.key) || NEEDS_PATTERNS.has(c.key))
          continue;
        if (inherited.has(c.key) || (e.path.includes('.') && ['ext-1'].includes(c.key))) continue;
        out[e.path] ??= [];
        out[e.path].push([c.key, c.expression, c.human]);
      }
    }
  }
  const lines = Object.entries(out).map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`);
  writeFileSync(join(tables, 'invariants.json'), `{\n${lines.join(',\n')}\n}\n`);
}

/** Rows [code, base, type, url, expression, targets, components, aliasOf, unionOf], one per base of each definition. */
function writeSearchParameters() {
  const rows = [];
  const codeOf = new Map();
  const left = [];
  const all = [];
  for (const file of readdirSync(folder).sort()) {
    if (!file.startsWith('SearchParameter-') || NO_DEFINITION.test(file)) continue;
    const p = read(file);
    // Ten definitions of the package name no base, and two no expression: nothing could be indexed for them.
    if (!p.base || (!p.expression && !p.code.startsWith('_'))) {
      left.push(p.id);
      continue;
    }
    all.push(p);
    codeOf.set(p.url, p.code);
  }
  for (const p of all) {
    // One definition (InsurancePlan-name) leaves the type out of its paths.
    const branches = (p.expression ? splitUnion(p.expression) : []).map((b) =>
      p.base.length === 1 && /^[a-z]/.test(b) ? `${p.base[0]}.${b}` : b,
    );
    for (const base of p.base) {
      const mine = branches.filter((b) => headOf(b) === base);
      if (p.expression && mine.length === 0) throw new Error(`${p.id}: no branch for ${base}`);
      const components = p.component?.map((c) => [codeOf.get(c.definition) ?? lost(p, c), c.expression]);
      const targets = targetsOf(p, mine);
      rows.push([
        p.code,
        base,
        p.type,
        p.url.replace('http://hl7.org/fhir/SearchParameter/', ''),
        mine.join(' | '),
        targets,
        components,
      ]);
    }
    const stray = branches.filter((b) => !p.base.includes(headOf(b)));
    if (stray.length > 0) throw new Error(`${p.id}: branches without base: ${stray.join(' | ')}`);
  }
  rows.sort((a, b) => compare(a[1], b[1]) || compare(a[0], b[0]));
  for (const row of rows) {
    const alias = aliasOf(row, rows);
    if (alias) row[7] = alias;
    const union = unionOf(row, rows);
    if (union) row[8] = union;
  }
  save(
    'search-parameters.json',
    rows.map((r) => Array.from(r, (v) => v ?? 0)),
    1,
  );
  console.log(
    `search parameters: ${rows.length} rows; left out (no base or no expression): ${left.join(', ')}`,
  );
}

/** Empty means any type. A path narrowed by `resolve() is X` reaches X only, whatever the definition lists. */
function targetsOf(p, branches) {
  const narrowed = branches.map((b) => /\.where\(resolve\(\) is ([A-Za-z]+)\)$/.exec(b)?.[1]);
  if (narrowed.length > 0 && narrowed.every(Boolean)) return [...new Set(narrowed)];
  const targets = (p.target ?? []).filter((t) => types.has(t));
  return targets.length >= ANY_TARGETS ? [] : targets;
}

function lost(p, c) {
  throw new Error(`${p.id}: component ${c.definition} is not defined`);
}

/** Splits at `|` outside parentheses and quotes. */
function splitUnion(expression) {
  const parts = [];
  let depth = 0;
  let quoted = false;
  let start = 0;
  for (let i = 0; i < expression.length; i++) {
    const c = expression[i];
    if (c === "'") quoted = !quoted;
    if (quoted) continue;
    if (c === '(') depth++;
    if (c === ')') depth--;
    if (c === '|' && depth === 0) {
      parts.push(expression.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(expression.slice(start).trim());
  return parts;
}

function headOf(branch) {
  return /^\(*([A-Za-z]+)/.exec(branch)[1];
}

/**
 * A reference parameter that is another one of the same base narrowed to one type, or the very same expression:
 * the other's code. The wider of the two keeps the rows.
 */
function aliasOf([code, base, type, , expression, targets], rows) {
  if (type !== 'reference' || !expression) return undefined;
  const narrowed = /^(.*)\.where\(resolve\(\) is [A-Za-z]+\)$/.exec(expression);
  const wide = narrowed ? narrowed[1] : expression;
  const others = rows.filter((r) => r[1] === base && r[2] === 'reference' && r[0] !== code && r[4] === wide);
  if (others.length === 0) return undefined;
  if (narrowed) return others[0][0];
  // Equal expressions: the alphabetically last code keeps the rows (`subject` over `patient`), if it is as wide.
  const keeper = others
    .map((r) => r[0])
    .sort()
    .at(-1);
  const keeperTargets = others.find((r) => r[0] === keeper)[5];
  const covers = keeperTargets.length === 0 || targets.every((t) => keeperTargets.includes(t));
  return keeper > code && covers ? keeper : undefined;
}

/**
 * A parameter whose branches are exactly those of others of its base and type together (Observation.combo-code is code
 * and component-code): their codes. It needs no rows of its own.
 */
function unionOf([code, base, type, , expression, , components], rows) {
  const branches = splitUnion(expression);
  if (branches.length < 2) return undefined;
  const left = new Set(branches);
  const used = [];
  const parts = (r) => JSON.stringify(r[6]?.map((c) => c[1]));
  const candidates = rows.filter(
    (r) =>
      r[1] === base &&
      r[2] === type &&
      r[0] !== code &&
      parts(r) === JSON.stringify(components?.map((c) => c[1])),
  );
  for (const r of candidates) {
    const theirs = splitUnion(r[4]);
    if (theirs.length >= branches.length || !theirs.every((b) => left.has(b))) continue;
    used.push(r[0]);
    for (const b of theirs) left.delete(b);
  }
  return left.size === 0 ? used : undefined;
}

function writeCompartments() {
  const out = {};
  for (const file of readdirSync(folder).sort()) {
    if (!/^CompartmentDefinition-(?!example)/.test(file)) continue;
    const c = read(file);
    out[c.code] = Object.fromEntries(
      c.resource.filter((r) => r.param?.length > 0).map((r) => [r.code, r.param]),
    );
  }
  save('compartments.json', out, 0);
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Compact JSON; with `perLine` one row of an array a line, so that a change can be read in a diff. */
function save(name, value, perLine) {
  const text = perLine
    ? `[\n${value.map((v) => JSON.stringify(v)).join(',\n')}\n]\n`
    : `${JSON.stringify(value)}\n`;
  writeFileSync(join(tables, name), text);
}
