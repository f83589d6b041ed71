// A transport whose workers run a case of the differential test: two threads, like a machine with two cores.
import { env } from "node:process";
import { type Transport, threads } from "@orthant/core";
import type { MeshCase } from "@orthant/testing";

const script = new URL("./differential-worker.ts", import.meta.url);

/** For the option `threads` of `differential`. */
export const workersFor =
  (training: "adamw" | "sgd") =>
  (at: MeshCase): Transport => {
    const transport = threads({ workers: 2, script });
    return {
      ...transport,
      open(job) {
        env.ORTHANT_CASE = JSON.stringify(at);
        env.ORTHANT_TRAINING = training;
        return transport.open(job);
      },
    };
  };
