/**
 * The file that a suspended domain is kept in: xl's format (tools/xl/xl.h, `struct save_file_header`), so that
 * `xl restore` can read it too. A header, the domain's configuration as libxl's JSON, and libxl's stream.
 *
 * It has the memory of the domain in it, so nobody else may read it. A file that is there is complete.
 *
 * @module
 */
import { cString } from "../../ffi/c_string.ts";
import { BackendError } from "../backend.ts";
import type { DomainConfig } from "./domains.ts";
import { type Libxl, loadLibxl } from "./library.ts";
import { streamDamage } from "./save_stream.ts";

const MAGIC = "Xen saved domain, xl format\n \0 \r";
const BYTE_ORDER = 0x01020304;
/** `XL_MANDATORY_FLAG_JSON | XL_MANDATORY_FLAG_STREAMv2` */
const MANDATORY_FLAGS = 1 | 2;
/** The magic, the byte order, mandatory flags, optional flags, and the length of the optional data that follows. */
const HEADER_SIZE = 32 + 4 * 4;
/** Bytes that optional data may have, which is a configuration: far more than any has. */
const OPTIONAL_DATA_MAX = 1024 * 1024;

const O_RDONLY = 0, O_WRONLY = 1, O_APPEND = 0o2000, O_CLOEXEC = 0o2000000;
const SEEK_SET = 0;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The header of a file, up to where libxl's stream begins. */
export function encodeHeader(config: DomainConfig): Uint8Array {
  const json = encoder.encode(JSON.stringify(config) + "\0");
  const bytes = new Uint8Array(HEADER_SIZE + 4 + json.length);
  bytes.set(encoder.encode(MAGIC));
  const view = new DataView(bytes.buffer);
  view.setUint32(32, BYTE_ORDER, true);
  view.setUint32(36, MANDATORY_FLAGS, true);
  view.setUint32(44, 4 + json.length, true);
  view.setUint32(HEADER_SIZE, json.length, true);
  bytes.set(json, HEADER_SIZE + 4);
  return bytes;
}

/** Reads a header. `read` fills a buffer with what comes next, and rejects at the end of the file. */
export async function decodeHeader(
  read: (buffer: Uint8Array) => Promise<void>,
): Promise<{ config: DomainConfig; size: number }> {
  const header = new Uint8Array(HEADER_SIZE);
  await read(header);
  const view = new DataView(header.buffer);
  const optionalDataLength = view.getUint32(44, true);
  if (
    decoder.decode(header.subarray(0, 32)) !== MAGIC ||
    view.getUint32(32, true) !== BYTE_ORDER ||
    view.getUint32(36, true) !== MANDATORY_FLAGS ||
    optionalDataLength < 4 || optionalDataLength > OPTIONAL_DATA_MAX
  ) throw new Error("it is no saved domain that Jitsu can read");
  const data = new Uint8Array(optionalDataLength);
  await read(data);
  const length = new DataView(data.buffer).getUint32(0, true);
  const json = decoder.decode(data.subarray(4, 4 + length)).replace(/\0$/, "");
  return { config: JSON.parse(json), size: HEADER_SIZE + optionalDataLength };
}

/** Where one domain is kept. Methods reject with what the system says. */
export class SaveFile {
  readonly path: string;
  readonly #unfinished: string;

  constructor(readonly folder: string, name: string) {
    this.path = `${folder}/${encodeURIComponent(name)}.save`;
    this.#unfinished = `${this.path}.unfinished`;
  }

  /** What is wrong with the folder, if anything: it may be missing, but nobody else may look into it. */
  async folderProblem(): Promise<string | undefined> {
    try {
      const { mode, isDirectory } = await Deno.stat(this.folder);
      if (!isDirectory) return "it is not a directory";
      if ((mode! & 0o077) === 0) return undefined;
      return `others may look into it, and the memory of domains will be there; chmod 700 ${this.folder}`;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      return (error as Error).message;
    }
  }

  async exists(): Promise<boolean> {
    try {
      return (await Deno.stat(this.path)).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Writes a domain: `save` gets a file descriptor to write libxl's stream to. Where this rejects, there is no file. */
  async write(
    config: DomainConfig,
    save: (fd: number) => Promise<void>,
  ): Promise<void> {
    await Deno.mkdir(this.folder, { recursive: true, mode: 0o700 });
    const problem = await this.folderProblem();
    if (problem) throw new BackendError(`save_dir=${this.folder}: ${problem}`);
    try {
      await Deno.remove(this.#unfinished).catch(ignoreNotFound);
      await Deno.writeFile(this.#unfinished, encodeHeader(config), {
        mode: 0o600,
        createNew: true,
      });
      const libxl = loadLibxl();
      await withFile(
        libxl,
        this.#unfinished,
        O_WRONLY | O_APPEND,
        async (fd) => {
          await save(fd);
          if (await libxl.fsync(fd) !== 0) {
            throw new Error(
              `${this.#unfinished} could not be written to the disk`,
            );
          }
        },
      );
      await Deno.rename(this.#unfinished, this.path);
    } catch (error) {
      await Deno.remove(this.#unfinished).catch(() => {}); // what went wrong before is what counts
      throw error;
    }
  }

  /** Reads a domain: `restore` gets its configuration and a file descriptor to read libxl's stream from. */
  async read<T>(
    restore: (config: DomainConfig, fd: number) => Promise<T>,
  ): Promise<T> {
    using file = await Deno.open(this.path);
    const { config, size } = await decodeHeader((buffer) => fill(file, buffer));
    const libxl = loadLibxl();
    return await withFile(libxl, this.path, O_RDONLY, async (fd) => {
      libxl.lseek(fd, BigInt(size), SEEK_SET);
      return await restore(config, fd);
    });
  }

  /** What makes it unreadable for good, or undefined where it is whole. */
  async damage(): Promise<string | undefined> {
    using file = await Deno.open(this.path);
    let size: number;
    try {
      ({ size } = await decodeHeader((buffer) => fill(file, buffer)));
    } catch (error) {
      return (error as Error).message;
    }
    return await streamDamage(file, size);
  }

  /** A file that is not there is fine. */
  async remove(): Promise<void> {
    await Deno.remove(this.path).catch(ignoreNotFound);
  }
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function fill(file: Deno.FsFile, buffer: Uint8Array): Promise<void> {
  for (let at = 0; at < buffer.length;) {
    const n = await file.read(buffer.subarray(at));
    if (n === null) throw new Error("it ends within its header");
    at += n;
  }
}

/** Lends `use` a file descriptor, which Deno's own files do not show. */
async function withFile<T>(
  libxl: Libxl,
  path: string,
  flags: number,
  use: (fd: number) => Promise<T>,
): Promise<T> {
  const fd = libxl.open(cString(path), flags | O_CLOEXEC);
  if (fd < 0) throw new Error(`cannot open ${path}`);
  try {
    return await use(fd);
  } finally {
    libxl.close(fd);
  }
}
