// Each rule of validate(): one schedule that breaks it and nothing else, with the message it must give.
import { describe, expect, test } from "vitest";
import { accumulate, parseSchedule } from "../src/schedule/schedule.ts";
import { validate } from "../src/schedule/validate.ts";

const check = (text: string, micros = 1) => validate(parseSchedule(text), { micros });

describe("accepts", () => {
  test("plain accumulation", () => {
    for (const micros of [1, 2, 5]) validate(accumulate(micros), { micros });
  });

  test.each([
    ["two stages", "0F0 0SEND_F0 0RECV_B0 0B0\n1RECV_F0 1F0 1B0 1SEND_B0", 1],
    ["neighbours on one rank", "0F0 1F0 1B0 0B0", 1],
    ["backward in another micro order", "0F0 0F1 0B1 0B0", 2],
    ["a gather for each micro", "0UNSHARD 0F0 0B0 0RESHARD 0UNSHARD 0F1 0B1 0RESHARD 0REDUCE_GRAD", 2],
    ["backward in halves", "0F0 0F1 0B0 0B1 0W1 0W0 0REDUCE_GRAD", 2],
    [
      "halves on one stage alone, SEND_B before W",
      "0UNSHARD 0F0 0SEND_F0 0RECV_B0 0B0 0RESHARD\n1UNSHARD 1RECV_F0 1F0 1B0 1SEND_B0 1W0 1RESHARD",
      1,
    ],
    ["a rank without actions", "0F0 0B0\n-", 1],
  ])("%s", (_, text, micros) => check(text, micros));
});

describe("refuses", () => {
  test.each([
    ["nothing", "", 1, "it has no actions"],
    ["a stage left out", "0F0 0B0 2F0 2B0", 1, "no rank runs stage 1, and stages are 0 to 2"],
    ["a missing F", "0F0 0B0 0B1", 2, "rank 0, action 0 (0F0): 0F1 is missing"],
    ["a missing B", "0F0 0B0 0F1", 2, "0B1 is missing; a stage needs F and B of each micro, 0 to 1"],
    ["a second F", "0F0 0F0 0B0", 1, "rank 0, action 1 (0F0): it stands at action 0 already; it must run once"],
    ["a micro too many", "0F0 0B0 0F1 0B1", 1, "rank 0, action 2 (0F1): micro 1 is not one of 0 to 0"],
    ["B before F", "0B0 0F0", 1, "rank 0, action 0 (0B0): it comes before 0F0 (action 1), which it needs"],
    ["W before B", "0F0 0W0 0B0", 1, "rank 0, action 1 (0W0): it comes before 0B0 (action 2), which it needs"],
    ["a second W", "0F0 0B0 0W0 0W0", 1, "rank 0, action 3 (0W0): it stands at action 2 already; it must run once"],
    ["W on another rank", "0F0 0B0\n0W0", 1, "rank 1, action 0 (0W0): stage 0 runs on rank 0 already"],
    [
      "W for some micros",
      "0F0 0B0 0F1 0B1 0W1",
      2,
      "rank 0, action 4 (0W1): 0W0 is missing; a stage has W of each micro, 0 to 1, or of none",
    ],
    ["a W too many", "0F0 0B0 0W0 0W1", 1, "rank 0, action 3 (0W1): micro 1 is not one of 0 to 0"],
    ["W after RESHARD", "0UNSHARD 0F0 0B0 0RESHARD 0W0", 1, "rank 0, action 4 (0W0): stage 0 is sharded here"],
    [
      "REDUCE_GRAD before W",
      "0F0 0B0 0REDUCE_GRAD 0W0",
      1,
      "rank 0, action 2 (0REDUCE_GRAD): it comes before 0W0 (action 3), the stage's last backward",
    ],
    ["two ranks on a stage", "0F0\n0B0", 1, "rank 1, action 0 (0B0): stage 0 runs on rank 0 already"],
    ["SEND alone", "0F0 0SEND_F0 0B0 1F0 1B0", 1, "rank 0, action 1 (0SEND_F0): 1RECV_F0 is missing"],
    [
      "RECV alone",
      "0F0 0RECV_B0 0B0\n1RECV_F0 1F0 1B0 1SEND_B0",
      1,
      "rank 1, action 0 (1RECV_F0): 0SEND_F0 is missing",
    ],
    ["SEND past the end", "0F0 0SEND_F0 0B0", 1, "rank 0, action 1 (0SEND_F0): there is no stage 1"],
    ["no RECV at all", "0F0 0B0\n1F0 1B0", 1, "(0B0): stage 1 is on another rank and 0RECV_B0 is missing"],
    [
      "RECV after its consumer",
      "0F0 0SEND_F0 0RECV_B0 0B0\n1F0 1RECV_F0 1B0 1SEND_B0",
      1,
      "rank 1, action 0 (1F0): it comes before 1RECV_F0 (action 1), which it needs",
    ],
    [
      "SEND before its producer",
      "0SEND_F0 0F0 0B0\n1RECV_F0 1F0 1B0",
      1,
      "rank 0, action 0 (0SEND_F0): it comes before 0F0",
    ],
    [
      "an order that cannot be",
      "0F0 0SEND_F0 0RECV_B0 0B0 0F1 0SEND_F1 0RECV_B1 0B1\n1RECV_F0 1F0 1RECV_F1 1F1 1B0 1SEND_B0 1B1 1SEND_B1",
      2,
      "deadlock: rank 0 waits at 0RECV_B0 for 1SEND_B0; rank 1 waits at 1RECV_F1 for 0SEND_F1",
    ],
    ["UNSHARD twice", "0UNSHARD 0UNSHARD 0F0 0B0 0RESHARD", 1, "action 1 (0UNSHARD): stage 0 is whole since action 0"],
    ["RESHARD first", "0RESHARD 0F0 0B0", 1, "action 0 (0RESHARD): stage 0 is not whole here; UNSHARD it first"],
    ["no RESHARD", "0UNSHARD 0F0 0B0", 1, "action 0 (0UNSHARD): no RESHARD of stage 0 follows"],
    ["sharded compute", "0UNSHARD 0F0 0RESHARD 0B0", 1, "rank 0, action 3 (0B0): stage 0 is sharded here"],
    ["REDUCE_GRAD early", "0F0 0REDUCE_GRAD 0B0", 1, "action 1 (0REDUCE_GRAD): it comes before 0B0 (action 2)"],
    ["REDUCE_GRAD twice", "0F0 0B0 0REDUCE_GRAD 0REDUCE_GRAD", 1, "action 3 (0REDUCE_GRAD): it stands at action 2"],
    [
      "REDUCE_GRAD for some",
      "0F0 1F0 1B0 0B0 0REDUCE_GRAD",
      1,
      "(1B0): other stages have REDUCE_GRAD and stage 1 has none",
    ],
  ])("%s", (_, text, micros, message) => {
    expect(() => check(text, micros)).toThrow(message);
  });

  test("an op that there is not, with the list of those there are", () => {
    const list = "the ops are F B W SEND_F RECV_F SEND_B RECV_B UNSHARD RESHARD REDUCE_GRAD";
    for (const bad of ['{"stage":0,"op":"X","micro":0}', '{"stage":0}', "{}", "null", '"0F0"'])
      expect(() => validate(JSON.parse(`[[{"stage":0,"op":"F","micro":0}],[${bad}]]`), { micros: 1 })).toThrow(
        `schedule refused at rank 1, action 0: ${bad} has no known op: ${list}`,
      );
  });

  test.each(["null", "{}", '"0F0 0B0"', "[null]", '[{"stage":0,"op":"F","micro":0}]'])("no schedule: %s", (text) => {
    expect(() => validate(JSON.parse(text), { micros: 1 })).toThrow(
      `schedule refused: ${text} is not a list of actions a rank, such as accumulate(1)`,
    );
  });

  test("actions that no text can say", () => {
    expect(() => validate([[{ stage: 0, op: "F" }]], { micros: 1 })).toThrow(
      "(0F): micro undefined is not one of 0 to 0",
    );
    expect(() => validate([[{ stage: -1, op: "F", micro: 0 }]], { micros: 1 })).toThrow("stage -1 is not an integer");
    expect(() => validate([[{ stage: 0, op: "RESHARD", micro: 0 }]], { micros: 1 })).toThrow("leave out the micro");
  });
});
