import type { Clauses } from './clauses.js';
import type { CueRow } from './cues.js';
import { BEGINNINGS } from './deeds.js';
import { FINDINGS, type Target } from './target.js';

const DEEDS_IF = new Set(['procedure', 'device']);
const BEGUN_IF =
  /^(?:start|begin|add|initiate|trial|try|resume|restart|consider|give|escalate|up-?titrate|rx|rx'd|prescribe|order|increase|switch|then)$/;
/** What may come of it before one begins: a result, a failure, a permission. */
const IN_CASE =
  /^(?:pos|positive|\+|neg|negative|abnormal|elevated|normal|high|low|cultures?|still|not|no|persist(?:s|ent|ing)?|fail(?:s|ed|ure|ing)?|worse|worsen(?:s|ing)?|deteriorat(?:es|ing|ion)|recur(?:s|rence|rent)?|continues|remains|intolerant|unable|unsuccessful|refractory|inadequate|insufficient|insurance|covered|approved|affordable|cleared|agree(?:s|able)?|msu|ua|k|hb|hgb|plt|inr|crp|trop|troponin|mri|ct|biopsy|bx|labs?|bloods|interferes|progress(?:es|ion)?|eligible|confirmed|flares?|relapses?|drops|rises|falls|exceeds|above|below|<|>)$/;
/** After `once`: how often, or with what, or nothing more. */
const HOW_OFTEN =
  /^(?:\.|!|and|or|then|now|today|tonight|stat|prior|before|for|by|iv|po|im|dose|daily|a|per|every|weekly|monthly|nightly|in|at|on|only|with|each|more|again|the|,|;|\)|\d.*)$/;
const IF_REACH = 6;
/** Directions stand between a drug and its condition. */
const DIRECTIONS_REACH = 12;
const CONDITION_REACH = 6;
/** `if needed` is what the directions of a drug say, not a condition for beginning it. */
const AS_NEEDED = /^(?:needed|required|necessary|tolerated|desired|possible|indicated|appropriate)$/;

/**
 * `ablation if it recurs`, `start levothyroxine 25 mcg if > 10`, `nitrofurantoin 100 mg bd if MSU pos`, `add
 * spironolactone once K < 5`: what waits for something is not done yet. A drug that goes on, or is taken `if needed` or
 * `if pain`, is.
 */
export function doneIf({ tokens, first, last }: Clauses, targets: readonly Target[], row: CueRow): void {
  for (const target of targets) {
    const deed = DEEDS_IF.has(target.type);
    if (!deed && target.type !== 'medication' && target.type !== 'vaccine') continue;
    const begun =
      BEGUN_IF.test(tokens[target.first - 1]?.norm ?? '') || isFirstOf(tokens, first, target.first);
    if (
      !begun &&
      target.hits.some(({ row: { effect }, text }) => effect === 'current' && !BEGINNINGS.test(text))
    )
      continue;
    const reach = deed ? IF_REACH : DIRECTIONS_REACH;
    for (let i = target.last; i < Math.min(last, target.last + reach); i++) {
      const { norm } = tokens[i]!;
      if (norm === ';' || (norm === ',' && (begun || deed)) || norm === '.') break;
      if (norm === 'hold' || norm === 'stop' || norm === 'call' || norm === 'increase' || norm === 'except')
        break;
      const after = tokens[i + 1]?.norm ?? '';
      const waits =
        (norm === 'if' && !AS_NEEDED.test(after) && (begun || deed || isCase(tokens, i + 1, last))) ||
        (norm === 'once' && begun && !HOW_OFTEN.test(after) && i + 1 < last);
      if (!waits) continue;
      target.hits.push({ row, text: norm, distance: i - target.last });
      break;
    }
  }
}

function isCase(tokens: Clauses['tokens'], from: number, last: number): boolean {
  for (let i = from; i < Math.min(last, from + CONDITION_REACH); i++) {
    const { norm } = tokens[i]!;
    if (norm === ',' || norm === ';') return false;
    if (IN_CASE.test(norm)) return true;
  }
  return false;
}

/** Whether the verb that begins it opens the clause: `start oral levothyroxine`. */
function isFirstOf(tokens: Clauses['tokens'], first: number, at: number): boolean {
  return at - first <= 2 && BEGUN_IF.test(tokens[first]!.norm);
}

const TAKEN_THEN: CueRow = {
  effect: 'past',
  scope: 'after',
  cues: ['reaction to'],
  example: 'Previous cough with {lisinopril}.',
};

/** What drugs do to people, as against what they are taken for. */
const REACTION =
  /(?:cough|rash|hives|urticaria|angio-?o?edema|bleed|ulcer|gi bleed|pruritus|itch|diarrho?ea|nausea|vomiting|myalgia|myopathy|rhabdo|dizz|syncope|hyponatr|hyperkal|hypoglyc|pancreatitis|hepatitis|constipation|headache|swelling|tremor|dystonia|serotonin|akathisia|neutropenia|thrombocytop|haematoma|hematoma|side effect|hypotension|bradycardia|upset|palpitations|insomnia|agitation)/i;

/** `Previous gastric ulcer (on naproxen)`, `h/o cough from lisinopril`: the drug was taken when it happened. */
export function pastReaction({ tokens, first, last }: Clauses, targets: readonly Target[]): void {
  for (let k = 1; k < targets.length; k++) {
    const [finding, drug] = [targets[k - 1]!, targets[k]!];
    if (drug.type !== 'medication' || !FINDINGS.has(finding.type)) continue;
    if (drug.first - finding.last > 4 || !isPast(tokens, first, finding)) continue;
    let link = '';
    for (let i = finding.last; i < drug.first; i++) link += `${link && ' '}${tokens[i]!.norm}`;
    const caused = /^\(? ?(?:due to|secondary to|2 \/ 2|from|caused by|induced by|2\/2|d\/t)$/.test(link);
    const taken = /^\(? ?(?:on|with|to|while on|whilst on|after|while taking)$/.test(link);
    if (!caused && !taken) continue;
    if (!caused && !REACTION.test(words(tokens, finding, last))) continue;
    drug.hits.push({ row: TAKEN_THEN, text: 'reaction', distance: -1 });
  }
}

function isPast(tokens: Clauses['tokens'], first: number, finding: Target): boolean {
  if (finding.hits.some(({ row }) => row.effect === 'past')) return true;
  const before = finding.first > first ? tokens[finding.first - 1]!.norm : '';
  return EARLIER.test(before) || EARLIER.test(tokens[finding.first]!.norm);
}

const EARLIER = /^(?:prev|previous|prior|past|old|h\/o|hx|developed|had)$/;

function words(tokens: Clauses['tokens'], target: Target, last: number): string {
  let text = '';
  for (let i = target.first; i < Math.min(last, target.last); i++) text += `${text && ' '}${tokens[i]!.norm}`;
  return text;
}
