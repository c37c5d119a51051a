import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseConnect, urlOf } from "../../../src/backends/xapi/connect.ts";
import { XAPI } from "../../../src/backends/xapi/description.ts";

/** How we would connect, as `user:password@URL`. */
function meaning(text: string): string | undefined {
  const target = parseConnect(text);
  return target &&
    `${target.user}:${target.password}@${urlOf(target, target.host)}`;
}

Deno.test("a URL, with a user or without, is a host of a pool", () => {
  assertEquals(meaning("https://xs1/"), "root:undefined@https://xs1/");
  assertEquals(meaning("https://xs1"), "root:undefined@https://xs1/");
  assertEquals(meaning("https://me@xs1/"), "me:undefined@https://xs1/");
  assertEquals(meaning("http://xs1:8080/"), "root:undefined@http://xs1:8080/");
  assertEquals(meaning("HTTPS://Xs1/"), "root:undefined@https://xs1/");
});

Deno.test("a bare host is one that is reached by HTTPS", () => {
  assertEquals(
    meaning("xs1.example.org"),
    "root:undefined@https://xs1.example.org/",
  );
  assertEquals(
    meaning("me@10.0.0.1:8443"),
    "me:undefined@https://10.0.0.1:8443/",
  );
  assertEquals(
    meaning("[fe80::1]:8443"),
    "root:undefined@https://[fe80::1]:8443/",
  );
});

Deno.test("a user and a password may have any characters, written as in URLs", () => {
  assertEquals(
    meaning("https://me%40domain:a%3Ab%2F%25@xs1/"),
    "me@domain:a:b/%@https://xs1/",
  );
  assertEquals(meaning("me@domain@xs1"), "me@domain:undefined@https://xs1/");
});

Deno.test("the other hosts of a pool are reached as the first one is", () => {
  const target = parseConnect("http://me@xs1:8080/")!;
  assertEquals(urlOf(target, "10.0.0.2"), "http://10.0.0.2:8080/");
  assertEquals(urlOf(target, "fd00::2"), "http://[fd00::2]:8080/");
});

Deno.test("what is no host of a pool is told with what would be", () => {
  for (
    const text of [
      "xen:///",
      "qemu:///system",
      "xapi://xs1/",
      "https://",
      "",
      "https://xs1/path",
      "https://xs1/?a=b",
      "https://xs1/#a",
      "xs1/path",
      "a b",
      "https://%zz@xs1/",
    ]
  ) {
    assertEquals(parseConnect(text), undefined, text);
    assertStringIncludes(XAPI.expectedConnect!(text)!, "https://USER@HOST/");
  }
});
