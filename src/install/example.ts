/**
 * The configuration file that an administrator begins with.
 *
 * @module
 */

/** Its text: nothing but comments, so that nothing is served that nobody has asked for. */
export const EXAMPLE = `\
# Jitsu's configuration. "jitsu check FILE" says what is wrong with it, "jitsu doctor --config FILE" what keeps it from
# being served. jitsu(1) has all options and keys.

# Who is served: this host alone, until it is an address of the network, or "0.0.0.0".
#bind = "127.0.0.1"
#listen = 53

# Who is asked for all other names; without it the servers of /etc/resolv.conf.
#forwarder = "9.9.9.9"

# What runs the machines is chosen in the service. What it connects to:
#connect = "qemu:///system"

# Keep what is known of the machines over a restart.
#persistdb = "/var/lib/jitsu/jitsu.db"

#[[unikernel]]
#dns = ["www.example.org"]
#ip = ["192.0.2.10"]
#name = "www"
#wait_for_tcp = 80
`;
