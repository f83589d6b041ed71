// One connection, and others of the same thread: what servers do to them, and what they do to each other.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { TestServer } from "@orthant/testing/nats-server";
import { expect, it, onTestFinished } from "vitest";
import { Link } from "../src/connection/link.ts";
import { NatsServer } from "../src/connection/server.ts";
import { connectDirectly } from "../src/connection/socket.ts";
import { Gathering } from "../src/meeting/gathering.ts";
import { openLobby } from "../src/meeting/lobby.ts";
import { runName } from "./open.ts";

const until = async (done: () => boolean): Promise<void> => {
  while (!done()) await setTimeout(10);
};

it("leaves the program's own connections as they are, and its lobby to them", async () => {
  const server = await TestServer.start();
  onTestFinished(() => server.stop());
  const mine = { servers: server.url, reconnectTimeWait: 100, noRandomize: true };
  const before = await connect(mine);
  const lobby = await openLobby({ servers: server.url, run: runName(), launch: "l" });
  const after = await connect(mine);
  const heard = before.subscribe("mine");
  const back = [before, after].map(async (connection) => {
    for await (const { type } of connection.status()) if (type === "reconnect") return;
  });
  await server.kill();
  await server.up();
  await Promise.all(back);
  await before.flush(); // its subscription is there again: only then does the server keep anything for it
  const sent = Array.from({ length: 20 }, (_, i) => new Uint8Array(300_000).fill(i + 1));
  for (const bytes of sent) after.publish("mine", bytes);
  await after.flush();
  await setTimeout(200); // all are in the subscription's queue
  for (let i = 0; i < 3; i++) lobby.gone(1, "rank 1 was killed by SIGKILL");
  const got: Uint8Array[] = [];
  for await (const { data } of heard) if (got.push(data) === sent.length) break;
  expect(got.every((bytes, i) => bytes.every((value) => value === i + 1))).toBe(true);
  await Promise.all([lobby.close(), before.close(), after.close()]);
});

it("says that a message does not fit a server that came back smaller", async () => {
  const server = await TestServer.start();
  const refused: string[] = [];
  const link = await Link.open({ servers: server.url }, ({ message }) => refused.push(message), connectDirectly);
  onTestFinished(() => link.close());
  let up = 0;
  void link.watch({ onUp: () => up++, onDown: () => {} });
  expect(link.publish("any", new Uint8Array(300_000))).toBe(true);
  await server.kill();
  const small = await NatsServer.start({ port: server.port, config: "max_payload: 65536" });
  onTestFinished(() => small.stop());
  await until(() => up > 0);
  expect(link.publish("any", new Uint8Array(60_000))).toBe(true);
  expect(link.publish("any", new Uint8Array(300_000))).toBe(false);
  expect(refused).toEqual(["max_payload 65536 of the server is too small for 300000 bytes: raise it"]);
});

it("leaves a server that stands still, though bytes wait to be written to it", { timeout: 60_000 }, async () => {
  const [first, second] = [await TestServer.start(), await TestServer.start()];
  const options = { servers: [first.url, second.url] };
  const link = await Link.open(
    options,
    () => {},
    (given) => connectDirectly({ ...given, noRandomize: true, pingInterval: 500 }),
  );
  const events: string[] = [];
  void link.watch({ onUp: () => events.push("up"), onDown: () => events.push("down") });
  onTestFinished(async () => {
    await link.close();
    await Promise.all([first.stop(), second.stop()]);
  });
  process.kill(first.pid as number, "SIGSTOP");
  for (let i = 0; i < 64; i++) link.publish("any", new Uint8Array(1_000_000));
  await until(() => events.includes("up"));
  expect(events).toEqual(["down", "up"]);
});

it.each([
  ["speaks another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["closes at once", ""],
])("knows at once that a server is none, where it %s", async (_, words) => {
  const other = createServer((socket) => (words ? socket.write(words) : socket.end()));
  onTestFinished(() => void other.close());
  await once(other.listen(0, "127.0.0.1"), "listening");
  const servers = `nats://127.0.0.1:${(other.address() as AddressInfo).port}`;
  const from = performance.now();
  await expect(Link.open({ servers }, () => {}, connectDirectly)).rejects.toThrow(/^no nats-server at nats:/);
  expect(performance.now() - from).toBeLessThan(2000);
});

it("goes on to the next server where the first says nothing", async () => {
  const silent = createServer((socket) => void socket.resume());
  onTestFinished(() => void silent.close());
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const server = await TestServer.start();
  onTestFinished(() => server.stop());
  const servers = [`nats://127.0.0.1:${(silent.address() as AddressInfo).port}`, server.url];
  const inOrder = (given: object) => connectDirectly({ ...given, noRandomize: true });
  const link = await Link.open({ servers, connectTimeout: 1000 }, () => {}, inOrder);
  expect(link.up).toBe(true);
  await link.close();
});

it("waits for nobody once it is refused", async () => {
  const server = await TestServer.start();
  const link = await Link.open({ servers: server.url }, () => {}, connectDirectly);
  onTestFinished(async () => {
    await link.close();
    await server.stop();
  });
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  const job = { run: runName(), epoch: 0, launch: "", ranks: [0], size: 2, fingerprint: [], gather: 60_000 };
  const gathering = new Gathering(job, link, { onGone: () => {}, onWait: () => {}, onRefused: () => {} });
  void gathering.complete();
  expect(timers()).toBe(before + 3); // hellos, and two waits for the other
  gathering.end();
  expect(timers()).toBe(before);
});
