import { assertEquals } from "@std/assert";
import {
  duration,
  historyLines,
  statusTable,
  upstreamTable,
} from "../../../src/cli/operate/table.ts";
import type { UnikernelStatus } from "../../../src/control/protocol.ts";

Deno.test("a duration is told in its two largest units", () => {
  const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE;
  for (
    const [ms, text] of [
      [0, "0.0 s"],
      [2310, "2.3 s"],
      [9960, "10 s"],
      [59_600, "1 min"],
      [MINUTE + 5 * SECOND, "1 min 5 s"],
      [HOUR, "1 h"],
      [HOUR + 5 * SECOND, "1 h"],
      [26 * HOUR + 59 * MINUTE, "1 d 2 h"],
    ] as const
  ) assertEquals(duration(ms), text);
});

const WWW: UnikernelStatus = {
  name: "www",
  state: "failed",
  since: 90_000,
  failure: "www could not be started: \x1b[2Jno",
  unconfirmed: null,
  ours: true,
  idleIn: null,
  mode: "destroy",
  ttl: 60,
  addresses: ["10.0.0.1", "2001:db8::1"],
  dns: [
    { name: "www.example.org", requests: 3, lastRequest: 100_000 - 60_000 },
    { name: "example.org", requests: 0, lastRequest: null },
  ],
  requests: 3,
  starts: 2,
  failures: 1,
  timeToReady: 2310,
  spec: "",
};

Deno.test("the table has a row for each unikernel, its names below it, and nothing that steers a terminal", () => {
  assertEquals(statusTable([WWW], 100_000).split("\n"), [
    "NAME  STATE   SINCE  STOPS IN  STARTS        REQUESTS  READY IN  ADDRESSES",
    "www   failed  10 s   -         2 (1 failed)  3         2.3 s     10.0.0.1 2001:db8::1",
    "  www.example.org: asked for 3 times, 1 min ago",
    "  example.org: never asked for",
    "  www could not be started: \\u{1b}[2Jno",
    "",
  ]);
});

Deno.test("history has a line for each change, with who brought it about", () => {
  const base = { time: 0, unikernel: "www", origin: "operator" } as const;
  assertEquals(
    historyLines([
      { ...base, what: "configuration", to: "name=www", reason: "jitsu add" },
      {
        ...base,
        what: "state",
        from: "off",
        to: "starting",
        origin: "query",
        reason: "A www.example.org",
      },
      { ...base, what: "configuration", from: "name=www", reason: "reload" },
    ]).split("\n"),
    [
      "1970-01-01T00:00:00Z www: added: name=www (operator: jitsu add)",
      "1970-01-01T00:00:00Z www: off -> starting (query: A www.example.org)",
      "1970-01-01T00:00:00Z www: removed (operator: reload)",
      "",
    ],
  );
});

Deno.test("the servers that are asked are shown with what they lack", () => {
  const server = {
    domain: ".",
    server: "192.0.2.53#53",
    works: true,
    roundTrip: 1.5,
    failures: 0,
    lacks: ["EDNS", "the case of questions"],
  };
  const silent = {
    ...server,
    domain: "corp.example.",
    works: false,
    roundTrip: null,
    failures: 3,
    lacks: [],
  };
  assertEquals(
    upstreamTable([server, silent]),
    `ABOUT          SERVER         STATE           TAKES   LACKS
.              192.0.2.53#53  works           1.5 ms  EDNS, the case of questions
corp.example.  192.0.2.53#53  failed 3 times  -       -
`,
  );
});

Deno.test("below a unikernel stands what was not seen of it, and that it is somebody else's", () => {
  const lines = statusTable([{
    ...WWW,
    state: "ready",
    failure: null,
    unconfirmed: "no TCP connection to 10.0.0.1 port 80",
    ours: false,
  }], 100_000).split("\n");
  assertEquals(lines.slice(-3), [
    "  unconfirmed: no TCP connection to 10.0.0.1 port 80",
    "  Jitsu did not start it, and leaves it running",
    "",
  ]);
});
