/**
 * The configuration file that an administrator begins with.
 *
 * @module
 */
import type { ServiceBackend } from "../service/choices.ts";

/** Its text: nothing is served that nobody has asked for, since all but the backend is a comment. */
export function example(backend: ServiceBackend): string {
  return `\
# Jitsu's configuration. "jitsu check FILE" says what is wrong with it, "jitsu doctor --config FILE" what keeps it from
# being served. jitsu(1) has all options and keys.

# Who is served: this host alone, until it is an address of the network, or "0.0.0.0".
#bind = "127.0.0.1"
#listen = 53

# Who is asked for all other names; without it the servers of /etc/resolv.conf.
#forwarder = "9.9.9.9"

# What runs the machines. The service is confined by what that needs: after a change run "jitsu install" again.
backend = "${backend}"
# What it connects to:
#connect = "qemu:///system"

# Keep what is known of the machines over a restart.
#persistdb = "/var/lib/jitsu/jitsu.db"

#[[unikernel]]
#dns = ["www.example.org"]
#ip = ["192.0.2.10"]
#name = "www"
#wait_for_tcp = 80
`;
}
