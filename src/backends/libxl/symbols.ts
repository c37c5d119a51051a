/**
 * The functions of libxl that Jitsu calls, each with its C prototype (libxl.h, libxl_event.h, libxl_utils.h, and
 * _libxl_types.h for those that libxl generates for each type), and those of the libraries it stands on.
 *
 * They are given no structure that we lay out, but for `libxl_childproc_hooks` (see context.ts). Structures are opaque
 * buffers, and libxl's own JSON is their content. Where a prototype has grown a parameter at its end over the versions,
 * it is here, and older versions do not see it.
 *
 * `nonblocking` is all that talks to Xen, xenstored or a guest.
 *
 * @module
 */
import { FREE } from "../../ffi/libc.ts";
import { LOG_SYMBOLS } from "../../xen/message_log.ts";

/** `const libxl_asyncop_how *ao_how`, always NULL: the call returns when the operation is over. */
const AO_HOW = "pointer";

export const SYMBOLS = {
  libxl_ctx_alloc: {
    parameters: [
      "buffer", // libxl_ctx **pctx
      "i32", // int version
      "u32", // unsigned flags
      "pointer", // xentoollog_logger *lg
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_ctx_free: {
    parameters: [
      "pointer", // libxl_ctx *ctx
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_childproc_setmode: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // const libxl_childproc_hooks *hooks, which must outlive the context
      "pointer", // void *user
    ],
    result: "void",
  },

  libxl_error_to_string: {
    parameters: [
      "i32", // int error
    ],
    result: "pointer", // const char *, static
  },

  libxl_domain_config_init: {
    parameters: [
      "buffer", // libxl_domain_config *p
    ],
    result: "void",
  },

  libxl_domain_config_dispose: {
    parameters: [
      "buffer", // libxl_domain_config *p
    ],
    result: "void",
  },

  libxl_domain_config_from_json: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_domain_config *p
      "buffer", // const char *s
    ],
    result: "i32",
  },

  libxl_domain_config_to_json: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_domain_config *p
    ],
    result: "pointer", // char *, to be freed
  },

  libxl_domain_restore_params_init: {
    parameters: [
      "buffer", // libxl_domain_restore_params *p
    ],
    result: "void",
  },

  libxl_domain_restore_params_dispose: {
    parameters: [
      "buffer", // libxl_domain_restore_params *p
    ],
    result: "void",
  },

  libxl_domain_restore_params_from_json: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_domain_restore_params *p
      "buffer", // const char *s
    ],
    result: "i32",
  },

  libxl_dominfo_init: {
    parameters: [
      "buffer", // libxl_dominfo *p
    ],
    result: "void",
  },

  libxl_dominfo_dispose: {
    parameters: [
      "buffer", // libxl_dominfo *p
    ],
    result: "void",
  },

  libxl_dominfo_to_json: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_dominfo *p
    ],
    result: "pointer", // char *, to be freed
  },

  libxl_get_version_info: {
    parameters: [
      "pointer", // libxl_ctx *ctx
    ],
    result: "pointer", // const libxl_version_info *, the context's
    nonblocking: true,
  },

  libxl_version_info_to_json: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "pointer", // libxl_version_info *p
    ],
    result: "pointer", // char *, to be freed
  },

  libxl_physinfo_init: {
    parameters: [
      "buffer", // libxl_physinfo *p
    ],
    result: "void",
  },

  libxl_physinfo_dispose: {
    parameters: [
      "buffer", // libxl_physinfo *p
    ],
    result: "void",
  },

  libxl_get_physinfo: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_physinfo *physinfo
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_physinfo_to_json: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_physinfo *p
    ],
    result: "pointer", // char *, to be freed
  },

  libxl_get_free_memory: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // uint64_t *memkb
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_domain_need_memory: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_domain_config *config; before Xen 4.13 const libxl_domain_build_info *b_info, and the next was not there
      "u32", // uint32_t domid_for_logging
      "buffer", // uint64_t *need_memkb
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_get_memory_target: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      "buffer", // uint64_t *out_target
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_set_memory_target: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      "i64", // int64_t target_memkb
      "i32", // int relative
      "i32", // int enforce
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_wait_for_memory_target: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      "i32", // int wait_secs
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_name_to_domid: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // const char *name
      "buffer", // uint32_t *domid
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_domain_info: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_dominfo *info_r
      "u32", // uint32_t domid
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_retrieve_domain_configuration: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      "buffer", // libxl_domain_config *d_config
      AO_HOW, // since Xen 4.13
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_domain_create_new: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_domain_config *d_config
      "buffer", // uint32_t *domid
      AO_HOW,
      "pointer", // const libxl_asyncprogress_how *aop_console_how
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_domain_create_restore: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "buffer", // libxl_domain_config *d_config
      "buffer", // uint32_t *domid
      "i32", // int restore_fd
      "i32", // int send_back_fd
      "buffer", // const libxl_domain_restore_params *params
      AO_HOW,
      "pointer", // const libxl_asyncprogress_how *aop_console_how
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_domain_suspend: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      "i32", // int fd
      "i32", // int flags
      AO_HOW,
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_domain_resume: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      "i32", // int suspend_cancel
      AO_HOW,
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_domain_unpause: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      AO_HOW, // since Xen 4.13
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_send_trigger: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      "i32", // libxl_trigger trigger
      "u32", // uint32_t vcpuid
      AO_HOW, // since Xen 4.13
    ],
    result: "i32",
    nonblocking: true,
  },

  libxl_domain_destroy: {
    parameters: [
      "pointer", // libxl_ctx *ctx
      "u32", // uint32_t domid
      AO_HOW,
    ],
    result: "i32",
    nonblocking: true,
  },

  ...LOG_SYMBOLS,

  // The C library

  open: {
    parameters: [
      "buffer", // const char *pathname
      "i32", // int flags
    ],
    result: "i32",
  },

  lseek: {
    parameters: [
      "i32", // int fd
      "i64", // off_t offset
      "i32", // int whence
    ],
    result: "i64",
  },

  fsync: {
    parameters: [
      "i32", // int fd
    ],
    result: "i32",
    nonblocking: true,
  },

  close: {
    parameters: [
      "i32", // int fd
    ],
    result: "i32",
  },

  ...FREE,
} as const satisfies Deno.ForeignLibraryInterface;
