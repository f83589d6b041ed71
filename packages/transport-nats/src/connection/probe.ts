// What a server says to who only connects: why the NATS client got no answer, which it does not tell itself.
import { connect } from "node:net";

const port = 4222;
/** Bytes that are read at most, and ms that are waited. */
const most = 2 ** 14;
const patience = 500;

/** Reads the first words of what listens at `address`; undefined where nobody does. */
export function firstWords(address: string): Promise<string | undefined> {
  const url = new URL(`http://${address.replace(/^\w+:\/\//, "")}`);
  return new Promise((resolve) => {
    let [words, there] = ["", false];
    const socket = connect({ host: url.hostname, port: Number(url.port || port) });
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(there ? words : undefined);
    };
    const timer = setTimeout(end, patience);
    socket.on("connect", () => (there = true));
    socket.on("data", (bytes) => {
      words += bytes.toString("latin1");
      if (words.length > most) end();
    });
    socket.on("error", end).on("close", end);
  });
}

/** Finds the error that a server says at once. */
export const errorIn = (words: string): string | undefined => /^-ERR '?([^'\r\n]*)/m.exec(words)?.[1];
