/**
 * `jitsu install` and `jitsu uninstall`: says what becomes of each file.
 *
 * @module
 */
import { FileError } from "../files.ts";
import {
  configPath,
  filesFor,
  manifestPath,
  passwordPath,
  pathsBelow,
} from "../install/files.ts";
import { install, type Step, uninstall } from "../install/install.ts";
import {
  type Init,
  SERVICE_BACKENDS,
  type ServiceBackend,
} from "../service/choices.ts";
import { readArguments } from "./read/args.ts";
import type { CommandRequest } from "./read/commands.ts";
import { completions } from "./manual/completions.ts";
import { renderGroff } from "./manual/groff.ts";
import { manual } from "./manual/manual.ts";
import { complain, write } from "./output.ts";

const NOT_DONE = 2;

/** Does what is asked and resolves with the exit code. */
export async function installOrNot(
  { name, values }: CommandRequest,
): Promise<number> {
  const prefix = values.prefix as string;
  const isDry = values["dry-run"] as boolean;
  const init = values.init as Init | undefined ?? await initOfHost();
  const manifest = manifestPath(prefix);
  const config = configPath(prefix);
  const said = backendIn(config);
  const backend = values.backend as ServiceBackend | undefined ?? said ??
    "libvirt";
  if (name === "install" && said !== undefined && said !== backend) {
    complain([
      `${config} says that the backend is ${said}, not ${backend}: change it there, and install without --backend`,
    ]);
    return NOT_DONE;
  }
  if (name === "install" && !Deno.build.standalone) {
    complain([
      "only the compiled program can be installed: deno task compile, then dist/jitsu install",
    ]);
    return NOT_DONE;
  }
  try {
    const steps = name === "uninstall"
      ? await uninstall(manifest, pathsBelow(prefix), isDry)
      : await install(
        filesFor({
          binary: await Deno.readFile(Deno.execPath()),
          prefix,
          init,
          backend,
          manual: renderGroff(manual()),
          completions,
        }),
        manifest,
        isDry,
      );
    if (steps.length === 0) complain([`nothing is installed below ${prefix}`]);
    for (const step of steps) write(Deno.stdout, line(step));
    if (isDry) write(Deno.stdout, "Nothing was done: this was a dry run.\n");
    else if (name === "install") {
      if (said === undefined && await exists(config)) {
        complain(
          backendIn(config) === backend ? [] : [
            `${config} does not say which backend the service has: write backend = "${backend}" into it`,
          ],
        );
      }
      const password = backend === "xapi"
        ? ` and the password (${passwordPath(prefix)}, for root alone)`
        : "";
      const next = `Write the configuration${password}, then: ${NEXT[init]}\n`;
      write(Deno.stdout, next);
    }
    return 0;
  } catch (error) {
    if (error instanceof FileError) {
      complain([error.message]);
      return NOT_DONE;
    }
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    complain([
      `${error.message}: be root, or choose a --prefix of your own`,
    ]);
    return NOT_DONE;
  }
}

function line({ action, path, beside }: Step): string {
  const note = action === "left"
    ? " (it is none of Jitsu's files)"
    : action !== "kept"
    ? ""
    : ` (it was changed${beside ? `; the new one is ${beside}` : ""})`;
  return `${action.padEnd(9)} ${path}${note}\n`;
}

/** The backend that a configuration file says; undefined where there is no such file, or it does not say it. */
function backendIn(config: string): ServiceBackend | undefined {
  const args = readArguments([`--config=${config}`], { needsConfig: false });
  const isSaid = args.where("backend").startsWith(config);
  const said = args.values.backend;
  return SERVICE_BACKENDS.find((each) => isSaid && each === said);
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

async function initOfHost(): Promise<Init> {
  const hasOpenrc = await Deno.stat("/sbin/openrc-run").then(
    () => true,
    () => false,
  );
  return hasOpenrc ? "openrc" : "systemd";
}

/** What is to be done next. */
const NEXT: Record<Init, string> = {
  systemd: "systemctl daemon-reload; systemctl enable --now jitsu",
  openrc: "rc-update add jitsu; rc-service jitsu start",
};
