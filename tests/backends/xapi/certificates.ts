/**
 * Certificates for tests, made with openssl.
 *
 * @module
 */

export const hasOpenssl = (() => {
  try {
    return new Deno.Command("openssl", { args: ["version"] }).outputSync()
      .success;
  } catch {
    // deno-lint-ignore no-console -- says why tests do not run
    console.log("skipped: tests of TLS need openssl (apt-get install openssl)");
    return false;
  }
})();

export interface Certificate {
  /** PEM texts. */
  cert: string;
  key: string;
}

/**
 * A self-signed certificate as XAPI's gencert makes them: a common name, and the names and addresses that it is for.
 * `extensions` are more of openssl's `-addext`.
 */
export async function selfSigned(
  names: string,
  ...extensions: string[]
): Promise<Certificate> {
  const folder = await Deno.makeTempDir();
  try {
    const all = [`subjectAltName=${names}`, ...extensions];
    await Deno.writeTextFile(
      `${folder}/config`,
      "[req]\ndistinguished_name=dn\n[dn]\n",
    );
    const { success, stderr } = await new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-config", `${folder}/config`, "-subj", "/CN=xs1"],
        ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
        ...["-days", "2", "-keyout", `${folder}/key`, "-out", `${folder}/cert`],
        ...all.flatMap((extension) => ["-addext", extension]),
      ],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return {
      cert: await Deno.readTextFile(`${folder}/cert`),
      key: await Deno.readTextFile(`${folder}/key`),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
