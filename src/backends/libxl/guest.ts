/**
 * A domain as its unikernel's keys describe it. Everything that can be wrong before it is made is told here.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { isAbsolute, resolve } from "node:path";
import { macText } from "../../net/mac.ts";
import { RUMPRUN_CONFIG_MAX } from "../../xen/rumprun.ts";
import { BackendError, type MachineConfig } from "../backend.ts";
import type { LibxlKeys } from "./description.ts";
import {
  type Action,
  type Disk,
  FAST_SCRIPT,
  type GuestType,
} from "./values.ts";

/** Where libxl looks for scripts that are named without a path. */
const SCRIPTS_DIR = "/etc/xen/scripts";

export interface Nic {
  bridge: string;
  /** Lower case. */
  mac: string;
  /** As it was written, {@linkcode FAST_SCRIPT} included. */
  script?: string;
}

export interface Guest {
  name: string;
  /** Lower case, with hyphens. */
  uuid: string;
  /** Whether the UUID was given, so that a domain with another one is not this guest. */
  uuidGiven: boolean;
  type: GuestType;
  /** Files are absolute paths. */
  kernel: string;
  ramdisk?: string;
  cmdline?: string;
  memoryKiB: number;
  vcpus?: number;
  nics: Nic[];
  disks: Disk[];
  /** The text of the configuration. */
  rumprunConfig?: string;
  onCrash?: Action;
  /** What `extra_config` holds, and where it is from. */
  extra?: { file: string; config: Record<string, unknown> };
  saveDir: string;
  /** Milliseconds that a hotplug script may take. */
  scriptTimeout: number;
}

/** Reads the keys and looks at the files that they name. Rejects with BackendError, which names all that is wrong. */
export async function readGuest(
  { name, uuid, keys }: MachineConfig<LibxlKeys>,
): Promise<Guest> {
  const problems: string[] = [];

  const file = async (
    key: "kernel" | "ramdisk" | "rumprun_config" | "extra_config",
  ): Promise<string | undefined> => {
    const value = keys[key];
    if (value === undefined) return undefined;
    const problem = await unreadable(value);
    if (problem) problems.push(`${key}=${value}: ${problem}`);
    return resolve(value);
  };
  const text = async (
    key: "rumprun_config" | "extra_config",
  ): Promise<string | undefined> => {
    const path = await file(key);
    return path && await Deno.readTextFile(path).catch(() => undefined);
  };

  const ownUuid = uuid?.toLowerCase() ?? uuidOf(name);
  const kernel = await file("kernel") ?? "";
  const ramdisk = await file("ramdisk");
  const { disk: disks, mac: macs, nic: bridges, script: scripts } = keys;
  for (const { file } of disks) {
    const problem = await unreadable(file);
    if (problem) problems.push(`disk=${file}: ${problem}`);
  }
  const devices = disks.map(({ vdev }) => vdev);
  for (const vdev of twice(devices)) {
    problems.push(
      `disk: two are called ${vdev}, give each a device of its own`,
    );
  }
  for (const script of scripts) {
    const problem = script === FAST_SCRIPT
      ? undefined
      : await notExecutable(script);
    if (problem) problems.push(`script=${script}: ${problem}`);
  }
  const nics = bridges.map((bridge, i): Nic => ({
    bridge,
    mac: macs[i] ?? macOf(ownUuid, i),
    script: scripts[i % scripts.length],
  }));
  for (const mac of twice(nics.map(({ mac }) => mac))) {
    problems.push(`mac=${mac}: two network interfaces cannot both have it`);
  }
  if (macs.length > nics.length) {
    problems.push(
      `mac=${
        macs[nics.length]
      }: there is no nic for it, the first mac is the first nic's and so on`,
    );
  }
  const rumprunConfig = await text("rumprun_config");
  const size = new TextEncoder().encode(rumprunConfig).length;
  if (size > RUMPRUN_CONFIG_MAX) {
    problems.push(
      `rumprun_config=${keys.rumprun_config}: it has ${size} bytes, xenstore takes ${RUMPRUN_CONFIG_MAX} at most`,
    );
  }
  const extraText = await text("extra_config");
  let extra: Guest["extra"];
  if (extraText !== undefined) {
    const name = keys.extra_config!;
    const config = parseObject(extraText);
    if (typeof config !== "string") extra = { file: name, config };
    else problems.push(`extra_config=${name}: ${config}`);
  }
  if (problems.length > 0) throw new BackendError(problems.join("; "));

  return {
    name,
    uuid: ownUuid,
    uuidGiven: uuid !== undefined,
    type: keys.type ??
      (Deno.build.arch === "aarch64" ? "pvh" : "pv"),
    kernel,
    ramdisk,
    cmdline: keys.cmdline,
    memoryKiB: keys.memory,
    vcpus: keys.vcpus,
    nics,
    disks: disks.map((disk) => ({ ...disk, file: resolve(disk.file) })),
    rumprunConfig,
    onCrash: keys.on_crash,
    extra,
    scriptTimeout: 1000 * keys.script_timeout,
    saveDir: resolve(keys.save_dir),
  };
}

/** The values that come more than once. */
function twice(values: readonly string[]): Set<string> {
  return new Set(values.filter((value, i) => values.indexOf(value) < i));
}

/** What is wrong with a file that is to be read, if anything. */
async function unreadable(path: string): Promise<string | undefined> {
  try {
    const { isDirectory } = await Deno.stat(path);
    if (isDirectory) return "it is a directory";
    (await Deno.open(path)).close();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no such file";
    return `it cannot be read: ${(error as Error).message}`;
  }
}

async function notExecutable(script: string): Promise<string | undefined> {
  const path = isAbsolute(script) ? script : `${SCRIPTS_DIR}/${script}`;
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (mode! & 0o111) !== 0
      ? undefined
      : `${path} is not executable`;
  } catch {
    return `there is no ${path}`;
  }
}

/** The object that a JSON text holds, or what is wrong with it. */
function parseObject(text: string): Record<string, unknown> | string {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value
      : "it is no JSON object";
  } catch (error) {
    return `it is no JSON: ${(error as Error).message}`;
  }
}

/** The namespace of the UUIDs that are made of names. */
const NAMESPACE = "6f9a8c1e-5d0b-4f43-9d4b-1f2a7c0e3b58";

/** The UUID of a guest that was given none: the same for the same name (version 5, RFC 9562, section 5.5). */
export function uuidOf(name: string): string {
  const bytes = createHash("sha1")
    .update(Uint8Array.fromHex(NAMESPACE.replaceAll("-", "")))
    .update(name).digest().subarray(0, 16);
  bytes[6] = bytes[6] & 0x0f | 0x50;
  bytes[8] = bytes[8] & 0x3f | 0x80;
  return bytes.toString("hex").replace(
    /^(.{8})(.{4})(.{4})(.{4})/,
    "$1-$2-$3-$4-",
  );
}

/**
 * The MAC address of a guest's network interface that was given none. libxl would choose another one each time, and the
 * neighbours' ARP caches would have the old one.
 */
export function macOf(uuid: string, nic: number): string {
  const digest = createHash("sha256").update(`${uuid} nic ${nic}`).digest();
  digest[0] = 0x02; // locally administered, one interface
  return macText(digest.subarray(0, 6));
}
