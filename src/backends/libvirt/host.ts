/**
 * Which host a connection leads to, so that no other is taken for it: a URI is a name, and a name can be given away.
 *
 * @module
 */
import { XMLParser } from "fast-xml-parser";
import { BackendError } from "../backend.ts";
import type { Connection } from "./connection.ts";
import { type LibvirtError, VIR_ERR } from "./errors.ts";
import { showUri } from "./uri.ts";

/** A host, as far as its driver tells. */
export interface Host {
  /** Of its firmware. Where that has none, libvirt makes one up each time that its daemon starts. */
  uuid?: string;
  name?: string;
}

/** Asks which host it is. Rejects with {@linkcode LibvirtError}. */
export async function readHost(connection: Connection): Promise<Host> {
  const { libvirt, pointer } = connection;
  const name = await optional(
    connection.text(libvirt.virConnectGetHostname(pointer)),
  );
  const capabilities = await optional(
    connection.text(libvirt.virConnectGetCapabilities(pointer)),
  );
  return { name, uuid: capabilities && hostUuid(capabilities) };
}

/** The host's UUID in a driver's capabilities (libvirt.org/formatcaps.html). */
export function hostUuid(capabilities: string): string | undefined {
  const { capabilities: { host } } = new XMLParser({ parseTagValue: false })
    .parse(capabilities);
  return host?.uuid?.toLowerCase();
}

/** Whether two are the same host by their UUIDs, or by their names where one has no UUID. */
export function isSameHost(a: Host, b: Host): boolean {
  return a.uuid === undefined || b.uuid === undefined
    ? a.name === b.name
    : a.uuid === b.uuid;
}

/** A host in messages. */
function showHost({ name, uuid }: Host): string {
  const known = name ?? "a host without a name";
  return uuid === undefined ? known : `${known} (UUID ${uuid})`;
}

/** The URI leads to another host than it did. */
export function otherHost(uri: string, host: Host, before: Host): BackendError {
  return new BackendError(
    `libvirt at ${showUri(uri)} is ${showHost(host)} now and was ${
      showHost(before)
    }: nothing is done to the domains of another host; if it is the right one, restart Jitsu`,
  );
}

async function optional(text: Promise<string>): Promise<string | undefined> {
  try {
    return await text;
  } catch (error) {
    if ((error as LibvirtError).code === VIR_ERR.NO_SUPPORT) return undefined;
    throw error;
  }
}
