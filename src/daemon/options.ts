/**
 * What the daemon is told: everything that the command line and the configuration file say, checked.
 *
 * @module
 */
import type { BackendDescription } from "../backends/backend.ts";
import type { PrivateAnswers } from "../dns/forward/private_answers.ts";
import type { SocketAddress } from "../net/socket_address.ts";
import type { ReadSpec, Reloaded, Unreadable } from "../fleet/configuration.ts";
import type { OptionValues } from "./option_table.ts";
import type { Unikernel } from "../summon/unikernel.ts";

/** Where names that are not ours are asked, and how the answers are kept. */
export interface Forwarding {
  /** Who is asked: nobody where there are none. Or a resolv.conf(5) that names them. */
  servers: SocketAddress[] | { path: string };
  /** Who is asked in their place about a domain and all below it: nobody where there are none. */
  domains: Map<string, SocketAddress[]>;
  /** How many answers are kept; 0 for none. */
  cacheSize: number;
  /** Seconds for which an answer that has expired may be given out where the servers fail; 0 for never. */
  serveStale: number;
  /** Whose answers may have private addresses, and domains whose may in any case. */
  privateAnswers: {
    when: PrivateAnswers["when"];
    exceptions: readonly string[];
  };
}

/**
 * Everything the command line says, checked: what each option of the table means, by its name there, and what some of
 * them come to together.
 */
export interface DaemonOptions
  extends Omit<OptionValues, "backend" | "bind" | "control"> {
  /** Where to serve DNS; with port 0 the system chooses one. */
  bind: readonly SocketAddress[];
  forwarding: Forwarding;
  backend: BackendDescription;
  /** The backend's own options; a flag's value is empty. */
  settings: ReadonlyMap<string, string>;
  unikernels: Unikernel[];
  /** Reads a CONFIG that was not on the command line. */
  readSpec: ReadSpec;
  /** Reads the configuration again. */
  reload(): Reloaded | Unreadable;
  /** The operator's socket; where it was chosen and cannot be had, the daemon does not start. */
  control?: { path: string; isChosen: boolean };
}

/** The daemon could not start. The message may have several lines, one for each reason. */
export class StartError extends Error {
  override name = "StartError";
}
