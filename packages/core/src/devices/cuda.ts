// The cuda device: that of the optional package @orthant/backend-cuda, loaded when asked for.
import type { Active, Device, Where } from "./device.ts";

const name: string = "@orthant/backend-cuda"; // not a literal: the package builds on this one

interface CudaPackage {
  cuda(): Device;
}

async function load(): Promise<CudaPackage> {
  try {
    return (await import(name)) as CudaPackage;
  } catch (error) {
    const { message } = error as Error;
    const absent = message.includes(name) && /find|found|resolve/i.test(message);
    throw new Error(
      `device cuda: ${name} ${absent ? "is not installed" : `is installed and does not load (${message.split("\n")[0]})`}. ` +
        `npm install ${name}, and what docs/cuda.md names; or choose another device`,
    );
  }
}

export const cuda: Device = {
  name: "cuda",
  async start(where: Where): Promise<Active> {
    const device = (await load()).cuda();
    return { gpu: true, ...(await device.start(where)) };
  },
};
