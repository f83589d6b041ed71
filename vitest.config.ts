// Tiers by what a test needs: `plan` no tensors, `cpu` tensors in this thread, `strategy` the same and minutes, `runtime`
// processes and threads, `nats` a nats-server, `cuda` g++ and NVRTC, no card.
// Time-outs are for what hangs: a machine that does much else at once is no failure.
// Two workers, because the suite must fit a machine of two cores; tensors and threads get a process each.
import { defineConfig } from "vitest/config";

const tier = (name: string, timeout: number) => ({
  test: {
    name,
    include: [`packages/*/test/**/*.${name}.test.ts`],
    testTimeout: timeout,
    hookTimeout: timeout,
    expect: { poll: { timeout: 10_000 } },
    pool: "forks" as const,
    env: { ORTHANT_DEVICE: "wasm" }, // whatever else this machine has
  },
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      tier("plan", 20_000),
      tier("cpu", 60_000),
      tier("strategy", 120_000),
      tier("runtime", 60_000),
      tier("nats", 60_000),
      tier("cuda", 120_000),
    ],
  },
});
