// Tiers by what a test needs: `plan` no tensors, `cpu` tensors in this thread, `runtime` processes and threads, `nats` a
// nats-server.
// Two workers, because the suite must fit a machine of two cores; tensors and threads get a process each.
import { defineConfig } from "vitest/config";

const tier = (name: string, testTimeout: number) => ({
  test: { name, include: [`packages/*/test/**/*.${name}.test.ts`], testTimeout, pool: "forks" as const },
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [tier("plan", 5_000), tier("cpu", 60_000), tier("runtime", 60_000), tier("nats", 60_000)],
  },
});
