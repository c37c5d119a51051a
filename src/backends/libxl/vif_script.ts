/**
 * Jitsu's own hotplug script for network interfaces (`script=fast`). It connects an interface to its bridge and brings
 * it up, and nothing else. Xen's vif-bridge does more (MTU, filters, locks) and takes longer by far.
 *
 * libxl runs it, so it has to be a file.
 *
 * @module
 */

const FOLDER = "/run/jitsu";
export const FAST_SCRIPT_PATH = `${FOLDER}/vif-fast`;

/**
 * What libxl gives to it: `online` or `add` (a tap device of an HVM guest) and, before the interface goes with its domain,
 * `offline` or `remove`; in the environment the interface and, as `netdev`, the `gatewaydev` of the configuration, in
 * which we put the bridge. What it writes to hotplug-error becomes libxl's message.
 *
 * A script is to set hotplug-status to "connected", which Linux's netback waits for. That would take another process, so
 * we do it ourselves.
 */
const SCRIPT = `#!/bin/sh
# Made by Jitsu, see script=fast in its manual.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
case $1-$2 in
  online-*) interface=$vif ;;
  add-type_if=tap) interface=$INTERFACE ;;
  *) exit 0 ;;
esac
error=$(ip link set dev "$interface" master "$netdev" up 2>&1) && exit 0
xenstore-write "$XENBUS_PATH/hotplug-error" "bridge $netdev: $error" "$XENBUS_PATH/hotplug-status" error
exit 1
`;

let installed: Promise<void> | undefined;

/** Puts the script where libxl finds it, once in the life of this process. */
export function installFastScript(): Promise<void> {
  return installed ??= install().catch((error) => {
    installed = undefined;
    throw error;
  });
}

async function install(): Promise<void> {
  await Deno.mkdir(FOLDER, { recursive: true, mode: 0o700 });
  // Guests that run already may need the old one at any moment.
  const fresh = `${FAST_SCRIPT_PATH}.${Deno.pid}`;
  await Deno.writeTextFile(fresh, SCRIPT, { mode: 0o700 });
  await Deno.rename(fresh, FAST_SCRIPT_PATH);
}
