// A script that reads one sample of a stream drawn apart, and ends by itself although the thread could go on.
import { stream } from "../../src/index.ts";

const side = { shape: [2], dtype: "float32" } as const;
const data = stream(new URL("./late.ts", import.meta.url), { input: side, target: { ...side, shape: [1] } });
console.log((await data.sample(4, 9)).input.join());
