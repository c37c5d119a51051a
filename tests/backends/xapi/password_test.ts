import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { parseConnect } from "../../../src/backends/xapi/connect.ts";
import { findPassword } from "../../../src/backends/xapi/password.ts";
import { collectLog } from "../../collect_log.ts";
import { withFile } from "./set_up.ts";

const bare = parseConnect("https://me@xs1/")!;
const inUrl = parseConnect("https://me:from-url@xs1/")!;

/** An environment with that password, or without one. */
function environment(password?: string) {
  return {
    get: (name: string) =>
      name === "JITSU_XAPI_PASSWORD" ? password : undefined,
  };
}

Deno.test("a password comes from the file, then the environment, then the URL", async () => {
  collectLog("backend");
  await withFile("from-file\n", (path) => {
    assertEquals(
      findPassword(inUrl, path, environment("from-env")).value,
      "from-file",
    );
  });
  assertEquals(
    findPassword(inUrl, undefined, environment("from-env")).value,
    "from-env",
  );
  assertEquals(
    findPassword(inUrl, undefined, environment()).value,
    "from-url",
  );
  assertEquals(
    findPassword(inUrl, undefined, environment("")).value,
    "from-url",
  );
});

Deno.test("a password in the URL is warned about, and not shown", () => {
  const log = collectLog("backend");
  findPassword(inUrl, undefined, environment("from-env"));
  assertEquals(log.length, 1);
  assertStringIncludes(
    log[0],
    "WARN the password in --connect can be seen by everybody",
  );
  assertEquals(log[0].includes("from-url"), false);
});

Deno.test("a password file that others can read is warned about, and used", async () => {
  for (
    const [mode, warnings] of [[0o600, 0], [0o400, 0], [0o640, 1], [0o604, 1]]
  ) {
    const log = collectLog("backend");
    await withFile("secret", (path) => {
      assertEquals(
        findPassword(bare, path, environment()).value,
        "secret",
      );
      assertEquals(log.length, warnings);
      if (warnings) assertStringIncludes(log[0], `chmod 600 ${path}`);
    }, mode);
  }
});

Deno.test("only the line's end is no part of a password", async () => {
  collectLog("backend");
  for (
    const [content, password] of [
      [" a b \n", " a b "],
      ["a\r\n", "a"],
      ["a\n\n", "a\n"],
    ]
  ) {
    await withFile(content, (path) => {
      assertEquals(
        findPassword(bare, path, environment()).value,
        password,
      );
    });
  }
});

Deno.test("a password that is missing is told with how to give it", async () => {
  collectLog("backend");
  const refusal = (file?: string) =>
    assertThrows(
      () => findPassword(bare, file, environment()),
      BackendError,
    ).message;
  assertStringIncludes(refusal(), "there is no password for me at xs1: ");
  assertStringIncludes(refusal(), "--xapi-password-file");
  assertStringIncludes(
    refusal("/nonexistent"),
    "--xapi-password-file /nonexistent: no such file",
  );
  await withFile("\n", (path) => {
    assertStringIncludes(refusal(path), `${path} is empty`);
  });
});
