/**
 * The summoner's mark on a domain, in its metadata (libvirt.org/formatdomain.html#general-metadata): in that of the
 * domain that runs only, so that it goes when that goes off. A managed save keeps it, which is why the id of the run
 * stands beside it.
 *
 * Both functions reject with LibvirtError.
 *
 * @module
 */
import { cString } from "../../ffi/c_string.ts";
import { holding } from "../../ffi/hold.ts";
import type { Domain } from "./domain.ts";
import { LibvirtError, VIR_ERR } from "./errors.ts";

const VIR_DOMAIN_METADATA_ELEMENT = 2, VIR_DOMAIN_AFFECT_LIVE = 1;
const PREFIX = "jitsu", NAMESPACE = "https://github.com/mirage/jitsu";
/** Why there is none: nothing is there, the domain is off, or the driver has no place for any. */
const NONE: readonly number[] = [
  VIR_ERR.NO_DOMAIN_METADATA,
  VIR_ERR.OPERATION_INVALID,
  VIR_ERR.NO_SUPPORT,
];

/** The mark of this run; undefined where there is none. */
export async function readMark(
  { connection, pointer, id }: Domain,
): Promise<string | undefined> {
  const uri = cString(NAMESPACE);
  try {
    const xml = await connection.text(holding(
      [uri],
      connection.libvirt.virDomainGetMetadata(
        pointer,
        VIR_DOMAIN_METADATA_ELEMENT,
        uri,
        VIR_DOMAIN_AFFECT_LIVE,
      ),
    ));
    const [, run, mark] = /\brun=['"](\d+)['"][^>]*>([^<]*)</.exec(xml) ?? [];
    return run === String(id) ? mark : undefined;
  } catch (error) {
    if (NONE.includes((error as LibvirtError).code)) return undefined;
    throw error;
  }
}

/** Puts it there; it needs no escaping, see MarkPlace. */
export async function writeMark(
  { connection, pointer, id }: Domain,
  mark: string,
): Promise<void> {
  if (id === undefined) throw new LibvirtError("it does not run");
  const xml = cString(`<mark run='${id}'>${mark}</mark>`);
  const prefix = cString(PREFIX), uri = cString(NAMESPACE);
  await connection.call(holding(
    [xml, prefix, uri],
    connection.libvirt.virDomainSetMetadata(
      pointer,
      VIR_DOMAIN_METADATA_ELEMENT,
      xml,
      prefix,
      uri,
      VIR_DOMAIN_AFFECT_LIVE,
    ),
  ));
}
