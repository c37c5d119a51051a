/**
 * Running programs that are expected to succeed.
 *
 * @module
 */

/** What the command printed on stdout, without the last newline. Rejects with its stderr when it fails. */
export async function run(
  [command, ...args]: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { success, code, stdout, stderr } = await new Deno.Command(command, {
    args,
    ...options,
  }).output();
  const text = new TextDecoder();
  if (!success) {
    throw new Error(
      `${command} ${args.join(" ")}: exit code ${code}: ${
        text.decode(stderr).trim()
      }`,
    );
  }
  return text.decode(stdout).trimEnd();
}
