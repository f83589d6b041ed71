// One check of a suite, as plain data, so that any test runner on any runtime can call it. Not a test framework.

/** One check, with a name to print. */
export interface Case {
  readonly name: string;
  /** Resolves when the check holds; rejects with what was found and what was expected. */
  run(): Promise<void>;
}

/** Runs `cases` one after the other, logs `ok name ms` or `FAIL name ms` with the error, and returns the failures' count. */
export async function runCases(cases: readonly Case[], log: (line: string) => void): Promise<number> {
  let failed = 0;
  for (const { name, run } of cases) {
    const from = performance.now();
    const error = await run().then(() => undefined, describe);
    const took = `${name} ${Math.round(performance.now() - from)} ms`;
    log(error === undefined ? `ok   ${took}` : `FAIL ${took}\n     ${error}`);
    if (error !== undefined) failed++;
  }
  return failed;
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
