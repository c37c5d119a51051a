import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { didYouMean, printable, quoted } from "../../src/values/text.ts";

Deno.test("a plain text is shown as it is", () => {
  assertEquals(printable("dns=www.example.org"), "dns=www.example.org");
  assertEquals(quoted("bücher\\,"), '"bücher\\,"');
});

Deno.test("a text is shown on one line without control characters", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert(!/[\p{C}\u2028\u2029]/u.test(printable(text)));
  }));
  assertEquals(printable("a\nb\x1b[2J"), "a\\u{a}b\\u{1b}[2J");
});

Deno.test("a long text is cut off", () => {
  assertEquals(printable("é".repeat(80)), "é".repeat(80));
  assertEquals(printable("é".repeat(81)), "é".repeat(77) + "...");
});

Deno.test("the credentials in a URI are not shown", () => {
  fc.assert(fc.property(
    fc.stringMatching(/^SECRET[ -~]*$/),
    fc.stringMatching(/^[^@]*$/),
    (secret, rest) => {
      assert(!printable(`xen://${secret}@host/${rest}`).includes("SECRET"));
    },
  ));
  assertEquals(
    printable("https://root:pw@host/?a=b"),
    "https://...@host/?a=b",
  );
});

Deno.test("a slip of the pen and a beginning get a suggestion", () => {
  const names = ["--delay", "--listen", "--log-format", "dns", "ip"];
  assertEquals(didYouMean("--delya", names), "; did you mean --delay?");
  assertEquals(didYouMean("--LISTEN", names), "; did you mean --listen?");
  assertEquals(didYouMean("--log", names), "; did you mean --log-format?");
  assertEquals(didYouMean("dn", names), "; did you mean dns?");
  assertEquals(didYouMean("ips", names), "; did you mean ip?");
});

Deno.test("what is far from every name gets no suggestion", () => {
  const names = ["--delay", "dns", "ip"];
  for (const text of ["--verbose", "vm", "x", "", "constructor"]) {
    assertEquals(didYouMean(text, names), "");
  }
});
