import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { tokenize } from '../../nlp/1-segment/tokens.js';
import { openLexicon, SYSTEMS } from '../../nlp/2-mention/lexicon.js';
import { buildSiteLexicon } from '../../nlp/terminology/load.js';
import { releaseFileOf } from '../../nlp/terminology/releases.js';

const folder = mkdtempSync(join(tmpdir(), 'cenote-terminology-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Rows in the columns of the official files, with codes and names made up for the test. */
const FILES: Record<string, string> = {
  'RXNCONSO.RRF': [
    '9990001|ENG||||||9990001|||9990001|RXNORM|IN|9990001|zolvidamine||N|4096|',
    '9990002|ENG||||||9990002|||9990002|RXNORM|BN|9990002|Zolvexa||N|4096|',
    '9990003|ENG||||||9990003|||9990003|RXNORM|SCD|9990003|zolvidamine 10 MG Oral Tablet||N|4096|',
    '9990004|ENG||||||9990004|||9990004|RXNORM|SBD|9990004|zolvidamine 10 MG Oral Tablet [Zolvexa]||N|4096|',
    '9990005|ENG||||||9990005|||9990005|RXNORM|IN|9990005|obsoletine||O|4096|',
  ].join('\n'),
  'RXNREL.RRF': [
    '9990001||CUI|RO|9990002||CUI|tradename_of|1||RXNORM|RXNORM||||4096|',
    '9990004||CUI|RO|9990002||CUI|ingredient_of|2||RXNORM|RXNORM||||4096|',
  ].join('\n'),
  'icd10cm_order_2025.txt': `99990 Z9998   0 Wonzle                                                       Wonzle disease
99991 Z99981  1 Wonzle acute                                                 Acute wonzle disease`,
  'sct2_Concept_Snapshot_INT_20250101.txt':
    'id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId\n999000011\t20250101\t1\tm\td\n999000012\t20250101\t0\tm\td',
  'sct2_Description_Snapshot-en_INT_20250101.txt': [
    'id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId',
    '1\t20250101\t1\tm\t999000011\ten\t900000000000003001\tSplendiferous wonzlitis (disorder)\tc',
    '2\t20250101\t1\tm\t999000011\ten\t900000000000013009\tWonzle inflammation\tc',
    '3\t20250101\t1\tm\t999000012\ten\t900000000000003001\tRetired wonzlitis (disorder)\tc',
  ].join('\n'),
  'Loinc.csv': [
    '"LOINC_NUM","COMPONENT","PROPERTY","SYSTEM","METHOD_TYP","CLASSTYPE","STATUS","LONG_COMMON_NAME","DisplayName","CONSUMER_NAME","COMMON_TEST_RANK"',
    '"99991-1","Hemoglobin A1c/Hemoglobin.total","MFr","Bld","HPLC","1","ACTIVE","A1c, by ""HPLC""","","","300"',
    '"99992-9","Hemoglobin A1c/Hemoglobin.total","MFr","Bld","","1","ACTIVE","Hemoglobin A1c in Blood","","","2"',
  ].join('\n'),
};

test('files of official releases are known by their names', () => {
  for (const name of Object.keys(FILES)) expect(releaseFileOf(name), name).toBeDefined();
  expect(releaseFileOf('notes.txt')).toBeUndefined();
});

test('loaded files add names and codes to the shipped lexicon, obsolete rows left out', async () => {
  const paths = Object.entries(FILES).map(([name, text]) => {
    writeFileSync(join(folder, name), `${text}\n`);
    return join(folder, name);
  });
  const site = await buildSiteLexicon(paths);
  expect(site.systems.map(({ system, read }) => [system, read])).toEqual([
    [SYSTEMS[0], 4],
    [SYSTEMS[1], 1],
    [SYSTEMS[2], 2],
    [SYSTEMS[3], 2],
  ]);
  const lexicon = openLexicon(site.file);
  const codes = (text: string): string[] =>
    lexicon
      .match(tokenize(text))
      .flatMap((hit) => hit.rows.flatMap((row) => row.concepts.map((concept) => concept.code)));
  expect(codes('zolvidamine')).toEqual(['9990001']);
  expect(codes('Zolvexa')).toEqual(['9990002']);
  expect(codes('zolvidamine 10 mg oral tablet')).toEqual(['9990003']);
  expect(codes('obsoletine')).toEqual([]);
  expect(codes('acute wonzle disease')).toEqual(['Z99.981']);
  expect(codes('wonzle inflammation')).toEqual(['999000011']);
  expect(codes('retired wonzlitis')).toEqual([]);
  expect(codes('A1c')).toContain('99992-9');
  expect(codes('A1c')).not.toContain('99991-1');
  // What was shipped is still there.
  expect(codes('HTN')).toContain('38341003');
}, 60_000);
