/**
 * What the daemon is told: everything that the command line and the configuration file say, checked.
 *
 * @module
 */
import type { BackendDescription } from "../backends/backend.ts";
import type { Network } from "../net/network.ts";
import type { PrivateAnswers } from "../dns/forward/private_answers.ts";
import type { StartProof } from "../dns/serve/guard.ts";
import type { Server } from "../dns/forward/upstream.ts";
import type { ReadSpec, Reloaded, Unreadable } from "../fleet/configuration.ts";
import type { Unikernel } from "../summon/unikernel.ts";

/** Where names that are not ours are asked, and how the answers are kept. */
export interface Forwarding {
  /** Who is asked: nobody where there are none. Or a resolv.conf(5) that names them. */
  servers: Server[] | { path: string };
  /** Who is asked in their place about a domain and all below it: nobody where there are none. */
  domains: Map<string, Server[]>;
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

/** Who is served, and how much. */
export interface Limits {
  /** Networks that may ask beside this host and those it is attached to. */
  allow: readonly Network[];
  /** Responses over UDP to one client network that has not shown who it is; 0 for no limit. */
  responsesPerSecond: number;
  /** Networks of resolvers that ask for many: nothing that is started for them is counted. */
  front: readonly Network[];
  /** How many machines one client network may have started at once, and how many more a second after that. */
  startBurst: number;
  startsPerSecond: number;
  /** When a client must have shown that its address is its own before a machine is started for it. */
  startProof: StartProof;
  /** How many machines may be starting at the same time. */
  maxStarts: number;
  /** The name server identifier; none unless given. */
  nsid?: string;
}

/** Everything the command line says, checked. */
export interface DaemonOptions {
  /** IPv4 or IPv6 address to serve DNS on. */
  bind: string;
  /** UDP port to serve DNS on; 0 lets the system choose. */
  port: number;
  forwarding: Forwarding;
  backend: BackendDescription;
  /** `--connect`, for the backend. */
  connect: string;
  /** The backend's own options; a flag's value is empty. */
  settings: ReadonlyMap<string, string>;
  unikernels: Unikernel[];
  /** The path of the configuration file, if there is one. */
  config?: string;
  /** Reads a CONFIG that was not on the command line. */
  readSpec: ReadSpec;
  /** Reads the configuration again. */
  reload(): Reloaded | Unreadable;
  /** The operator's socket; where it was chosen and cannot be had, the daemon does not start. */
  control?: { path: string; isChosen: boolean };
  /** The path of the database; without one, what is known of the unikernels ends with the daemon. */
  persistdb?: string;
  limits: Limits;
  /** The network interfaces where the first connections to booting machines are caught. */
  catch: readonly string[];
  /** The UUID of the Synjitsu that is told of booting unikernels. */
  synjitsu?: string;
  /** Whether machines are stopped, each in its mode, when the daemon exits. */
  stopOnExit: boolean;
}

/** The daemon could not start. The message may have several lines, one for each reason. */
export class StartError extends Error {
  override name = "StartError";
}
