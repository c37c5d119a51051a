/**
 * The OpenRC script, for Alpine and others: openrc-run(8), supervise-daemon(8).
 *
 * @module
 */
import type { ServiceBackend } from "./choices.ts";
import type { ServicePaths } from "./systemd.ts";

/** The script's text. */
export function openrcScript(
  backend: ServiceBackend,
  { binary, config, password }: ServicePaths,
): string {
  const options = backend === "xapi" ? ` --xapi-password-file=${password}` : "";
  return `#!/sbin/openrc-run
# Jitsu with the backend ${backend}.

description="DNS server that starts unikernels on demand"
supervisor=supervise-daemon
command="${binary}"
command_args="--config=${config} --control=/run/jitsu/control.sock${options}"
required_files="${config}"
output_logger="logger -t jitsu -p daemon.info"
error_logger="logger -t jitsu -p daemon.info"
respawn_delay=1
# SIGTERM, and SIGKILL where it is still there.
retry="TERM/10/KILL/5"
extra_started_commands="reload"

depend() {
  need net
  after libvirtd xencommons
  provide dns
  use logger
}

start_pre() {
  checkpath --directory --mode 0700 /run/jitsu /var/lib/jitsu
}

reload() {
  ebegin "Reloading $RC_SVCNAME"
  supervise-daemon "$RC_SVCNAME" --signal HUP
  eend $?
}
`;
}
