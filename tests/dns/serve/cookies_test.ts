import { assert, assertEquals } from "@std/assert";
import { Cookies } from "../../../src/dns/serve/cookies.ts";
import { sipHash24 } from "../../../src/dns/wire/siphash.ts";
import { parseAddress } from "../../../src/net/address.ts";

const octets = (hex: string) => Uint8Array.fromHex(hex);

Deno.test("SipHash-2-4 gives the test vectors of its authors", () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  const message = (length: number) => Uint8Array.from({ length }, (_, i) => i);
  assertEquals(sipHash24(key, message(0)), octets("310e0edd47db6f72"));
  assertEquals(sipHash24(key, message(1)), octets("fd67dc93c539f874"));
  assertEquals(
    sipHash24(key, message(8)),
    octets("6224939a79f5f593"),
  );
  assertEquals(sipHash24(key, message(15)), octets("e545be4961ca29a1"));
  assertEquals(sipHash24(key, message(63)), octets("724506eb4c328a95"));
});

Deno.test("a server cookie is what RFC 9018 appendix A.1 says", () => {
  const cookies = new Cookies(
    () => 1559731985,
    octets("e5e973e5a6b2a43f48e7dc849e37bfcf"),
  );
  const option = cookies.option(
    octets("2464c4abcf10c957"),
    parseAddress("198.51.100.100")!,
    false,
  );
  assertEquals(
    option.subarray(4),
    octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480"),
  );
});

Deno.test("a server cookie for an IPv6 client is what RFC 9018 appendix A.4 says, before and after the roll-over", () => {
  const address = parseAddress("2001:db8:220:1:59de:d0f4:8769:82b8")!;
  for (
    const [secret, now, server] of [
      [
        "dd3bdf9344b678b185a6f5cb60fca715",
        1559741817,
        "010000005cf7c57926556bd0934c72f8",
      ],
      [
        "445536bcd2513298075a5d379663c962",
        1559741961,
        "010000005cf7c609a6bb79d16625507a",
      ],
    ] as const
  ) {
    const cookies = new Cookies(() => now, octets(secret));
    const option = cookies.option(octets("22681ab97d52c298"), address, false);
    assertEquals(option.subarray(4), octets("22681ab97d52c298" + server));
  }
});

const ADDRESS = parseAddress("192.0.2.1")!;
const CLIENT = octets("0102030405060708");

function given(now = 1_000_000) {
  const clock = { now };
  const cookies = new Cookies(() => clock.now);
  const cookie = cookies.option(CLIENT, ADDRESS, false).slice(4);
  return { clock, cookies, cookie };
}

Deno.test("a cookie is valid for the address it was made for, and no other", () => {
  const { cookies, cookie } = given();
  assert(cookies.isValid(cookie, ADDRESS));
  assert(!cookies.isValid(cookie, parseAddress("192.0.2.2")!));
  for (let i = 0; i < cookie.length; i++) {
    const forged = cookie.slice();
    forged[i] ^= 1;
    // The reserved octets are part of what is hashed too.
    assert(!cookies.isValid(forged, ADDRESS), `octet ${i}`);
  }
  assert(!cookies.isValid(CLIENT, ADDRESS));
});

Deno.test("a cookie is given back for half an hour, then a fresh one, and after an hour it is void", () => {
  const { clock, cookies, cookie } = given();
  clock.now += 1799;
  assertEquals(cookies.option(cookie, ADDRESS, true).subarray(4), cookie);
  clock.now += 1;
  const fresh = cookies.option(cookie, ADDRESS, true).subarray(4);
  assert(cookies.isValid(cookie, ADDRESS) && cookies.isValid(fresh, ADDRESS));
  clock.now += 1801;
  assert(!cookies.isValid(cookie, ADDRESS));
  assert(cookies.isValid(fresh, ADDRESS));
});

Deno.test("a cookie from ahead of the clock is void beyond five minutes", () => {
  const { clock, cookies, cookie } = given();
  clock.now -= 300;
  assert(cookies.isValid(cookie, ADDRESS));
  clock.now -= 1;
  assert(!cookies.isValid(cookie, ADDRESS));
});

Deno.test("when the secret rolls over, cookies made before it stay valid for their time", () => {
  const { clock, cookies } = given();
  clock.now += 86_399;
  const before = cookies.option(CLIENT, ADDRESS, false).slice(4);
  clock.now += 2;
  const after = cookies.option(CLIENT, ADDRESS, false).slice(4);
  assert(cookies.isValid(before, ADDRESS) && cookies.isValid(after, ADDRESS));
  clock.now += 86_400;
  assert(!cookies.isValid(before, ADDRESS));
});
