/** One line of two texts beside each other. */
export interface Pair {
  readonly left: string | undefined;
  readonly right: string | undefined;
  readonly same: boolean;
}

/** Above so many lines on both sides what differs is shown as one block: the table of the comparison grows with both. */
const MAX_CELLS = 4_000_000;

/** The lines of two texts aligned by their longest common subsequence. */
export function sideBySide(before: readonly string[], after: readonly string[]): Pair[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  )
    tail++;
  const a = before.slice(head, before.length - tail);
  const b = after.slice(head, after.length - tail);
  const same = (line: string): Pair => ({ left: line, right: line, same: true });
  return [
    ...before.slice(0, head).map(same),
    ...(a.length * b.length > MAX_CELLS ? changed(a, b) : aligned(a, b)),
    ...before.slice(before.length - tail).map(same),
  ];
}

function aligned(a: readonly string[], b: readonly string[]): Pair[] {
  const width = b.length + 1;
  const length = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let k = b.length - 1; k >= 0; k--)
      length[i * width + k] =
        a[i] === b[k]
          ? length[(i + 1) * width + k + 1]! + 1
          : Math.max(length[(i + 1) * width + k]!, length[i * width + k + 1]!);
  const pairs: Pair[] = [];
  let [gone, come]: [string[], string[]] = [[], []];
  const flush = () => {
    pairs.push(...changed(gone, come));
    [gone, come] = [[], []];
  };
  let i = 0;
  let k = 0;
  while (i < a.length || k < b.length) {
    if (i < a.length && k < b.length && a[i] === b[k]) {
      flush();
      pairs.push({ left: a[i]!, right: b[k]!, same: true });
      i++;
      k++;
    } else if (k >= b.length || (i < a.length && length[(i + 1) * width + k]! >= length[i * width + k + 1]!))
      gone.push(a[i++]!);
    else come.push(b[k++]!);
  }
  flush();
  return pairs;
}

function changed(gone: readonly string[], come: readonly string[]): Pair[] {
  return Array.from({ length: Math.max(gone.length, come.length) }, (_, i) => ({
    left: gone[i],
    right: come[i],
    same: false,
  }));
}
