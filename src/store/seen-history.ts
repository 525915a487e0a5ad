import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import type { HistoryOptions, HistoryPage, VersionRead } from './contract.js';
import { run } from './database.js';
import { historyOf } from './read.js';
import { allowed, judge, nearest, type ResourceKey, type SeenIn } from './seen-read.js';

/** Versions of one resource looked at where some may be hidden. */
const MAX_VERSIONS = 10_000;
const VERSIONS_PER_READ = 1_000;

type When = Omit<HistoryOptions, 'count' | 'belowVersion'>;

/**
 * As `history` of the store, each version judged by its own state, a deletion by what was deleted. Where no version at all
 * is seen there is no such resource; where there is none, the history of the row that stands next is read and judged in
 * its place (see `seen-read.ts`), so that the time of an answer tells neither from the other.
 */
export async function seenHistory(
  seen: SeenIn,
  type: string,
  id: string,
  { count, belowVersion, ...when }: HistoryOptions,
): Promise<HistoryPage | undefined> {
  if (!isResourceType(type)) return undefined;
  const key = { rtype: typeNumber(type), rid: seen.raw.keys.rid(type, id) };
  const [row] = await run<ResourceKey>(
    seen.db,
    `select * from (${nearest(1)}) k`,
    [key.rtype, key.rid],
    'store-near',
  );
  if (!row) return undefined;
  if (row.rtype === key.rtype && row.rid === key.rid) {
    const visible = await seenVersions(seen, key, type, id, when);
    if (!visible) return undefined;
    const rest = visible.filter((v) => belowVersion === undefined || v.version < belowVersion);
    return { versions: rest.slice(0, count), total: visible.length, more: rest.length > count };
  }
  // That another's body is damaged is no matter of this caller's.
  await seenVersions(seen, row, undefined, undefined, when).catch(() => undefined);
  return undefined;
}

/** @returns undefined where no version at all is seen */
async function seenVersions(
  seen: SeenIn,
  key: ResourceKey,
  type: string | undefined,
  id: string | undefined,
  when: When,
): Promise<VersionRead[] | undefined> {
  const all: VersionRead[] = [];
  for (let below: number | undefined; all.length < MAX_VERSIONS; ) {
    const page = await historyOf(seen.raw, seen.db, key, type, id, {
      ...when,
      count: VERSIONS_PER_READ,
      ...(below === undefined ? {} : { belowVersion: below }),
    });
    if (!page) return undefined;
    all.push(...page.versions);
    if (!page.more) break;
    below = page.versions.at(-1)!.version;
  }
  const visible: VersionRead[] = [];
  for (const version of all)
    if (version.resource ? allowed(seen, version.resource) : await deletionSeen(seen, key, version))
      visible.push(version);
  if (visible.length > 0) return visible;
  const filtered = when.sinceMs !== undefined || when.atMs !== undefined;
  return filtered && (await seenVersions(seen, key, type, id, {})) ? [] : undefined;
}

async function deletionSeen(seen: SeenIn, key: ResourceKey, { version }: VersionRead): Promise<boolean> {
  return (await judge(seen, key, version))?.shown === true;
}
