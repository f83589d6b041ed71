// What the messages benchmark times: a few steps, over whatever `orthant run` or the default carries them.
import { train } from "@orthant/core";
import { job } from "./job.ts";

await train({ ...job(24), run: "timed", quiet: true });
