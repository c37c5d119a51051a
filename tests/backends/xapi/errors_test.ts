import { assert, assertEquals } from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { isXapiError, XapiError } from "../../../src/backends/xapi/errors.ts";

const message = (code: string, ...params: string[]) =>
  new XapiError(code, params).message;

Deno.test("an error of XAPI says what it means, with its code", () => {
  assertEquals(
    message("VM_BAD_POWER_STATE", "OpaqueRef:1", "Halted", "Running"),
    "it is running, and would have to be halted [VM_BAD_POWER_STATE]",
  );
  assertEquals(
    message("HOST_NOT_ENOUGH_FREE_MEMORY", "4294967296", "1048577"),
    "no host has enough memory free for it (4096 MiB needed, 2 MiB there) [HOST_NOT_ENOUGH_FREE_MEMORY]",
  );
  assertEquals(
    message("HOST_IS_SLAVE", "10.0.0.1"),
    "that host is not the master of its pool, which is 10.0.0.1 [HOST_IS_SLAVE]",
  );
});

Deno.test("the number at the end of a storage error's code does not hide what it means", () => {
  assert(
    message("SR_BACKEND_FAILURE_46", "", "", "locked").startsWith(
      "its storage did not work",
    ),
  );
});

Deno.test("an unknown error is shown with its parameters, on one line", () => {
  assertEquals(
    message("NEW_CODE", "a\n b", "c"),
    "XAPI refused: a b, c [NEW_CODE]",
  );
  assertEquals(message("NEW_CODE"), "XAPI refused [NEW_CODE]");
  assertEquals(message("constructor"), "XAPI refused [constructor]");
});

Deno.test("an error that lacks its parameters is an error all the same", () => {
  for (
    const code of [
      "VM_BAD_POWER_STATE",
      "HOST_IS_SLAVE",
      "HANDLE_INVALID",
      "INTERNAL_ERROR",
      "VM_NON_SUSPENDABLE",
    ]
  ) {
    assert(!message(code).includes("undefined"), message(code));
  }
});

Deno.test("errors are told by their codes", () => {
  const error = new XapiError("EVENTS_LOST", []);
  assert(error instanceof BackendError);
  assert(isXapiError(error, "SESSION_INVALID", "EVENTS_LOST"));
  assert(!isXapiError(error, "SESSION_INVALID"));
  assert(!isXapiError(new Error("EVENTS_LOST"), "EVENTS_LOST"));
});
