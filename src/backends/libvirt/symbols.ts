/**
 * The functions of libvirt that Jitsu calls, each with its C prototype (libvirt-host.h, libvirt-domain.h,
 * libvirt-event.h, virterror.h). All are in libvirt 0.10.0 (2012) and later.
 *
 * `nonblocking` is everything that may talk to a daemon or wait for a lock, and everything that may fail: libvirt
 * reports a failure by calling back into JavaScript before it returns, which a blocking call cannot have.
 *
 * @module
 */
import { FREE } from "../../ffi/libc.ts";

export const SYMBOLS = {
  virInitialize: {
    parameters: [],
    result: "i32",
  },

  virSetErrorFunc: {
    parameters: [
      "pointer", // void *userData
      "function", // virErrorFunc handler
    ],
    result: "void",
  },

  virConnSetErrorFunc: {
    parameters: [
      "pointer", // virConnectPtr conn
      "pointer", // void *userData
      "function", // virErrorFunc handler
    ],
    result: "void",
  },

  virEventRegisterDefaultImpl: {
    parameters: [],
    result: "i32",
  },

  virEventRunDefaultImpl: {
    parameters: [],
    result: "i32",
    nonblocking: true,
  },

  virEventAddTimeout: {
    parameters: [
      "i32", // int frequency
      "function", // virEventTimeoutCallback cb
      "pointer", // void *opaque
      "function", // virFreeCallback ff
    ],
    result: "i32",
  },

  virEventRemoveTimeout: {
    parameters: [
      "i32", // int timer
    ],
    result: "i32",
  },

  virConnectOpen: {
    parameters: [
      "buffer", // const char *name
    ],
    result: "pointer", // virConnectPtr
    nonblocking: true,
  },

  virConnectClose: {
    parameters: [
      "pointer", // virConnectPtr conn
    ],
    result: "i32", // references that are left
    nonblocking: true,
  },

  virConnectIsAlive: {
    parameters: [
      "pointer", // virConnectPtr conn
    ],
    result: "i32",
    nonblocking: true,
  },

  virConnectGetHostname: {
    parameters: [
      "pointer", // virConnectPtr conn
    ],
    result: "pointer", // char *, to be freed
    nonblocking: true,
  },

  virConnectGetCapabilities: {
    parameters: [
      "pointer", // virConnectPtr conn
    ],
    result: "pointer", // char *, to be freed
    nonblocking: true,
  },

  virConnectSetKeepAlive: {
    parameters: [
      "pointer", // virConnectPtr conn
      "i32", // int interval
      "u32", // unsigned int count
    ],
    result: "i32",
    nonblocking: true,
  },

  virConnectRegisterCloseCallback: {
    parameters: [
      "pointer", // virConnectPtr conn
      "function", // virConnectCloseFunc cb
      "pointer", // void *opaque
      "pointer", // virFreeCallback freecb
    ],
    result: "i32",
    nonblocking: true,
  },

  virConnectUnregisterCloseCallback: {
    parameters: [
      "pointer", // virConnectPtr conn
      "function", // virConnectCloseFunc cb
    ],
    result: "i32",
    nonblocking: true,
  },

  virConnectDomainEventRegisterAny: {
    parameters: [
      "pointer", // virConnectPtr conn
      "pointer", // virDomainPtr dom
      "i32", // int eventID
      "function", // virConnectDomainEventGenericCallback cb
      "pointer", // void *opaque
      "pointer", // virFreeCallback freecb
    ],
    result: "i32",
    nonblocking: true,
  },

  virConnectDomainEventDeregisterAny: {
    parameters: [
      "pointer", // virConnectPtr conn
      "i32", // int callbackID
    ],
    result: "i32",
    nonblocking: true,
  },

  virConnectListAllDomains: {
    parameters: [
      "pointer", // virConnectPtr conn
      "buffer", // virDomainPtr **domains
      "u32", // unsigned int flags
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainLookupByName: {
    parameters: [
      "pointer", // virConnectPtr conn
      "buffer", // const char *name
    ],
    result: "pointer", // virDomainPtr
    nonblocking: true,
  },

  virDomainLookupByUUIDString: {
    parameters: [
      "pointer", // virConnectPtr conn
      "buffer", // const char *uuidstr
    ],
    result: "pointer", // virDomainPtr
    nonblocking: true,
  },

  virDomainFree: {
    parameters: [
      "pointer", // virDomainPtr domain
    ],
    result: "i32",
  },

  virDomainGetName: {
    parameters: [
      "pointer", // virDomainPtr domain
    ],
    result: "pointer", // const char *, the domain's own
  },

  virDomainGetUUIDString: {
    parameters: [
      "pointer", // virDomainPtr domain
      "buffer", // char *buf, VIR_UUID_STRING_BUFLEN bytes
    ],
    result: "i32",
  },

  virDomainGetID: {
    parameters: [
      "pointer", // virDomainPtr domain
    ],
    result: "u32", // (unsigned int) -1 when it is not running
  },

  virDomainGetState: {
    parameters: [
      "pointer", // virDomainPtr domain
      "buffer", // int *state
      "buffer", // int *reason
      "u32", // unsigned int flags
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainGetJobInfo: {
    parameters: [
      "pointer", // virDomainPtr domain
      "buffer", // virDomainJobInfoPtr info
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainGetXMLDesc: {
    parameters: [
      "pointer", // virDomainPtr domain
      "u32", // unsigned int flags
    ],
    result: "pointer", // char *, to be freed
    nonblocking: true,
  },

  virDomainGetMetadata: {
    parameters: [
      "pointer", // virDomainPtr domain
      "i32", // int type
      "buffer", // const char *uri
      "u32", // unsigned int flags
    ],
    result: "pointer", // char *, to be freed
    nonblocking: true,
  },

  virDomainSetMetadata: {
    parameters: [
      "pointer", // virDomainPtr domain
      "i32", // int type
      "buffer", // const char *metadata
      "buffer", // const char *key
      "buffer", // const char *uri
      "u32", // unsigned int flags
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainCreate: {
    parameters: [
      "pointer", // virDomainPtr domain
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainResume: {
    parameters: [
      "pointer", // virDomainPtr domain
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainPMWakeup: {
    parameters: [
      "pointer", // virDomainPtr domain
      "u32", // unsigned int flags
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainSuspend: {
    parameters: [
      "pointer", // virDomainPtr domain
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainShutdown: {
    parameters: [
      "pointer", // virDomainPtr domain
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainDestroy: {
    parameters: [
      "pointer", // virDomainPtr domain
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainManagedSave: {
    parameters: [
      "pointer", // virDomainPtr dom
      "u32", // unsigned int flags
    ],
    result: "i32",
    nonblocking: true,
  },

  virDomainHasManagedSaveImage: {
    parameters: [
      "pointer", // virDomainPtr dom
      "u32", // unsigned int flags
    ],
    result: "i32", // 1 if it has one
    nonblocking: true,
  },

  virDomainManagedSaveRemove: {
    parameters: [
      "pointer", // virDomainPtr dom
      "u32", // unsigned int flags
    ],
    result: "i32",
    nonblocking: true,
  },

  ...FREE,
} as const satisfies Deno.ForeignLibraryInterface;

/** `void (*virErrorFunc)(void *userData, virErrorPtr error)` */
export const ERROR_FUNC = {
  parameters: ["pointer", "pointer"],
  result: "void",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** `void (*virFreeCallback)(void *opaque)` */
export const FREE_CALLBACK = {
  parameters: ["pointer"],
  result: "void",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** `void (*virConnectCloseFunc)(virConnectPtr conn, int reason, void *opaque)` */
export const CLOSE_FUNC = {
  parameters: ["pointer", "i32", "pointer"],
  result: "void",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** `void (*virConnectDomainEventGenericCallback)(virConnectPtr conn, virDomainPtr dom, void *opaque)` */
export const DOMAIN_CALLBACK = {
  parameters: ["pointer", "pointer", "pointer"],
  result: "void",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** `int (*virConnectDomainEventCallback)(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)` */
export const DOMAIN_EVENT_CALLBACK = {
  parameters: ["pointer", "pointer", "i32", "i32", "pointer"],
  result: "i32",
} as const satisfies Deno.UnsafeCallbackDefinition;
