/**
 * What can be chosen of a service, for the command line: nothing else of it is loaded there.
 *
 * @module
 */

/** What runs services. */
export const INITS = ["systemd", "openrc"] as const;
export type Init = typeof INITS[number];

/** The backends that there is a service for. */
export const SERVICE_BACKENDS = [
  "libvirt",
  "libxl",
  "xapi",
  "process",
] as const;
export type ServiceBackend = typeof SERVICE_BACKENDS[number];
