import { assertEquals } from "@std/assert";
import { parseDig } from "./harness.ts";

Deno.test("what dig prints is read: status, flags, records and extended errors", () => {
  assertEquals(
    parseDig(`
; <<>> DiG 9.18.49 <<>> @127.0.0.1 -p 5353 www.test ANY
; (1 server found)
;; global options: +cmd
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: SERVFAIL, id: 46150
;; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 1, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
; EDE: 22 (No Reachable Authority): (www could not be started: it went off (code 1))
; EDE: 0
;; QUESTION SECTION:
;www.test.			IN	ANY

;; ANSWER SECTION:
www.test.		1	IN	A	127.0.0.2
www.test.		1	IN	TXT	"a b"

;; AUTHORITY SECTION:
test.		60	IN	SOA	test. hostmaster.test. 1 3600 600 86400 60

;; Query time: 4 msec
`),
    {
      status: "SERVFAIL",
      flags: ["qr", "aa", "rd"],
      answers: [
        { name: "www.test.", ttl: 1, type: "A", data: "127.0.0.2" },
        { name: "www.test.", ttl: 1, type: "TXT", data: '"a b"' },
      ],
      authority: [{
        name: "test.",
        ttl: 60,
        type: "SOA",
        data: "test. hostmaster.test. 1 3600 600 86400 60",
      }],
      ede: [
        {
          code: 22,
          text: "www could not be started: it went off (code 1)",
        },
        { code: 0, text: "" },
      ],
    },
  );
});

Deno.test("a dig that got no response is told as such", () => {
  const { status, flags, answers } = parseDig(
    ";; communications error to 127.0.0.1#1: connection refused\n\n;; no servers could be reached\n",
  );
  assertEquals([status, flags, answers], ["no response", [], []]);
});
