import { PHASES, type Phase } from '../core/profile.js';
import { type JobProfile, totals } from './profile.js';

/** What held a job up, what to do, and what that would bring. */
export interface Finding {
  readonly rule: string;
  /** One sentence with the figures that made the rule fire. */
  readonly what: string;
  readonly remedy: string;
  /** Share of the job's time that would be saved at most, 0 to 1. */
  readonly gain: number;
}

/** A phase that takes this share of the workers' time is what the job waits for. */
const BOUND = 0.35;
/** Files and documents that take this share of the whole are skewed, or slow. */
const SKEWED = 0.4;
const SLOW_DOCUMENT_MS = 2_000;
/** Heap at the end of a job over that at its quarter, and by this many megabytes. */
const GROWTH = 2;
const GROWTH_MB = 200;

interface Rule {
  readonly rule: string;
  readonly phases: readonly Phase[];
  readonly says: string;
  readonly remedy: string;
  /** Share of the phase's time that the remedy saves. */
  readonly saves: number;
}

/** Rules by phase, each fired by the share of all working time that its phases take. */
const PHASE_RULES: readonly Rule[] = [
  {
    rule: 'parser-bound',
    phases: ['read', 'parse'],
    says: 'goes into reading and parsing',
    remedy: 'Give files that are not compressed, as NDJSON rather than as large bundles, from a local disk.',
    saves: 0.5,
  },
  {
    rule: 'validator-bound',
    phases: ['validate'],
    says: 'goes into validation',
    remedy: 'If the source was validated before, import with --validation structure.',
    saves: 0.6,
  },
  {
    rule: 'resolver-bound',
    phases: ['resolve'],
    says: 'goes into resolving references',
    remedy: 'Give literal references (Patient/id) rather than searches such as Practitioner?identifier=….',
    saves: 0.7,
  },
  {
    rule: 'index-bound',
    phases: ['index', 'seal'],
    says: 'goes into index rows and sealing',
    remedy: 'Run the import in several processes, a share of the files each; this work has no other limit.',
    saves: 0.5,
  },
  {
    rule: 'commit-bound',
    phases: ['commit'],
    says: 'is spent waiting for the database',
    remedy:
      'Give PostgreSQL a faster disk for its log, more max_wal_size, or more cores; import while nobody searches.',
    saves: 0.5,
  },
  {
    rule: 'nlp-bound',
    phases: ['nlp'],
    says: 'goes into reading notes',
    remedy: 'Run cenote worker on further machines: notes are shared among all workers.',
    saves: 0.5,
  },
  {
    rule: 'workers-idle',
    phases: ['wait'],
    says: 'is spent by workers with nothing to do',
    remedy: 'Give more and smaller files: one file is read by one worker.',
    saves: 0.5,
  },
];

/** What held a job up, the greatest gain first. Empty where nothing stands out. */
export function diagnose(profile: JobProfile): Finding[] {
  const spent = totals(profile);
  const all = PHASES.reduce((sum, phase) => sum + spent[phase], 0);
  const findings: Finding[] = [];
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  if (all > 0) {
    for (const { rule, phases, says, remedy, saves } of PHASE_RULES) {
      const share = phases.reduce((sum, phase) => sum + spent[phase], 0) / all;
      if (share >= BOUND)
        findings.push({ rule, what: `${percent(share)} of the time ${says}.`, remedy, gain: share * saves });
    }
  }
  const wall = profile.seconds * 1000;
  const [file] = profile.slowFiles;
  if (file && profile.workers.length > 1 && profile.slowFiles.length > 1 && file.ms >= wall * SKEWED) {
    const share = file.ms / wall;
    findings.push({
      rule: 'skewed-files',
      what: `One file took ${percent(share)} of the time: ${file.file}.`,
      remedy: 'Split it: the other workers wait for it at the end.',
      gain: share * (1 - 1 / profile.workers.length),
    });
  }
  const slow = profile.slowDocuments.filter(({ ms }) => ms >= SLOW_DOCUMENT_MS);
  if (slow.length > 0) {
    const [worst] = slow;
    const place = worst!.line === undefined ? worst!.file : `${worst!.file}, line ${worst!.line}`;
    findings.push({
      rule: 'slow-document',
      what: `${slow.length} took longer than ${SLOW_DOCUMENT_MS / 1000} s to read, at most ${(worst!.ms / 1000).toFixed(1)} s: ${place}.`,
      remedy: 'Look at it: a document of many megabytes is often several in one, or an attachment.',
      gain: wall > 0 ? Math.min(slow.reduce((sum, { ms }) => sum + ms, 0) / wall, 0.9) : 0,
    });
  }
  const quarter = profile.heapMb[Math.floor(profile.heapMb.length / 4)] ?? 0;
  const last = profile.heapMb.at(-1) ?? 0;
  if (profile.heapMb.length >= 8 && last > quarter * GROWTH && last - quarter > GROWTH_MB)
    findings.push({
      rule: 'heap-growth',
      what: `The heap grew from ${quarter} to ${last} MB.`,
      remedy: 'Report it with this profile; until then import fewer files at a time.',
      gain: 0,
    });
  return findings.sort((a, b) => b.gain - a.gain);
}
