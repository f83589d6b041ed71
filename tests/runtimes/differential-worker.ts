// What a worker thread runs in cases of the differential test that spread ranks over threads: the case that
// `ORTHANT_CASE` names, as JSON, of the training that `ORTHANT_TRAINING` names.
import { env } from "node:process";
import { train } from "@orthant/core";
import { caseOptions, type MeshCase, underAdamw, underSgd } from "@orthant/testing";

const at = JSON.parse(env.ORTHANT_CASE!) as MeshCase;
const training = env.ORTHANT_TRAINING === "adamw" ? underAdamw() : underSgd();
await train(caseOptions({ ...training, cases: [] }, at));
