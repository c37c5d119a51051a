/**
 * What a process writes, line by line.
 *
 * @module
 */

/** A longer line is split, so that a process that never ends its line does not fill our memory: UTF-16 units. */
export const MAX_LINE = 8192;

/**
 * Gives each line of the stream to `emit` as it comes, without its end (LF or CR LF); the last one also when it has no
 * end. A line longer than {@linkcode MAX_LINE} comes in pieces; what is not UTF-8 is replaced by U+FFFD.
 * Resolves at the end of the stream; rejects when it fails, or with the reason of `signal`.
 */
export async function forEachLine(
  stream: ReadableStream<BufferSource>,
  emit: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const emitPiece = (line: string): string => {
    // Not between the two units of one character.
    const end = line.codePointAt(MAX_LINE - 1)! > 0xffff
      ? MAX_LINE - 1
      : MAX_LINE;
    emit(line.slice(0, end));
    return line.slice(end);
  };
  const emitLine = (line: string): void => {
    while (line.length > MAX_LINE) line = emitPiece(line);
    emit(line.endsWith("\r") ? line.slice(0, -1) : line);
  };

  let rest = "";
  for await (
    const text of stream.pipeThrough(new TextDecoderStream(), { signal })
  ) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) emitLine(line);
    while (rest.length > MAX_LINE) rest = emitPiece(rest);
  }
  if (rest !== "") emitLine(rest);
}
