/**
 * What libvirt says when a call fails, as errors that say what to do.
 *
 * @module
 */
import { readCString } from "../../ffi/c_string.ts";
import { BackendError } from "../backend.ts";
import { redact, showUri, virsh } from "./uri.ts";

/** `virErrorNumber` (virterror.h), those that are told apart here. */
export const VIR_ERR = {
  NO_MEMORY: 2,
  NO_SUPPORT: 3,
  NO_CONNECT: 5,
  SYSTEM_ERROR: 38,
  NO_DOMAIN: 42,
  AUTH_FAILED: 45,
  OPERATION_INVALID: 55,
  OPERATION_TIMEOUT: 68,
  AUTH_CANCELLED: 79,
  NO_DOMAIN_METADATA: 80,
  AUTH_UNAVAILABLE: 94,
} as const;

const ENOENT = 2, EACCES = 13, ECONNREFUSED = 111;

/** A failed call, as libvirt reported it. */
export class LibvirtError extends Error {
  override name = "LibvirtError";
  /**
   * @param code a `virErrorNumber`; 0 where it is our own
   * @param errno the system's error number where the code is `SYSTEM_ERROR`
   */
  constructor(message: string, readonly code = 0, readonly errno = 0) {
    super(message);
  }
}

/** A managed save could not be restored; `cause` is what libvirt says. */
export class RestoreError extends LibvirtError {
  override name = "RestoreError";

  constructor(override readonly cause: LibvirtError) {
    super(cause.message, cause.code, cause.errno);
  }

  /** Whether the next try may succeed: it failed for want of memory or of somebody's time, and not for what was saved. */
  get mayPass(): boolean {
    return this.code === VIR_ERR.NO_MEMORY ||
      this.code === VIR_ERR.OPERATION_TIMEOUT ||
      /memory|allocat|timed out|state change lock|libxenlight/i
        .test(this.message);
  }
}

/** Reads a `virError` (virterror.h), which libvirt frees when the callback that it gave it to returns. */
export function readVirError(error: Deno.PointerObject): LibvirtError {
  const view = new Deno.UnsafePointerView(error);
  const message = view.getPointer(8);
  return new LibvirtError(
    message === null
      ? "no reason given"
      : readCString(message).trim().replaceAll(/\s*\n\s*/g, "; "),
    view.getInt32(0),
    view.getInt32(64),
  );
}

/**
 * What to do about an error of libvirt's Xen driver (src/libxl/libxl_domain.c) that a lack of memory may be the reason of,
 * which it keeps to its log.
 */
export function xenRemedy({ message }: LibvirtError): string {
  return /libxenlight failed to (create new|restore) domain|Failed to balloon domain0 memory/
      .test(message)
    ? '; /var/log/libvirt/libxl/libxl-driver.log says why; where that is memory, dom0 has too much of it: boot Xen with dom0_mem=, or try "xl mem-set 0 SIZE"'
    : "";
}

/** Why the connection cannot be opened, and what to do about it. */
export function connectError(uri: string, error: LibvirtError): BackendError {
  return new BackendError(
    `cannot connect to libvirt at ${showUri(uri)}: ${
      redact(error.message, uri)
    }; ${connectRemedy(uri, error)}`,
  );
}

function connectRemedy(
  uri: string,
  { code, errno, message }: LibvirtError,
): string {
  const isHere = /^([^+:]+(\+unix)?:\/\/\/.*)?$/.test(uri);
  if (
    isHere && code === VIR_ERR.SYSTEM_ERROR && message.includes("socket")
  ) {
    if (errno === ENOENT || errno === ECONNREFUSED) {
      return "is libvirtd running? Start it with `systemctl start libvirtd`, or its driver's own daemon, such as virtqemud";
    }
    if (errno === EACCES) {
      return "this user may not use libvirt's socket: run as root, or add the user to the group libvirt (`adduser USER libvirt`) and log in again";
    }
  }
  switch (code) {
    case VIR_ERR.AUTH_FAILED:
    case VIR_ERR.AUTH_CANCELLED:
    case VIR_ERR.AUTH_UNAVAILABLE:
      return "run as root, add the user to the group libvirt (`adduser USER libvirt`) and log in again, or put the credentials into libvirt's auth.conf";
    case VIR_ERR.NO_CONNECT:
      return "give a connection URI that libvirt knows, such as xen:///system or qemu:///system, and install its driver (libvirt-daemon-driver-* on Debian)";
  }
  return `does ${virsh(uri, "list", "--all")} work?`;
}
