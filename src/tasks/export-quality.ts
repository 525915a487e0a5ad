import type { Resource } from '../core/resource.js';
import type { BlobStore } from '../export/blob-store.js';
import { qualityHtml } from '../export/quality/html.js';
import type { Lifetime, Quality } from '../export/quality/quality.js';
import type { QualityReport } from '../export/quality/report.js';
import { parsePartialDate } from '../fhir/dates.js';
import { RESOURCE_TYPES, typeNumber } from '../fhir/resource-types.js';

/** When a Patient was born and died; of a partial date the first and the last moment, so that nobody is wronged. */
export function lifetimeOf(patient: Resource): Lifetime {
  const { birthDate, deceasedDateTime } = patient as { birthDate?: unknown; deceasedDateTime?: unknown };
  const born = typeof birthDate === 'string' ? parsePartialDate(birthDate) : undefined;
  const died = typeof deceasedDateTime === 'string' ? parsePartialDate(deceasedDateTime) : undefined;
  return { ...(born ? { born: born.lo } : {}), ...(died ? { died: died.hi } : {}) };
}

/** References that name what is not here, by search parameters; of chosen rows, or of all. */
export async function brokenReferences(
  query: (text: string, values: unknown[]) => Promise<unknown[]>,
  types: readonly string[] | undefined,
  chosen: string | undefined,
): Promise<QualityReport['brokenReferences']> {
  const rows = (await query(
    `select g.rtype, g.ttype, count(*)::int as n from idx_reference g
     where g.ttype > 0 and ($1::smallint[] is null or g.rtype = any ($1))
       and not exists (select from locator l join resource t on t.part = l.part and t.rtype = l.rtype and t.rid = l.rid
         where l.rtype = g.ttype and l.rid = g.target and not t.deleted)
       ${chosen ? `and exists (select from ${chosen} c where c.rtype = g.rtype and c.rid = g.rid)` : ''}
     group by 1, 2 order by 3 desc, 1, 2`,
    [types ? types.map(typeNumber) : null],
  )) as { rtype: number; ttype: number; n: number }[];
  const nameOf = new Map(RESOURCE_TYPES.map((type) => [typeNumber(type), type]));
  return rows.map(({ rtype, ttype, n }) => ({
    from: nameOf.get(rtype) ?? '?',
    to: nameOf.get(ttype) ?? '?',
    count: n,
  }));
}

/** Writes `quality.json` and `quality.html`. @returns their names */
export async function saveQuality(
  target: BlobStore,
  quality: Quality,
  broken: QualityReport['brokenReferences'],
): Promise<string[]> {
  const report = quality.report(broken);
  await target.put('quality.json', Buffer.from(`${JSON.stringify(report, null, 2)}\n`));
  await target.put('quality.html', Buffer.from(qualityHtml(report)));
  return ['quality.json', 'quality.html'];
}
