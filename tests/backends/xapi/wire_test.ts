import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  decodeCall,
  decodeReply,
  encodeBare,
  encodeFailure,
  encodeSuccess,
  Malformed,
  type Struct,
} from "./fake/wire.ts";
import {
  asPython,
  EXCHANGES,
  hasPython,
  readWithPython,
} from "./recordings.ts";

Deno.test("the fake writes every recorded reply to the octet", () => {
  assert(EXCHANGES.length >= 7);
  for (const { name, response } of EXCHANGES) {
    const { Value } = decodeReply(response) as Struct;
    assert(encodeSuccess(Value) === response, name);
  }
});

Deno.test({
  name: "the fake reads every recorded call and reply as Python does",
  ignore: !hasPython,
  async fn() {
    assertEquals(
      EXCHANGES.flatMap(({ request, response }) => {
        const { method, params } = decodeCall(request);
        return [
          { method, params: params.map(asPython) },
          { method: null, params: [asPython(decodeReply(response))] },
        ];
      }),
      await readWithPython(
        EXCHANGES.flatMap(({ request, response }) => [request, response]),
      ),
    );
  },
});

Deno.test({
  name: "Python reads what the fake writes, whatever it is",
  ignore: !hasPython,
  async fn() {
    const value = {
      "a <name> & 'more'": ["", " x ", '"<&>"', [], {}],
      int32: 7n,
      double: 0.25,
      yes: true,
      no: false,
      date: new Date(Date.UTC(2014, 8, 19, 15, 48, 5)),
    };
    const [success, failure] = await readWithPython([
      encodeBare(value),
      encodeFailure(["CODE", "a & b"]),
    ]);
    assertEquals(success.params, [asPython(value)]);
    assertEquals(failure.params, [
      { Status: "Failure", ErrorDescription: ["CODE", "a & b"] },
    ]);
  },
});

Deno.test("the fake refuses what is no call", () => {
  const texts = [
    "",
    "x",
    "<methodCall/>",
    "<methodCall><methodName>a</methodName>",
    "<methodCall><methodName>a</methodName></methodCall>x",
    "<methodCall><methodName>a</methodName><params><param></params></methodCall>",
    "<methodCall><methodName>&bogus;</methodName></methodCall>",
  ];
  for (const text of texts) assertThrows(() => decodeCall(text), Malformed);
});

Deno.test("the fake reads what it writes", () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.boolean(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.string({ minLength: 1 }), tie("value"), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
    ),
  }));
  fc.assert(fc.property(value, (each) => {
    assertEquals(decodeReply(encodeBare(each as string)), each as string);
  }));
});
