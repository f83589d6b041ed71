// The cpu device: tfjs's backend in plain JavaScript. Runs everywhere, slowly: what the others are compared with.
import type { Device } from "./device.ts";

export const cpu: Device = {
  name: "cpu",
  precisions: ["fp32"],
  start: async () => ({ backend: "cpu", views: true }),
};
