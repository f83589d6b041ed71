// What a server allows and what not: its own words are the reason that is shown, and a slow consumer is named as one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";
import { TestServer } from "@orthant/testing/nats-server";
import { expect, it, onTestFinished } from "vitest";
import { type NatsEndpoint, openLobby, openNats } from "../src/index.ts";
import { openAll, runName } from "./open.ts";

const secret = "a secret of sixteen bytes";

async function serverOf(config: string): Promise<string> {
  const server = await TestServer.start(config);
  onTestFinished(() => server.stop());
  return server.url;
}

it("says that a server takes no more connections, to a rank and to a launcher", async () => {
  const servers = await serverOf("max_connections: 1");
  const first = await connect({ servers });
  onTestFinished(() => first.close());
  const says = /takes no connection, it says "maximum connections exceeded": raise max_connections/;
  const only = { servers, run: runName(), connectTimeout: 1500, secret };
  await expect(openNats({ ...only, rank: 0, size: 2 })).rejects.toThrow(says);
  await expect(openLobby({ ...only, launch: "l" })).rejects.toThrow(says);
});

it("says that a server takes no more subscriptions", async () => {
  const servers = await serverOf("max_subscriptions: 2");
  const opened = openNats({ servers, run: runName(), rank: 0, size: 2, gather: 20_000, secret });
  await expect(opened).rejects.toThrow(/says "maximum subscriptions exceeded": raise max_subscriptions/);
});

it("sends smaller parts to who is cut off, and goes on", { timeout: 120_000 }, async () => {
  const servers = await serverOf('max_pending: 600KB\nmax_payload: 512KB\nwrite_deadline: "2s"');
  const ranks = await openAll(4, { servers, secret, heartbeat: 200 });
  const data = new Uint8Array(6_000_000).map((_, i) => i % 251);
  const frame = { dtype: "uint8", shape: [data.length], data } as const;
  const run = async ({ rank, send, recv }: NatsEndpoint): Promise<void> => {
    const others = [0, 1, 2, 3].filter((other) => other !== rank);
    const sent = send(others, "k", frame);
    for (const other of others) expect(Buffer.compare((await recv(other, "k")).data, data)).toBe(0);
    await sent;
  };
  await Promise.all(ranks.map(run));
  await Promise.all(ranks.map((rank) => rank.close()));
  const [cuts, resent] = (["cuts", "resent"] as const).map((name) => ranks.map((rank) => rank.counts()[name]));
  console.log(`cuts ${cuts}, parts sent again ${resent}`);
});

it("ends the run of who is cut off again and again, and names it to all", { timeout: 150_000 }, async () => {
  const servers = await serverOf('max_pending: 80KB\nmax_payload: 64KB\nwrite_deadline: "100ms"'); // less than 7 x 64 KiB
  const [slow, ...others] = await openAll(8, { servers, secret, heartbeat: 200 });
  const data = new Uint8Array(40_000_000);
  const frame = { dtype: "uint8", shape: [data.length], data } as const;
  const failure = async (work: (round: number) => Promise<unknown>): Promise<Error> => {
    for (let round = 0; ; round++) {
      const failed = await work(round).then(
        () => undefined,
        (error: Error) => error,
      );
      if (failed) return failed;
    }
  };
  const waits = others.map(({ rank }) => failure((round) => slow!.recv(rank, `${round}`)));
  const ends = [...waits, ...others.map(({ send }) => failure((round) => send([0], `${round}`, frame)))];
  const named =
    /rank 0 is a slow consumer: .* cut its connection 10 times in a minute with 65536 bytes .*: raise max_pending/;
  for (const error of await Promise.all(ends)) expect(error.message).toMatch(named);
  await Promise.all([slow!, ...others].map((rank) => rank.close()));
});

it("refuses a secret that is too short, and encryption without one", async () => {
  const only = { servers: "nats://127.0.0.1:1", run: "r", rank: 0, size: 2 };
  await expect(openNats({ ...only, secret: "short" })).rejects.toThrow(/^secret has 5 bytes: at least 16/);
  await expect(openNats({ ...only, encrypt: true })).rejects.toThrow(/^encrypt: true needs a secret/);
  const child = spawn(process.execPath, [fileURLToPath(new URL("./rank.ts", import.meta.url)), only.servers, "r"], {
    env: { ...process.env, ORTHANT_SECRET: "short" },
  });
  const [[text], [code]] = await Promise.all([once(child.stderr, "data"), once(child, "exit")]);
  expect([String(text), code]).toEqual([expect.stringContaining("ORTHANT_SECRET has 5 bytes"), 1]);
});

it("refuses who has another secret or none, on both sides", async () => {
  const servers = await serverOf("");
  const run = runName();
  const join = (rank: number, more: object) =>
    openNats({ servers, run, rank, size: 2, epoch: 3, heartbeat: 50, secret, ...more });
  const warned: string[] = [];
  const hear = ({ message }: Error) => message.startsWith(`run "${run}"`) && warned.push(message);
  process.on("warning", hear);
  onTestFinished(() => void process.off("warning", hear));
  const ranks = await Promise.all([join(0, {}), join(1, {})]);
  const from = performance.now();
  const other = join(0, { secret: "another secret of many bytes" });
  await expect(other).rejects.toThrow(/the clients in its lobby have another secret: if they are another job, give/);
  await expect(join(0, { secret: undefined })).rejects.toThrow(/the clients in its lobby have a secret, this client/);
  expect(performance.now() - from).toBeLessThan(10_000);
  await expect(join(0, { epoch: 1 })).rejects.toThrow(/is in epoch 3, this client says 1/);
  await expect.poll(() => warned.join("\n")).toContain("hellos of another secret");
  await expect.poll(() => warned.join("\n"), { timeout: 15_000 }).toContain("hellos of no secret"); // news: 10 s apart
  await expect.poll(() => warned.join("\n")).toMatch(/refused a client: run ".*" is in epoch 3, this client says 1/);
  await ranks[0]!.send([1], "still", { dtype: "uint8", shape: [1], data: new Uint8Array([7]) });
  expect((await ranks[1]!.recv(0, "still")).data[0]).toBe(7);
  await Promise.all(ranks.map((rank) => rank.close()));
});

it("tells launchers of different secrets, before a rank starts", async () => {
  const servers = await serverOf("");
  const only = { servers, run: runName() };
  const [a, b] = await Promise.all(["a", "b"].map((launch) => openLobby({ ...only, launch, secret })));
  await Promise.all([a!.launchers(1, 10_000), b!.launchers(1, 10_000)]);
  const c = await openLobby({ ...only, launch: "c", secret: "another secret of many bytes" });
  await expect(c.launchers(2, 10_000)).rejects.toThrow(/somebody in its lobby has another secret: give all launchers/);
  const told = new Promise((resolve) => a!.onStranger(resolve));
  expect(await told).toMatch(/somebody in its lobby has another secret/);
  await Promise.all([a, b, c].map((lobby) => lobby!.close()));
});
