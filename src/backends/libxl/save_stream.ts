/**
 * Whether a saved domain is whole, told from its structure alone: libxl's stream (docs/specs/libxl-migration-stream.pandoc)
 * and libxc's inside of it (docs/specs/libxc-migration-stream.pandoc). Both are a header and records with their lengths, up
 * to one of type END. What the records hold is not looked at.
 *
 * @module
 */

/** Of both streams. */
const END = 0;
const LIBXC_CONTEXT = 1; // libxl's record that libxc's stream follows

const LIBXL_IDENT = "LibxlFmt", LIBXL_HEADER_SIZE = 16;
const LIBXC_ID = "XENF", LIBXC_HEADERS_SIZE = 24 + 16; // the image's and the domain's
/** Where the image header has its id, behind a marker of ones. */
const LIBXC_ID_AT = 8;

const RECORD_HEADER_SIZE = 8;
/** Records are padded to multiples of this. */
const ALIGNMENT = 8;

class Damage extends Error {}

/**
 * What is wrong with the stream that begins at `start` in the file, or undefined where it is whole. Rejects with what the
 * system says.
 */
export async function streamDamage(
  file: Deno.FsFile,
  start: number,
): Promise<string | undefined> {
  const { size } = await file.stat();

  const read = async (at: number, length: number): Promise<DataView> => {
    if (at + length > size) {
      throw new Damage(`it ends after ${size} bytes, which is too early`);
    }
    const bytes = new Uint8Array(length);
    await file.seek(at, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const n = await file.read(bytes.subarray(done));
      if (n === null) throw new Damage("it became shorter while it was read");
      done += n;
    }
    return new DataView(bytes.buffer);
  };
  const expectText = async (at: number, text: string) => {
    const { buffer } = await read(at, text.length);
    if (new TextDecoder("latin1").decode(buffer) !== text) {
      throw new Damage(`there is no "${text}" at byte ${at}`);
    }
  };
  /** Passes over the records from `at` on. Resolves with where they end. */
  const passRecords = async (at: number, isInner: boolean): Promise<number> => {
    for (;;) {
      const header = await read(at, RECORD_HEADER_SIZE);
      const type = header.getUint32(0, true);
      const length = header.getUint32(4, true);
      at += RECORD_HEADER_SIZE + Math.ceil(length / ALIGNMENT) * ALIGNMENT;
      await read(at, 0);
      if (type === END) return at;
      if (type !== LIBXC_CONTEXT || isInner) continue;
      await expectText(at + LIBXC_ID_AT, LIBXC_ID);
      at = await passRecords(at + LIBXC_HEADERS_SIZE, true);
    }
  };

  try {
    await expectText(start, LIBXL_IDENT);
    await passRecords(start + LIBXL_HEADER_SIZE, false);
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
}
