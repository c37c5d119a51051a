import { assert, assertEquals, assertStringIncludes } from "@std/assert";
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

Deno.test("a refusal for want of a role names what was asked for and who may do it", () => {
  assertEquals(
    message(
      "RBAC_PERMISSION_DENIED",
      "vm.start_on",
      "No permission in user session. (Roles with this permission: pool-admin, vm-power-admin, pool-operator)",
    ),
    "the user may not do vm.start_on: log in as one with one of the roles pool-admin, pool-operator, vm-power-admin " +
      "[RBAC_PERMISSION_DENIED]",
  );
  for (const what of ["vm.start_on", "VM.resume_on"]) {
    assertStringIncludes(
      message("RBAC_PERMISSION_DENIED", what, "No permission (<Could not>)"),
      "the role vm-power-admin or more (which xapi_host needs)",
    );
  }
  assertStringIncludes(
    message("RBAC_PERMISSION_DENIED", "vm.start", "no"),
    "may not do vm.start: log in as one with the role vm-operator or more",
  );
});

Deno.test("references are no words of an error", () => {
  assertEquals(
    message("SOMETHING_NEW", "OpaqueRef:***", "full", "OpaqueRef:1"),
    "XAPI refused: full [SOMETHING_NEW]",
  );
  assertEquals(
    message("SOMETHING_NEW", "OpaqueRef:***"),
    "XAPI refused [SOMETHING_NEW]",
  );
});

Deno.test("every error that XAPI documents for what we do to VMs has a meaning", () => {
  // `errs` of VM.start, start_on, resume, resume_on, unpause, suspend, clean_shutdown and hard_shutdown (datamodel_vm.ml)
  for (
    const code of [
      "BOOTLOADER_FAILED",
      "LICENCE_RESTRICTION",
      "NO_HOSTS_AVAILABLE",
      "OPERATION_NOT_ALLOWED",
      "OTHER_OPERATION_IN_PROGRESS",
      "UNKNOWN_BOOTLOADER",
      "VM_BAD_POWER_STATE",
      "VM_HVM_REQUIRED",
      "VM_IS_TEMPLATE",
    ]
  ) {
    const told = message(code, "OpaqueRef:***", "a", "b", "OpaqueRef:***");
    assert(!told.includes("XAPI refused"), told);
  }
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
