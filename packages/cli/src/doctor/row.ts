// What the doctor found: one row each, and how rows are shown. Pure.

export interface Row {
  /** runtime, device, server. */
  readonly kind: string;
  readonly name: string;
  readonly found: string;
  /** One line that says what to do, where something is to be done. */
  readonly advice?: string | undefined;
  /** What was asked for does not work. */
  readonly broken?: boolean;
}

export const showRow = ({ kind, name, found }: Row): string => `${kind.padEnd(8)}  ${name.padEnd(11)}  ${found}`;

export const showAdvice = (rows: readonly Row[]): string =>
  rows.flatMap(({ name, advice }) => (advice ? [`${name}: ${advice}`] : [])).join("\n");
