// Numbers as a person reads them, and columns that line up. Strings only.

/** Shows three significant digits: 9.50, 38.1, 512. */
const three = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** Shows `value` in the largest unit that keeps it at 1 or more. */
function scaled(value: number, base: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  while (rest >= base && unit < units.length - 1) {
    rest /= base;
    unit++;
  }
  return `${unit === 0 ? Math.round(rest) : three(rest)}${units[unit]}`;
}

/** Shows bytes as `38.1 MiB`. */
export const showBytes = (bytes: number): string => scaled(bytes, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);

/** Shows a count as `18.2k`. */
export const showCount = (count: number): string => scaled(count, 1000, ["", "k", "M", "G", "T"]);

/** Shows seconds as `0:41` or `1:02:05`, rounded to whole ones. */
export function showSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** Shows a fraction, 0 to 1, as `12.5 %`. */
export const showPercent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** Lays out rows under a heading, columns two spaces apart; those named in `right` end flush, the others start flush. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[] = [],
): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const cell = (text: string, column: number) =>
    right.includes(heading[column]!) ? text.padStart(widths[column]!) : text.padEnd(widths[column]!);
  return all.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}
