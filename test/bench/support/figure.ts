/** Prints one figure as a line of JSON, the form every benchmark of the project prints. */
export function line(
  bench: string,
  figure: string,
  value: number,
  unit: string,
  data: string,
  note?: string,
): void {
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(4));
  process.stdout.write(
    `${JSON.stringify({ bench, figure, value: rounded, unit, data, ...(note && { note }) })}\n`,
  );
}
