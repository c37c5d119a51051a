import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { ReplyReader } from "../../../src/backends/xapi/reply_reader.ts";
import { XmlRpcError } from "../../../src/backends/xapi/scalars.ts";
import { encodeCall, type Value } from "../../../src/backends/xapi/xmlrpc.ts";
import { decodeCall, encodeBare, type Wire } from "./fake/wire.ts";
import {
  asPython,
  EXCHANGES,
  hasPython,
  readWithPython,
} from "./recordings.ts";

/** What a reply means that comes in these pieces. */
function decodeResponse(...pieces: string[]): Value {
  const reader = new ReplyReader();
  for (const piece of pieces) reader.push(piece);
  return reader.end();
}
/** A reply with what stands in its `<value>`. */
function reply(content: string): string {
  return `<?xml version="1.0"?><methodResponse><params><param><value>${content}</value></param></params></methodResponse>`;
}
function decode(content: string): Value {
  return decodeResponse(reply(content));
}
function refusal(text: string): string {
  return assertThrows(() => decodeResponse(text), XmlRpcError).message;
}

Deno.test({
  name: "every recorded reply is read as Python reads it",
  ignore: !hasPython,
  async fn() {
    assertEquals(
      EXCHANGES.map(({ response }) => [asPython(decodeResponse(response))]),
      (await readWithPython(EXCHANGES.map(({ response }) => response)))
        .map(({ params }) => params),
    );
  },
});

Deno.test({
  name: "every recorded call means the same when we make it",
  ignore: !hasPython,
  async fn() {
    const calls = EXCHANGES.map(({ request }) => decodeCall(request));
    const ours = calls.map(({ method, params }) =>
      encodeCall(method, params as Value[])
    );
    assertEquals(
      await readWithPython(ours),
      await readWithPython(EXCHANGES.map(({ request }) => request)),
    );
  },
});

const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\r")),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true })
      .filter((number) => !Object.is(number, -0)),
    fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
      .map((date) => new Date(Math.floor(date.getTime() / 1000) * 1000)),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie("value"), { maxKeys: 3 }),
  ),
}));

Deno.test("what XAPI's side writes, we read", () => {
  fc.assert(fc.property(value, (each) => {
    const read = decodeResponse(encodeBare(each as Wire));
    assertEquals(asPython(read), asPython(each));
  }));
});

Deno.test("what we write, XAPI's side reads", () => {
  fc.assert(fc.property(fc.array(value, { maxLength: 3 }), (params) => {
    assertEquals(
      decodeCall(encodeCall("VM.start", params)).params.map(asPython),
      params.map(asPython),
    );
  }));
});

Deno.test("text keeps its white space, its markup and its letters", () => {
  assertEquals(decode(" a\n b "), " a\n b ");
  assertEquals(
    decode("&lt;a&gt; &amp;amp; &#65;&#x42; &quot;&apos; \u00e9"),
    "<a> &amp; AB \"' \u00e9",
  );
  assertEquals(
    decodeCall(encodeCall("a", ["<a> &amp; \r\n\u00e9"])).params,
    ["<a> &amp; \r\n\u00e9"],
  );
});

Deno.test("nothing is the empty string, however it is written", () => {
  for (const content of ["", "<string/>", "<string></string>"]) {
    assertEquals(decode(content), "");
  }
  assertEquals(
    decodeResponse(reply("x").replace("<value>x</value>", "<value/>")),
    "",
  );
});

Deno.test("scalars have their types", () => {
  assertEquals(decode("<i4>-3</i4>"), -3);
  assertEquals(decode("<int>42</int>"), 42);
  assertEquals(decode("<double>1</double>"), 1);
  assertEquals(decode("<double>-1.5e3</double>"), -1500);
  assertEquals(decode("<boolean>0</boolean>"), false);
  assertEquals(decode("<nil/>"), null);
  assertEquals(decode("<i8>-9223372036854775808</i8>"), "-9223372036854775808");
  assertEquals(decode("<double>1e-05</double>"), 0.00001);
  for (const text of ["nan", "-nan", "NaN"]) {
    assertEquals(decode(`<double>${text}</double>`), NaN);
  }
  assertEquals(decode("<double>inf</double>"), Infinity);
  assertEquals(decode("<double>-inf</double>"), -Infinity);
  assertEquals(
    decode("<base64>AAEC\n/w==</base64>"),
    Uint8Array.of(0, 1, 2, 255),
  );
  const date = new Date("2014-09-19T15:48:05Z");
  for (
    const text of [
      "20140919T15:48:05Z",
      "2014-09-19T15:48:05Z",
      "20140919T15:48:05",
      "20140919T17:48:05+02:00",
      "2014-09-19T10:18:05-0530",
      "20140919T16:48:05.000+01",
    ]
  ) {
    assertEquals(decode(`<dateTime.iso8601>${text}</dateTime.iso8601>`), date);
  }
});

Deno.test("white space between elements means nothing", () => {
  const spaced = `<methodResponse>
    <params> <param>
      <value> <array> <data> <value> <i4>1</i4> </value>
      </data> </array> </value> </param> </params>
  </methodResponse>\n`;
  assertEquals(decodeResponse(spaced), [1]);
});

Deno.test("names of members are names, whatever they are", () => {
  const member = (name: string) =>
    `<member><name>${name}</name><value>1</value></member>`;
  const names = ["__proto__", "constructor", "0/ip", "", "a &amp; b"];
  const struct = decode(`<struct>${names.map(member).join("")}</struct>`);
  assertEquals(Object.keys(struct as object).sort(), [
    "",
    "0/ip",
    "__proto__",
    "a & b",
    "constructor",
  ]);
});

Deno.test("names of members may have markup in them that is not escaped, as XAPI writes them", () => {
  const names = ["R&D", "&", "a & b", "R&amp;D", "&bogus;", "a<b", "<b>x</b>"];
  const struct = (name: string) =>
    reply(
      `<struct><member><name>${name}</name><value>1</value></member></struct>`,
    );
  for (const name of names) {
    const read = name === "R&amp;D" ? "R&D" : name;
    assertEquals(Object.keys(decodeResponse(struct(name)) as object), [read]);
    // Whatever comes in one piece, and whatever in the next.
    assertEquals(
      Object.keys(decodeResponse(...struct(name)) as object),
      [read],
    );
  }
});

Deno.test("a reply means the same wherever it is cut in pieces", () => {
  fc.assert(
    fc.property(
      value,
      fc.array(fc.nat(200), { maxLength: 20 }),
      (each, cuts) => {
        const whole = encodeBare(each as Wire);
        const pieces: string[] = [];
        let at = 0;
        for (const length of cuts) pieces.push(whole.slice(at, at += length));
        pieces.push(whole.slice(at));
        assertEquals(
          asPython(decodeResponse(...pieces)),
          asPython(decodeResponse(whole)),
        );
      },
    ),
  );
});

Deno.test("a large reply is read in time that grows with its length alone, whatever is in it", () => {
  const least = 2 ** 17;
  const kinds: [string, (length: number) => string][] = [
    ["one text", (length) => "x".repeat(length)],
    ["ampersands", (length) => "&amp;".repeat(length / 5)],
    [
      "one name",
      (length) =>
        `<struct><member><name>${
          "&<".repeat(length / 2)
        }</name><value/></member></struct>`,
    ],
    [
      "many values",
      (length) =>
        `<array><data>${"<value/>".repeat(length / 8)}</data></array>`,
    ],
    ["white space", (length) => `<array>${" ".repeat(length)}<data/></array>`],
  ];
  const time = (text: string) => {
    const began = performance.now();
    decodeResponse(...text.match(/[^]{1,32768}/g)!);
    return performance.now() - began;
  };
  for (const [what, make] of kinds) {
    const [once, eightfold] = [least, 8 * least].map((length) =>
      Math.min(...[1, 2, 3].map(() => time(reply(make(length)))))
    );
    assert(eightfold < 40 * once + 200, `${what}: ${once}, ${eightfold} ms`);
  }
});

Deno.test("a scalar that is none is refused with what it is", () => {
  for (
    const [content, message] of [
      ["<i4>1.5</i4>", '"1.5" is no i4'],
      ["<int>99999999999999999999</int>", "is no int"],
      ["<boolean>yes</boolean>", '"yes" is no boolean'],
      ["<double>one</double>", '"one" is no double'],
      ["<i8>1.5</i8>", '"1.5" is no i8'],
      ["<base64>*</base64>", '"*" is no base64'],
      [
        "<dateTime.iso8601>today</dateTime.iso8601>",
        '"today" is no dateTime.iso8601',
      ],
      [
        "<dateTime.iso8601>20141399T00:00:00Z</dateTime.iso8601>",
        "is no dateTime.iso8601",
      ],
      ["<base65>x</base65>", "unknown type <base65>"],
    ]
  ) assertStringIncludes(refusal(reply(content)), message);
});

Deno.test("what is not a reply is refused", () => {
  for (
    const text of [
      "",
      "x",
      "<methodResponse/>",
      "<methodResponse><params/></methodResponse>",
      "<methodCall/>",
      reply("a") + reply("b"),
      reply("a<string>b</string>"),
      reply("<string>a</string><string>b</string>"),
      reply("<array><value>a</value></array>"),
      reply("<array><data/><data/></array>"),
      reply("<struct><member><value>a</value></member></struct>"),
      reply("<struct><member><name>a</name></member></struct>"),
      reply("<struct><name>a</name></struct>"),
      reply("<string><b/></string>"),
      reply("a & b"),
      reply("&#xD800;"),
      reply("&#0;"),
      reply("&constructor;"),
      reply("<![CDATA[a]]>"),
      reply("<!-- a -->"),
      reply("<constructor>a</constructor>"),
    ]
  ) refusal(text);
});

Deno.test("a reply that was cut off is refused wherever that was", () => {
  const whole = reply("<array><data><value>a</value></data></array>");
  for (let end = 0; end < whole.length; end++) refusal(whole.slice(0, end));
});

Deno.test("a fault is told", () => {
  const member =
    "<member><name>faultString</name><value>no such method</value></member>";
  const text =
    `<methodResponse><fault><value><struct>${member}</struct></value></fault></methodResponse>`;
  assertStringIncludes(refusal(text), "no such method");
});

Deno.test("an XML bomb is refused before anything of it grows", () => {
  const lol = Array.from(
    { length: 10 },
    (_, i) => `<!ENTITY lol${i + 1} "${`&lol${i};`.repeat(10)}">`,
  );
  const bomb = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol0 "lol">${
    lol.join("")
  }]>${reply("&lol10;").replace(/^<[^>]*>/, "")}`;
  assertStringIncludes(refusal(bomb), "<!DOCTYPE");
  const deep = 100_000;
  assertStringIncludes(
    refusal(
      reply(
        "<array><data><value>".repeat(deep) +
          "</value></data></array>".repeat(deep),
      ),
    ),
    "nested",
  );
});

Deno.test("any text is a reply or refused as none", () => {
  const soup = fc.array(fc.constantFrom(
    ...[
      "<value>",
      "</value>",
      "<struct>",
      "<methodResponse>",
      "<params>",
      "<param>",
      "<array/>",
      "&",
      "&amp;",
      "x",
      " ",
      "<!",
      "<?xml ?>",
      "</",
    ],
  )).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(fc.string(), soup, soup.map(reply)), (text) => {
      try {
        decodeResponse(text);
      } catch (error) {
        if (!(error instanceof XmlRpcError)) throw error;
      }
    }),
  );
});

Deno.test("what XML cannot hold is not sent", () => {
  for (const text of ["\0", "\x1b", "\ud800", "\uffff"]) {
    assertThrows(() => encodeCall("a", [text]), XmlRpcError, "XML has no way");
  }
});
