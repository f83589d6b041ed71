// Before the tests: a nats-server, found or installed.
import { install } from "./server.ts";

install();
