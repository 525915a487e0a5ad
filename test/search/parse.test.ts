import { describe, expect, test } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import { parseSearch } from '../../src/search/parse-search.js';
import { queryString, splitUnescaped, unescapeText } from '../../src/search/syntax.js';
import { printTree } from '../../src/search/tree.js';

const BASE = 'http://cenote.test/fhir/t';

function parse(path: string, strict = true) {
  const [type, query = ''] = path.split('?');
  return parseSearch({
    type: type || undefined,
    params: [...new URLSearchParams(query)],
    strict,
    base: BASE,
  });
}

function treeOf(path: string): string {
  const parsed = parse(path);
  return printTree(parsed.trees.get(parsed.types[0]!)!);
}

// R4 search.html; each row: what is asked, how it is understood.
const TREES: [string, string][] = [
  ['Patient', 'everything'],
  ['Patient?name=', 'everything'],
  ['Patient?name=smith', 'name=smith'],
  ['Patient?name=smith,jones', 'name=smith,jones'],
  ['Patient?name=smith&birthdate=ge1960-01-01', '(and name=smith birthdate=ge1960-01-01)'],
  ['Patient?name:exact=Smith', 'name:exact=Smith'],
  ['Patient?name=a\\,b,c', 'name=a,b,c'],
  ['Patient?_id=a,b,a', '_id=a,b'],
  ['Patient?_id:not=a', '(not _id=a)'],
  ['Patient?_id:missing=true', 'nothing'],
  ['Patient?_lastUpdated:missing=false', 'everything'],
  ['Patient?_lastUpdated=gt2020-01-01', '_lastUpdated=gt2020-01-01'],
  ['Observation?subject:Patient=1', 'subject=Patient/1'],
  ['Observation?subject:Patient.name=x', '(subject -> Patient name=x)'],
  ['Observation?patient.name=x', '(patient -> Patient name=x)'],
  ['Observation?subject.birthdate=1960', '(subject -> Patient birthdate=1960)'],
  [
    'Observation?patient.general-practitioner:Practitioner.family=x',
    '(patient -> Patient (general-practitioner -> Practitioner family=x))',
  ],
  [
    'Observation?encounter.service-provider.name=x',
    '(encounter -> Encounter (service-provider -> Organization name=x))',
  ],
  ['Patient?_has:Observation:patient:code=1234-5', '(Observation.patient <- code=1234-5)'],
  [
    'Patient?_has:Observation:patient:_has:DiagnosticReport:result:status=final',
    '(Observation.patient <- (DiagnosticReport.result <- status=final))',
  ],
  ['Observation?patient._has:Condition:patient:code=1', '(patient -> Patient (Condition.patient <- code=1))'],
  [
    'Patient?_has:Observation:patient:performer:Practitioner.name=x',
    '(Observation.patient <- (performer -> Practitioner name=x))',
  ],
  [
    'Observation?code=http://loinc.org|2339-0&value-quantity=gt150',
    '[code=http://loinc.org|2339-0 value-quantity=gt150]',
  ],
  [
    'Observation?code=http://loinc.org|2339-0&value-quantity=gt150&status=final',
    '(and [code=http://loinc.org|2339-0 value-quantity=gt150] status=final)',
  ],
  ['Observation?code=2339-0&value-quantity=gt150', '(and code=2339-0 value-quantity=gt150)'],
  [
    'Observation?code:not=http://loinc.org|2339-0&value-quantity=gt150',
    '(and code:not=http://loinc.org|2339-0 value-quantity=gt150)',
  ],
  ['?_type=Patient,Observation&_lastUpdated=gt2020', '_lastUpdated=gt2020'],
];

describe('a query string is understood as a tree', () => {
  test.each(TREES)('%s', (path, tree) => {
    expect(treeOf(path)).toBe(tree);
  });
});

// What is refused, at which place; R4 search, 3.1.1.4.9 and 3.1.1.4.11.
const REFUSED: [string, string | undefined][] = [
  ['Patient?nonsense=1', 'nonsense'],
  ['Patient?name.family=x', 'name'],
  ['Observation?subject:Practitioner=1', 'subject'],
  ['Observation?subject:Practitioner.name=x', 'subject'],
  ['Patient?_has:Nonsense:patient:code=1', '_has'],
  ['Patient?_has:Observation:patient=1', '_has'],
  ['Patient?_has:Observation:encounter:code=1', '_has'],
  ['Patient?_count=-1', '_count'],
  ['Patient?_count=ten', '_count'],
  ['Patient?_sort=nonsense', 'nonsense'],
  ['Patient?_summary=maybe', '_summary'],
  ['Patient?_total=some', '_total'],
  ['Patient?_filter=name', '_filter'],
  ['Patient?_filter=name eq "x', '_filter'],
  ['Patient?_filter=(name eq x', '_filter'],
  ['Patient?_filter=name eq x y', '_filter'],
  ['Patient?_filter=not name eq x', '_filter'],
  ['Patient?_filter=nonsense eq x', 'nonsense'],
  ['Patient?_include=Patient', '_include'],
  ['Patient?_include=Patient:name', '_include'],
  ['Patient?_elements=name,(', '_elements'],
  ['Patient?_lastUpdated:exact=2020', '_lastUpdated'],
  ['?_type=Nonsense', '_type'],
];

describe('what cannot be understood is refused with its place and a remedy', () => {
  test.each(REFUSED)('%s', (path, at) => {
    let caught: unknown;
    try {
      parse(path);
    } catch (error) {
      caught = error;
    }
    expect(
      isFault(caught) && { category: caught.category, at: caught.at, remedy: typeof caught.remedy },
    ).toEqual({
      category: 'invalid',
      at,
      remedy: 'string',
    });
  });
});

test('an unknown parameter is left out with a warning unless strict, and the self link does not name it', () => {
  const parsed = parse('Patient?nonsense=1&name=x&_sort=nonsense', false);
  expect(parsed.warnings.map((w) => w.at)).toEqual(['nonsense', 'nonsense']);
  expect(queryString(parsed.used)).toBe('name=x');
});

test('a page size above the maximum is cut, and the self link says so', () => {
  expect(queryString(parse('Patient?_count=5000').used)).toBe('_count=1000');
});

test.each([
  ['a,b', ['a', 'b']],
  ['a\\,b,c', ['a\\,b', 'c']],
  ['a\\\\,b', ['a\\\\', 'b']],
  ['', ['']],
  ['\\', ['\\']],
])('values are split at commas that are not escaped: %s', (text, parts) => {
  expect(splitUnescaped(text, ',')).toEqual(parts);
});

test.each([
  ['a\\,b', 'a,b'],
  ['a\\|b\\$c\\\\d', 'a|b$c\\d'],
  ['a\\b', 'a\\b'],
])('one level of escapes is undone: %s', (text, plain) => {
  expect(unescapeText(text)).toBe(plain);
});

test('a query string is encoded so that it reads back the same', () => {
  const params: [string, string][] = [
    ['code', 'http://loinc.org|2339-0'],
    ['name', 'Ó Néill & sons=+#%'],
  ];
  expect([...new URLSearchParams(queryString(params))]).toEqual(params);
});
