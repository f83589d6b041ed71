// Before the tests: a nats-server, found or installed; ends with how to get one where there is none.
import { install, TestServer } from "@orthant/testing/nats-server";

install();
await (await TestServer.start()).stop();
