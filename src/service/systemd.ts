/**
 * The systemd unit, confined as far as each backend allows: systemd.exec(5), systemd.service(5).
 *
 * @module
 */

import type { ServiceBackend } from "./choices.ts";

/** Where the service finds what it runs. */
export interface ServicePaths {
  /** The program. */
  binary: string;
  /** The configuration file. */
  config: string;
  /** The file with the password for XAPI. */
  password: string;
}

/** For every backend. Memory that is written and executed stays allowed: the JavaScript engine compiles at run time. */
const ALWAYS = `\
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
LockPersonality=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
PrivateTmp=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
UMask=0077`;

/** What `--catch` takes beyond that: systemd adds what a drop-in has to these lists. */
export const FOR_CATCH = `\
[Service]
CapabilityBoundingSet=CAP_NET_RAW CAP_NET_ADMIN
AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN
RestrictAddressFamilies=AF_PACKET`;

/** A user of its own, and no devices: for backends that ask another program to do the work. */
const UNPRIVILEGED = `\
# With --catch, put this into a drop-in (systemctl edit jitsu):
${FOR_CATCH.replaceAll(/^/gm, "#   ")}
DynamicUser=yes
PrivateDevices=yes
ProcSubset=pid
ProtectProc=invisible
${ALWAYS}
SystemCallFilter=~@privileged @resources`;

/** What each backend takes, and why. */
const CONFINEMENT: Record<ServiceBackend, string> = {
  xapi: `# XAPI is asked over HTTPS: nothing of this host is needed.
${UNPRIVILEGED}`,
  libvirt:
    `# libvirtd does the work; who is in this group may ask it. A connection over ssh wants a user with keys instead.
SupplementaryGroups=libvirt
${UNPRIVILEGED}`,
  libxl:
    `# libxl makes domains itself: it takes root, the hypervisor's devices, and a place for its own files. It leaves
# device models behind, which live on when Jitsu is restarted.
KillMode=process
ReadWritePaths=-/var/lib/xen -/var/log/xen -/var/lock -/run
LockPersonality=yes
ProtectClock=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelModules=yes
ProtectSystem=strict
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
UMask=0077`,
  process:
    `# Whatever Jitsu may not do, the processes that it starts may not: confine it by what they need. It ends them itself,
# but for those that are suspended with a pidfile, which are there for the next Jitsu.
KillMode=process
LockPersonality=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=yes
SystemCallArchitectures=native`,
};

/** The unit's text. */
export function systemdUnit(
  backend: ServiceBackend,
  { binary, config, password }: ServicePaths,
): string {
  const isXapi = backend === "xapi";
  const options = isXapi
    ? " --xapi-password-file=${CREDENTIALS_DIRECTORY}/password"
    : "";
  const credential = isXapi
    ? `# systemd hands the password on, so root alone may be able to read that file.
LoadCredential=password:${password}
`
    : "";
  return `# Jitsu with the backend ${backend}. To change it: systemctl edit jitsu
[Unit]
Description=Jitsu, a DNS server that starts unikernels on demand
Documentation=man:jitsu(1)
Wants=network-online.target nss-lookup.target
After=network-online.target libvirtd.service virtqemud.socket virtxend.socket xencommons.service xendomains.service
Before=nss-lookup.target
# A libvirtd or a pool that is not up yet is tried again for as long as it takes.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=${binary} --config=${config} --control=/run/jitsu/control.sock${options}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# A command line or a machine that is wrong stays wrong.
RestartPreventExitStatus=1
WatchdogSec=30
TimeoutStopSec=10
RuntimeDirectory=jitsu
StateDirectory=jitsu
${credential}${CONFINEMENT[backend]}

[Install]
WantedBy=multi-user.target
`;
}
