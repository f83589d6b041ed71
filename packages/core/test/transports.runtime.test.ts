// The threads transport between real worker threads.
import { it } from "vitest";
import { workerCases } from "./transports-cases.ts";

it.each(workerCases)("$name", ({ run }) => run());
