// A host whose workers run a case of the differential test: two threads, like a machine with two cores.
import { env } from "node:process";
import { type Host, threads } from "@orthant/core";
import type { MeshCase } from "@orthant/testing";

const script = new URL("./differential-worker.ts", import.meta.url);

/** For the option `threads` of `differential`. */
export const workersFor =
  (training: "adamw" | "sgd") =>
  (at: MeshCase): Host => ({
    name: "threads",
    run(job) {
      env.ORTHANT_CASE = JSON.stringify(at);
      env.ORTHANT_TRAINING = training;
      return threads({ workers: 2, script }).run(job);
    },
  });
