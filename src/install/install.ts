/**
 * Puts files in place and takes them away again, and never touches one that somebody has changed.
 *
 * What was installed is noted with its digest. A file that is there and is neither what was noted nor what is to be
 * installed is somebody's own: the new one is put beside it, with `.new` at its end.
 *
 * @module
 */
import { FileError, readTrusted } from "../files.ts";
import type { InstalledFile } from "./files.ts";

/** What became of a file, or would. */
export interface Step {
  action: "installed" | "updated" | "unchanged" | "kept" | "removed" | "left";
  path: string;
  /** Where the new file is instead, with `kept`. */
  beside?: string;
}

/** Digests (SHA-256, hex) by path. */
type Manifest = Record<string, string>;

async function digest(content: Uint8Array): Promise<string> {
  const octets = await crypto.subtle.digest(
    "SHA-256",
    content as Uint8Array<ArrayBuffer>,
  );
  return new Uint8Array(octets).toHex();
}

async function digestOf(path: string): Promise<string | undefined> {
  try {
    return await digest(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function readManifest(path: string): Manifest {
  try {
    return JSON.parse(readTrusted(path).text);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    if (error.code === "ENOENT") return {};
    if (error.code === "EACCES") throw new Deno.errors.PermissionDenied(path);
    throw new FileError(`${path}: ${error.message}`);
  }
}

/** Writes a file in one step: one that is being run cannot be written to, but replaced. */
async function writeFile(
  { path, content, mode }: InstalledFile,
): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf("/"));
  await makeFolder(folder);
  const temporary = await Deno.makeTempFile({ dir: folder, prefix: ".jitsu-" });
  try {
    await Deno.writeFile(temporary, content);
    await Deno.chmod(temporary, mode);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary);
    throw error;
  }
}

/** Makes a folder that everybody can enter, and those above it, whatever our umask is. */
async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await makeFolder(path.slice(0, path.lastIndexOf("/")));
    return await makeFolder(path);
  }
  await Deno.chmod(path, 0o755);
}

/** Installs the files, or with `dryRun` only tells what would be done. Rejects with Deno's errors. */
export async function install(
  files: readonly InstalledFile[],
  manifestPath: string,
  dryRun: boolean,
): Promise<Step[]> {
  const manifest = readManifest(manifestPath);
  const steps: Step[] = [];
  for (const file of files) {
    const { path } = file;
    const wanted = await digest(file.content), there = await digestOf(path);
    let target = file;
    if (there === wanted) steps.push({ action: "unchanged", path });
    else if (there === undefined) steps.push({ action: "installed", path });
    else if (there === manifest[path]) steps.push({ action: "updated", path });
    else if (manifest[path] === wanted) { // it was changed, but what is to be installed was not
      steps.push({ action: "kept", path });
      continue;
    } else {
      target = { ...file, path: `${path}.new` };
      steps.push({ action: "kept", path, beside: target.path });
    }
    if (!dryRun && there !== wanted) await writeFile(target);
    manifest[path] = wanted;
  }
  if (!dryRun) await writeManifest(manifestPath, manifest);
  return steps;
}

async function writeManifest(path: string, manifest: Manifest) {
  const text = JSON.stringify(manifest, null, 2) + "\n";
  const content = new TextEncoder().encode(text);
  await writeFile({ path, content, mode: 0o644 });
}

/**
 * Takes away what was installed and is as it was, or with `dryRun` only tells what would be done. Nothing but the `known`
 * paths is looked at, whatever else the manifest names.
 */
export async function uninstall(
  manifestPath: string,
  known: ReadonlySet<string>,
  dryRun: boolean,
): Promise<Step[]> {
  const manifest = readManifest(manifestPath);
  const steps: Step[] = [];
  for (const [path, installed] of Object.entries(manifest)) {
    if (!known.has(path)) {
      steps.push({ action: "left", path });
      continue;
    }
    const there = await digestOf(path);
    if (there === undefined) continue;
    if (there !== installed) steps.push({ action: "kept", path });
    else {
      steps.push({ action: "removed", path });
      if (!dryRun) await removeFile(path);
    }
  }
  if (!dryRun && steps.length > 0) await removeFile(manifestPath);
  return steps;
}

/** Removes a file, and the folder that is called after us where it is empty then. */
async function removeFile(path: string): Promise<void> {
  await Deno.remove(path);
  const folder = path.slice(0, path.lastIndexOf("/"));
  if (!folder.endsWith("/jitsu")) return;
  const isEmpty = [...Deno.readDirSync(folder)].length === 0;
  if (isEmpty) await Deno.remove(folder);
}
