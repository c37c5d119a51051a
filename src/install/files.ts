/**
 * What is put in place, and where: all of it comes out of the program itself.
 *
 * @module
 */
import { type Init, INITS, type ServiceBackend } from "../service/choices.ts";
import { openrcScript } from "../service/openrc.ts";
import { systemdUnit } from "../service/systemd.ts";
import { example } from "./example.ts";

/** A file to be installed. */
export interface InstalledFile {
  path: string;
  content: Uint8Array;
  mode: number;
}

/** What is wanted. */
export interface Layout {
  /** The program. */
  binary: Uint8Array;
  /** Absolute, without a slash at its end. */
  prefix: string;
  init: Init;
  backend: ServiceBackend;
  /** The man page, as groff(1) reads it. */
  manual: string;
  /** The completions for each shell. */
  completions(shell: "bash" | "fish" | "zsh"): string;
}

/** Which backends' services run as root. */
const RUNS_AS_ROOT: Record<ServiceBackend, boolean> = {
  libvirt: false,
  xapi: false,
  libxl: true,
  process: true,
};

/** Where configuration belongs: to the host, unless it is all in a place of its own. */
function etcOf(prefix: string): string {
  return prefix === "/usr" || prefix === "/usr/local"
    ? "/etc"
    : `${prefix}/etc`;
}

/** Where it is noted what was installed, so that what was changed since is found. */
export function manifestPath(prefix: string): string {
  return `${prefix}/share/jitsu/installed.json`;
}

/** Where the administrator puts the password for XAPI. */
export function passwordPath(prefix: string): string {
  return `${etcOf(prefix)}/jitsu/xapi-password`;
}

/** Where a service's configuration is. */
export function configPath(prefix: string): string {
  return `${etcOf(prefix)}/jitsu/jitsu.toml`;
}

/** All files. */
export function filesFor(layout: Layout): InstalledFile[] {
  const { prefix, init, backend, manual, completions } = layout;
  const etc = etcOf(prefix), share = `${prefix}/share`;
  const paths = {
    binary: `${prefix}/bin/jitsu`,
    config: configPath(prefix),
    password: passwordPath(prefix),
  };
  const encoder = new TextEncoder();
  const text = (path: string, content: string, mode = 0o644) => ({
    path,
    content: encoder.encode(content),
    mode,
  });
  return [
    { path: paths.binary, content: layout.binary, mode: 0o755 },
    text(`${share}/man/man1/jitsu.1`, manual),
    text(
      `${share}/bash-completion/completions/jitsu`,
      completions("bash"),
    ),
    text(`${share}/zsh/site-functions/_jitsu`, completions("zsh")),
    text(
      `${share}/fish/vendor_completions.d/jitsu.fish`,
      completions("fish"),
    ),
    // A CONFIG may hold secrets. Where the service has a user of its own, that must be able to read it.
    text(paths.config, example(backend), RUNS_AS_ROOT[backend] ? 0o600 : 0o644),
    init === "systemd"
      ? text(
        `${prefix}/lib/systemd/system/jitsu.service`,
        systemdUnit(backend, paths),
      )
      : text(`${etc}/init.d/jitsu`, openrcScript(backend, paths), 0o755),
  ];
}

/** The paths of all files that a prefix can have, whatever init and backend it was installed for. */
export function pathsBelow(prefix: string): Set<string> {
  const layout = {
    binary: new Uint8Array(),
    prefix,
    backend: "libvirt",
    manual: "",
    completions: () => "",
  } as const;
  return new Set(
    INITS.flatMap((init) => filesFor({ ...layout, init }))
      .map(({ path }) => path),
  );
}
