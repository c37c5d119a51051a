/**
 * The XAPI backend as the command line knows it. Nothing of it is loaded before it is opened.
 *
 * @module
 */
import type { ValuesOf } from "../../values/key.ts";
import { readBoolean, readText } from "../../values/readers.ts";
import type { BackendDescription, BackendKey } from "../backend.ts";
import { CONNECT_EXPECTED, parseConnect } from "./connect.ts";

const KEYS = [
  {
    name: "wait_for_ip",
    read: readBoolean,
    absent: "false",
    waits: true,
    doc:
      "Whether to wait, before the answer, until the agent in the guest reports an IP address to the pool (`1` or `true`).",
  },
  {
    name: "xapi_host",
    read: readText,
    doc:
      "The one host of the pool, by name or UUID, to start the VM on. Default: whichever the pool chooses.",
  },
] as const satisfies readonly BackendKey[];
export type XapiKeys = ValuesOf<typeof KEYS>;

/** `-x xapi`: the VMs of a XenServer or XCP-ng pool. */
export const XAPI: BackendDescription = {
  name: "xapi",
  doc:
    "VMs of a XenServer or XCP-ng pool, by name or uuid, on whatever host the pool chooses. `--connect` is a " +
    "host of the pool as `https://USER@HOST/`, `http://USER@HOST/` or just `HOST`, which is https; the user is root " +
    "unless given. `mode=shutdown` and `mode=suspend` need drivers in the guest; `mode=destroy` is a hard shutdown.",
  keys: KEYS,
  options: [
    {
      name: "xapi-ca",
      value: "FILE",
      doc:
        "Certificates in PEM format to know the pool's hosts by: their own, one for each host, or that of a company's " +
        "CA. Most hosts sign their own, which nobody else knows. A certificate for the host's name from one of the " +
        "public CAs (Mozilla's list) is taken as well. Default: what the system trusts.",
    },
    {
      name: "xapi-insecure",
      doc:
        "Take any certificate for the pool's. Whoever can get between Jitsu and the pool then learns the password.",
    },
    {
      name: "xapi-pool",
      value: "UUID",
      doc:
        "The one pool to have to do with, by its UUID (`xe pool-list`). A host that was ejected from a pool lives on as " +
        "a pool of its own, with the same password. Default: the one of the first log-in, remembered with --persistdb.",
    },
    {
      name: "xapi-password-file",
      value: "FILE",
      doc:
        "A file with the password and nothing else, which only its owner should be able to read. Without it the " +
        "password comes from the environment variable JITSU_XAPI_PASSWORD or, for everybody to see, from `--connect`.",
    },
  ],
  capabilities: {
    ethernet: true,
    xen: () =>
      "its VMs run on any host of the pool, whose xenstore and vchan are within reach of that host alone",
  },
  notMachine: ({ name, uuid }) =>
    // xapi's create_misc.ml; one that was renamed is known when the pool is asked.
    uuid === undefined && name.startsWith("Control domain on host: ")
      ? `name ${name} is a control domain: that is a host of the pool itself, which is neither started nor stopped`
      : undefined,
  expectedConnect: (connect) =>
    parseConnect(connect) === undefined ? CONNECT_EXPECTED : undefined,
  open: async (options) =>
    await (await import("./backend.ts")).openXapi(options),
};
