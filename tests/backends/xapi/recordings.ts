/**
 * Real traffic of XAPI, and what another reader of XML-RPC than ours or the fake's makes of it: Python's, which XAPI's
 * own Python bindings use.
 *
 * @module
 */

/** The bodies of one HTTP exchange. */
export interface Exchange {
  name: string;
  request: string;
  response: string;
}

const FOLDER = new URL("recordings/", import.meta.url);

export const EXCHANGES: Exchange[] = [...Deno.readDirSync(FOLDER)]
  .flatMap(({ name }) => name.match(/^(.*)\.request$/)?.[1] ?? [])
  .sort()
  .map((name) => {
    const read = (kind: string) =>
      Deno.readTextFileSync(new URL(`${name}.${kind}`, FOLDER));
    return { name, request: read("request"), response: read("response") };
  });

const SCRIPT = `
import json, sys, xmlrpc.client
def tree(value):
    if isinstance(value, dict): return {name: tree(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)): return [tree(each) for each in value]
    if isinstance(value, xmlrpc.client.DateTime): return {"date": value.value}
    if isinstance(value, float): return {"float": value}
    if isinstance(value, (str, bool)): return value
    return str(value)
def read(text):
    params, method = xmlrpc.client.loads(text)
    return {"method": method, "params": tree(params)}
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
`;

export const hasPython = (() => {
  try {
    return new Deno.Command("python3", { args: ["--version"] })
      .outputSync().success;
  } catch {
    // deno-lint-ignore no-console -- says why tests do not run
    console.log("skipped: comparisons with Python's XML-RPC need python3");
    return false;
  }
})();

/** What Python makes of texts: floats as `{float}`, dates as `{date}` with XML-RPC's digits, integers as strings. */
export async function readWithPython(
  texts: string[],
): Promise<{ method: string | null; params: unknown[] }[]> {
  const child = new Deno.Command("python3", {
    args: ["-c", SCRIPT],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(texts)));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A value of ours in the form that {@linkcode readWithPython} gives. */
export function asPython(value: unknown): unknown {
  if (typeof value === "number") return { float: value };
  if (typeof value === "bigint") return String(value);
  if (value instanceof Date) {
    const digits = value.toISOString().replaceAll("-", "").slice(0, 17);
    return { date: `${digits}Z` };
  }
  if (Array.isArray(value)) return value.map(asPython);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, asPython(each)]),
  );
}
