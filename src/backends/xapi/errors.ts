/**
 * What goes wrong between us and a pool: errors that XAPI reports, in the user's words, and replies that never came.
 *
 * @module
 */
import { BackendError } from "../backend.ts";

/** No reply of XAPI came from an address: it is down, not to be trusted, hung, or something else. Worth a retry. */
export class Unreachable extends BackendError {
  override name = "Unreachable";
}

/** No reply of XAPI came from an address in the time there was for it. */
export class Late extends Unreachable {
  override name = "Late";
}

/** XAPI has replied with what cannot be read, for its size or its form. The next reply may be as good as ever. */
export class Unreadable extends BackendError {
  override name = "Unreadable";
}

/** A reply takes longer than there was time for it, while the same host replies to other calls. */
export class Slow extends BackendError {
  override name = "Slow";
}

/** XAPI does not let us in for who we are, or did not a short while ago. Trying again soon could lock the account. */
export class LoginRefused extends BackendError {
  override name = "LoginRefused";
}

/** The pool has no VM of that name or UUID. */
export class NoSuchVm extends BackendError {
  override name = "NoSuchVm";
}

/** XAPI's own error, `[code, ...params]` (ErrorDescription of a reply, error_info of a task). */
export class XapiError extends BackendError {
  override name = "XapiError";

  constructor(readonly code: string, readonly params: readonly string[]) {
    // Storage errors end in a number: SR_BACKEND_FAILURE_46.
    const name = code.replace(/_\d+$/, "");
    const meaning = Object.hasOwn(MEANINGS, name)
      ? MEANINGS[name]([...params, "?", "?", "?"])
      : unexplained(params);
    super(`${meaning} [${code}]`.replace(/\s+/g, " "));
  }
}

/** Whether an error is XAPI's with one of these codes. */
export function isXapiError(
  error: unknown,
  ...codes: string[]
): error is XapiError {
  return error instanceof XapiError && codes.includes(error.code);
}

/** What an error says that nobody here knows: its parameters, without references, which tell nobody anything. */
function unexplained(params: readonly string[]): string {
  const told = params.filter((each) =>
    each !== "" && !each.startsWith("OpaqueRef:")
  );
  return ["XAPI refused", told.join(", ")].filter((each) => each).join(": ");
}

/** What the user may not do, and who may: XAPI's message ends in "(Roles with this permission: a, b)". */
function permission(what: string, message: string): string {
  const [, list] = /Roles with this permission: ([\w-]+(?:, [\w-]+)*)\)/.exec(
    message,
  ) ?? [];
  const roles = list?.split(", ").sort() ?? [];
  const needed = roles.length > 1
    ? `one of the roles ${roles.join(", ")}`
    : `the role ${
      roles[0] ??
        (/\.(start|resume)_on$/i.test(what)
          ? "vm-power-admin or more (which xapi_host needs)"
          : "vm-operator or more")
    }`;
  return `the user may not do ${what}: log in as one with ${needed}`;
}

const STORAGE =
  "its storage did not work: look at the SR in XenCenter or with `xe sr-list`";

/**
 * What the codes mean for whoever summons a VM, from their parameters (xapi's datamodel_errors.ml). A code that is not
 * here is shown with its parameters.
 */
const MEANINGS: Record<string, (params: readonly string[]) => string> = {
  // Sessions
  SESSION_AUTHENTICATION_FAILED: () =>
    "the user name or the password is wrong: see --connect and --xapi-password-file",
  SESSION_AUTHORIZATION_FAILED: () =>
    "the user has no role in this pool: give it one with `xe subject-role-add`",
  SESSION_INVALID: () => "the session is over",
  HOST_IS_SLAVE: ([master]) =>
    `that host is not the master of its pool, which is ${master}`,
  HOST_STILL_BOOTING: () => "the host is still booting",
  HOST_IN_EMERGENCY_MODE: () =>
    "the host has lost its pool's master and waits for it or for another",
  TOO_BUSY: () => "the pool's master is too busy",
  TOO_MANY_PENDING_TASKS: () => "the pool's master has too many pending tasks",
  RBAC_PERMISSION_DENIED: ([what, message]) => permission(what, message),
  PERMISSION_DENIED: ([message]) => permission(message, ""),
  USER_IS_NOT_LOCAL_SUPERUSER: () =>
    "only the pool's own root may do this: name it in --connect",
  EVENTS_LOST: () => "the pool has dropped events that we had not seen",
  NOT_SUPPORTED_DURING_UPGRADE: () => "the pool is being upgraded",
  // The VM
  HANDLE_INVALID: ([type]) => `the pool has no such ${type} (any more)`,
  UUID_INVALID: ([type, uuid]) =>
    `the pool has no ${type} with the UUID ${uuid}`,
  VM_IS_TEMPLATE: () => "it is a template: make a VM of it first",
  VM_IS_SNAPSHOT: () => "it is a snapshot: make a VM of it first",
  VM_BAD_POWER_STATE: ([, expected, actual]) =>
    `it is ${actual.toLowerCase()}, and would have to be ${expected.toLowerCase()}`,
  OTHER_OPERATION_IN_PROGRESS: ([, , operation]) =>
    `another operation on it is under way${operation ? ` (${operation})` : ""}`,
  OPERATION_NOT_ALLOWED: ([reason]) => `this is not allowed now: ${reason}`,
  OPERATION_BLOCKED: ([, reason]) =>
    `somebody has blocked this operation (its blocked_operations): ${reason}`,
  VM_LACKS_FEATURE: () =>
    "its guest cannot be asked, it has no agent or driver for that: use mode=destroy",
  VM_MISSING_PV_DRIVERS: () =>
    "its guest cannot be asked, it has no PV drivers: use mode=destroy",
  VM_OLD_PV_DRIVERS: () =>
    "its guest has PV drivers that are too old for that: use mode=destroy",
  VM_NON_SUSPENDABLE: ([, reason]) =>
    `it cannot be suspended (${reason}): use mode=destroy or shutdown`,
  VM_NO_SUSPEND_SR: () =>
    "there is no storage to suspend it to: set the pool's suspend-image-SR, or use mode=destroy",
  VM_HAS_PCI_ATTACHED: () =>
    "it has a PCI device of its host, which rules this out: use mode=destroy",
  VM_HAS_VGPU: () =>
    "it has a virtual GPU, which rules this out: use mode=destroy",
  VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT: () =>
    "its guest did not react when asked to shut down",
  VM_FAILED_SUSPEND_ACKNOWLEDGMENT: () =>
    "its guest did not react when asked to suspend",
  VM_SHUTDOWN_TIMEOUT: ([, seconds]) =>
    `its guest did not shut down within ${seconds} s`,
  VM_SUSPEND_TIMEOUT: ([, seconds]) =>
    `its guest did not suspend within ${seconds} s`,
  VM_CRASHED: () => "it crashed",
  VM_HALTED: () => "it halted meanwhile",
  VM_REBOOTED: () => "it rebooted meanwhile",
  VM_HVM_REQUIRED: () =>
    "it needs hardware virtualization (HVM): its host lacks that, or it is set up for PV",
  VM_IS_PROTECTED: () =>
    "the pool's HA protects it: set its ha-restart-priority to nothing, or leave it to HA",
  VM_NO_VCPUS: () => "it has no virtual CPU",
  VM_TOOMANY_VCPUS: () => "it has too many virtual CPUs",
  VM_MEMORY_SIZE_TOO_LOW: () => "it has too little memory to start",
  MEMORY_CONSTRAINT_VIOLATION: ([constraint]) =>
    `its memory limits do not fit together: ${constraint}`,
  MEMORY_CONSTRAINT_VIOLATION_ORDER: () =>
    "its memory limits do not fit together",
  MEMORY_CONSTRAINT_VIOLATION_MAXPIN: ([reason]) =>
    `its memory limits have to be equal: ${reason}`,
  VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE: ([most, cores]) =>
    `its VCPUs_max (${most}) is no multiple of its cores per socket (${cores})`,
  VM_DUPLICATE_VBD_DEVICE: ([, , device]) =>
    `two of its disks are to be the device ${device}`,
  VM_REQUIRES_VDI: () => "a disk of it cannot be attached",
  VDI_IN_USE: ([, operation]) => `a disk of it is in use (${operation})`,
  VDI_NOT_AVAILABLE: () => "a disk of it cannot be attached",
  DOMAIN_EXISTS: ([, domid]) =>
    `a domain of it is still there (${domid}), although it should be off`,
  UNKNOWN_BOOTLOADER: ([, bootloader]) =>
    `its host has no boot loader ${bootloader}`,
  BOOTLOADER_FAILED: ([, message]) => `its boot loader failed: ${message}`,
  FAILED_TO_START_EMULATOR: ([, name, message]) =>
    `its emulator ${name} did not start: ${message}`,
  LICENCE_RESTRICTION: ([feature]) =>
    `the pool's licence does not allow it (${feature})`,
  LICENSE_EXPIRED: () => "the pool's licence has expired",
  // Where it could run
  NO_HOSTS_AVAILABLE: () =>
    "no host of the pool can run it now: they are disabled, full, or lack its storage or network",
  HOST_NOT_ENOUGH_FREE_MEMORY: ([needed, available]) =>
    `no host has enough memory free for it (${mebibytes(needed)} needed, ${
      mebibytes(available)
    } there)`,
  HOST_NOT_ENOUGH_PCPUS: ([needed, available]) =>
    `that host has ${available} CPUs, and it needs ${needed}`,
  HOST_EVACUATE_IN_PROGRESS: () => "its host is being evacuated",
  HOST_HAS_NO_MANAGEMENT_IP: () =>
    "that host has no address on its management interface",
  HOST_DISABLED: () => "its host is disabled: `xe host-enable` enables it",
  HOST_OFFLINE: () => "its host cannot be reached from the pool's master",
  HOST_NOT_LIVE: () => "its host is not live",
  VM_REQUIRES_SR: () => "that host does not have the storage that it needs",
  VM_REQUIRES_NETWORK: () => "that host does not have a network that it needs",
  VM_REQUIRES_GPU: () => "that host does not have a GPU that it needs",
  VM_REQUIRES_VGPU: () => "that host does not have a virtual GPU that it needs",
  VM_REQUIRES_VUSB: () => "that host does not have a USB device that it needs",
  VM_REQUIRES_IOMMU: () =>
    "that host does not have the IOMMU (VT-d) that it needs",
  VM_HOST_INCOMPATIBLE_VERSION: () => "that host's version is too old for it",
  VM_INCOMPATIBLE_WITH_THIS_HOST: ([, , reason]) =>
    `it cannot run on that host's CPU (${reason})`,
  HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN: () =>
    "with it running, the pool's HA could not bear as many host failures as it is set to",
  SR_BACKEND_FAILURE: ([, , message]) => `${STORAGE}: ${message}`,
  SR_NOT_ATTACHED: () => STORAGE,
  SR_ATTACH_FAILED: () => STORAGE,
  SR_HAS_NO_PBDS: () => STORAGE,
  TASK_CANCELLED: () => "somebody cancelled it",
  INTERNAL_ERROR: ([message]) => `XAPI had a fault of its own: ${message}`,
};

function mebibytes(bytes: string): string {
  return `${Math.ceil(Number(bytes) / 2 ** 20)} MiB`;
}
