// Every way to show who one is, against a server that asks for it; a wrong one ends in one line without the secret.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestServer } from "@orthant/testing/nats-server";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { type Credentials, openNats, type Tls } from "../src/index.ts";
import { certificate, newUser, operatorMode, seedOf, write } from "./auth.ts";
import { openAll, runName } from "./open.ts";

const folder = mkdtempSync(join(tmpdir(), "orthant-auth-"));
afterAll(() => rmSync(folder, { recursive: true }));

const user = newUser();
const mode = operatorMode();
const pem = certificate(folder);
const stranger = operatorMode().creds;

interface Way {
  readonly config: string;
  readonly right: { credentials?: Credentials; tls?: Tls };
  readonly wrong: { credentials?: Credentials; tls?: Tls };
  /** What a refusal says, and what no error may say. */
  readonly says: RegExp;
  readonly secret: string;
}

const ways: Record<string, Way> = {
  "user and password": {
    config: 'authorization { user: ann, password: "right-word" }',
    right: { credentials: { user: "ann", password: "right-word" } },
    wrong: { credentials: { user: "ann", password: "wrong-word" } },
    says: /refused user and password: check them/,
    secret: "wrong-word",
  },
  token: {
    config: 'authorization { token: "right-token" }',
    right: { credentials: { token: "right-token" } },
    wrong: { credentials: { token: "wrong-token" } },
    says: /refused token: check them/,
    secret: "wrong-token",
  },
  nkey: {
    config: `authorization { users: [{ nkey: ${user.getPublicKey()} }] }`,
    right: { credentials: { nkey: seedOf(user) } },
    wrong: { credentials: { nkey: seedOf(newUser()) } },
    says: /refused nkey: check them/,
    secret: "SU",
  },
  "a credentials file": {
    config: mode.config,
    right: { credentials: { file: write(folder, "right.creds", mode.creds) } },
    wrong: { credentials: { file: write(folder, "wrong.creds", stranger) } },
    says: /refused file: check them/,
    secret: "SU",
  },
  TLS: {
    config: `tls { cert_file: "${pem.cert}", key_file: "${pem.key}" }`,
    right: { tls: { ca: pem.cert } },
    wrong: { tls: {} },
    says: /no TLS connection: check ca, cert and key/,
    secret: "PRIVATE",
  },
};

describe.each(Object.entries(ways))("%s", (_, { config, right, wrong, says, secret }) => {
  it("lets the right one in, and refuses the wrong one in one line", async () => {
    const server = await TestServer.start(config);
    onTestFinished(() => server.stop());
    const ranks = await openAll(2, { servers: server.url, ...right });
    await Promise.all(ranks.map((rank) => rank.close()));
    const from = performance.now();
    const connectTimeout = 20_000;
    const only = { servers: server.url, run: runName(), rank: 0, size: 2, connectTimeout };
    const error = await openNats({ ...only, ...wrong }).catch((reason: Error) => reason);
    const { message } = error as Error;
    expect(message).toMatch(says);
    expect(message).not.toContain(secret);
    expect(message).not.toContain("\n");
    expect(performance.now() - from).toBeLessThan(connectTimeout);
  });
});

it("says in one line what else is wrong, without the password of the address", async () => {
  const only = { run: runName(), rank: 0, size: 2, connectTimeout: 2000 };
  const nobody = openNats({ ...only, servers: "nats://ann:secret-word@127.0.0.1:1" });
  await expect(nobody).rejects.toThrow(/^no nats-server at nats:\/\/127.0.0.1:1: start one/);
  const seed = openNats({ ...only, servers: "nats://127.0.0.1:1", credentials: { nkey: "SUnonsense" } });
  await expect(seed).rejects.toThrow(/^the nkey is not a seed/);
  const file = openNats({ ...only, servers: "nats://127.0.0.1:1", credentials: { file: join(folder, "none") } });
  await expect(file).rejects.toThrow(/cannot use .*none: ENOENT/);
  const ca = openNats({ ...only, servers: "tls://127.0.0.1:1", tls: { ca: join(folder, "none.pem") } });
  await expect(ca).rejects.toThrow(/^tls: cannot read .*none\.pem: ENOENT$/);
});

it("asks for TLS where the address does", async () => {
  const server = await TestServer.start();
  onTestFinished(() => server.stop());
  const plain = openNats({ servers: server.url.replace("nats:", "tls:"), run: runName(), rank: 0, size: 2 });
  await expect(plain).rejects.toThrow(/^tls:\/\/127.0.0.1:\d+: no TLS connection: check ca/);
});

it("gives up a server that says nothing, and closes the connection", async () => {
  const silent = createServer();
  onTestFinished(() => void silent.close());
  const closed = new Promise((resolve) => {
    silent.once("connection", (socket) => socket.resume().once("close", resolve));
  });
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const servers = `nats://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const opened = openNats({ servers, run: runName(), rank: 0, size: 2, connectTimeout: 500 });
  await expect(opened).rejects.toThrow(/does not answer in 500 ms, though it takes connections: is it a nats-server/);
  await closed;
});

it("takes user and password from the address, and shows them to nobody", async () => {
  const server = await TestServer.start('authorization { user: ann, password: "right-word" }');
  onTestFinished(() => server.stop());
  const address = (word: string) => server.url.replace("//", `//ann:${word}@`);
  const ranks = await openAll(2, { servers: address("right-word") });
  await Promise.all(ranks.map((rank) => rank.close()));
  const wrong = openNats({ servers: address("wrong-word"), run: runName(), rank: 0, size: 2 });
  await expect(wrong).rejects.toThrow(/^nats:\/\/127.0.0.1:\d+ refused user and password: check them/);
});

it("keeps runs apart by the permissions of their subjects", async () => {
  const grant = 'permissions: { publish: "orthant.mine.>", subscribe: "orthant.mine.>" }';
  const server = await TestServer.start(`authorization { users: [{ user: ann, password: word, ${grant} }] }`);
  onTestFinished(() => server.stop());
  const join = (run: string, rank: number) => {
    const credentials = { user: "ann", password: "word" };
    return openNats({ servers: server.url, run, rank, size: 2, credentials, gather: 30_000 });
  };
  const ranks = await Promise.all([join("mine", 0), join("mine", 1)]);
  await Promise.all(ranks.map((rank) => rank.close()));
  await expect(join("other", 0)).rejects.toThrow(/does not allow .*grant the run's/);
});
