import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { BackendError } from "../../../src/backends/backend.ts";
import { systemRoots } from "../../../src/backends/xapi/http.ts";
import { collectLog } from "../../collect_log.ts";
import { REPOSITORY } from "../../e2e/harness.ts";
import { until } from "../../until.ts";
import { type Certificate, hasOpenssl, selfSigned } from "./certificates.ts";
import { FakeXapi, PASSWORD } from "./fake/server.ts";
import { machine, open, withFile } from "./set_up.ts";

/** Without and with the check of certificates. */
const EITHER: Record<string, string>[] = [{}, { "xapi-insecure": "" }];
const NAMES = "DNS:localhost,IP:127.0.0.1";

/** A test on a pool whose hosts have this certificate. */
function test(
  name: string,
  make: () => Promise<Certificate>,
  run: (fake: FakeXapi, tls: Certificate, log: string[]) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !hasOpenssl,
    async fn() {
      const log = collectLog("backend");
      const tls = await make();
      await using fake = await FakeXapi.start({ tls });
      await run(fake, tls, log);
    },
  });
}

/** What the connection is refused with. */
async function refusal(
  url: string,
  settings: Record<string, string> = {},
): Promise<string> {
  return (await assertRejects(() => open(url, settings), BackendError)).message;
}

test(
  "a host whose certificate --xapi-ca names is trusted, by name and by address",
  () => selfSigned(NAMES),
  async (fake, { cert, key }, log) => {
    // As /etc/xensource/xapi-ssl.pem has it.
    await withFile(`${key}\n${cert}`, async (path) => {
      for (const host of ["127.0.0.1", "localhost"]) {
        const backend = await open(`https://${host}:${fake.port}/`, {
          "xapi-ca": path,
        });
        await backend.close();
      }
    });
    assertEquals(log.filter((line) => line.startsWith("WARN")), []);
  },
);

test(
  "a host that nobody vouches for is not told the password",
  () => selfSigned(NAMES),
  async (fake) => {
    const message = await refusal(fake.url);
    assertStringIncludes(message, "invalid peer certificate: UnknownIssuer");
    assertStringIncludes(message, "name it with --xapi-ca FILE");
    const other = await selfSigned(NAMES);
    await withFile(other.cert, async (path) => {
      assertStringIncludes(
        await refusal(fake.url, { "xapi-ca": path }),
        "invalid peer certificate",
      );
    });
    assertEquals(fake.calls, []);
  },
);

test(
  "a host that a public CA vouches for is trusted as well as those that --xapi-ca names, as the manual says",
  () => selfSigned(NAMES),
  async (fake, { cert }) => {
    const other = await selfSigned(NAMES);
    /** Whether `jitsu doctor` gets in where the public CAs are those of Mozilla, and these. */
    const isTrusted = (publicCas: string) =>
      withFile(
        PASSWORD,
        (password) =>
          withFile(other.cert, (ca) =>
            withFile(publicCas, async (cas) => {
              const { stdout } = await new Deno.Command(Deno.execPath(), {
                args: [
                  ...["run", "-A", `${REPOSITORY}main.ts`, "doctor"],
                  ...["--backend=xapi", `--connect=${fake.url}`],
                  ...[`--xapi-ca=${ca}`, `--xapi-password-file=${password}`],
                ],
                env: { DENO_CERT: cas },
              }).output();
              const text = new TextDecoder().decode(stdout);
              assertStringIncludes(text, "the backend xapi");
              return text.includes("the backend xapi can be used");
            })),
      );
    assertEquals(await isTrusted(cert), true);
    assertEquals(await isTrusted(other.cert), false);
  },
);

test(
  "a certificate that --xapi-ca names but that is for another host name is refused",
  () => selfSigned("DNS:xs1.example.org"),
  async (fake, { cert }) => {
    await withFile(cert, async (path) => {
      const message = await refusal(fake.url, { "xapi-ca": path });
      assertStringIncludes(message, "not valid for name");
      assertStringIncludes(
        message,
        "by a name or an address that is in its certificate",
      );
    });
    assertEquals(fake.calls, []);
  },
);

test(
  "a CA's certificate that a host shows as its own is refused with what to do",
  () => selfSigned(NAMES, "basicConstraints=critical,CA:TRUE"),
  async (fake, { cert }) => {
    await withFile(cert, async (path) => {
      assertStringIncludes(
        await refusal(fake.url, { "xapi-ca": path }),
        "only good for signing others",
      );
    });
  },
);

test(
  "one file names the certificates of several hosts",
  () => selfSigned(NAMES),
  async (fake, { cert }) => {
    const other = await selfSigned("DNS:other");
    await withFile(other.cert + cert, async (path) => {
      const backend = await open(fake.url, { "xapi-ca": path });
      await backend.close();
    });
  },
);

for (const extensions of [[], ["basicConstraints=critical,CA:TRUE"]]) {
  test(
    `with --xapi-insecure any certificate will do, and the log shouts${
      extensions.length ? ", even a CA's" : ""
    }`,
    () => selfSigned("DNS:somewhere.else", ...extensions),
    async (fake, _, log) => {
      const backend = await open(fake.url, { "xapi-insecure": "" });
      try {
        const ref = fake.pool.addVm({ name: "www" });
        const www = await machine(backend, "www");
        assertEquals(await www.start(), "started");
        const told = Promise.withResolvers<string>();
        www.onStateChange = told.resolve;
        fake.pool.become(ref, "Halted");
        assertEquals(await told.promise, "off");
      } finally {
        await backend.close();
      }
      assertEquals(fake.sessions, 0);
      assert(
        log.some((line) => /^WARN --xapi-insecure: NOBODY CHECKS /.test(line)),
      );
    },
  );
}

test(
  "with --xapi-insecure replies are checked all the same",
  () => selfSigned(NAMES),
  async (fake) => {
    for (
      const [fault, words] of [
        [{ kind: "cut" }, "was cut off"],
        [
          { kind: "body", body: "<h1>Forbidden</h1>", status: 403 },
          'HTTP status 403: "Forbidden"',
        ],
        [
          { kind: "body", body: "<methodResponse>" + " ".repeat(33 * 2 ** 20) },
          "has more than 33554432 octets",
        ],
        [
          { kind: "redirect", location: "http://evil/" },
          'it sends us to "http://evil/"',
        ],
      ] as const
    ) {
      fake.fault("session.login_with_password", fault);
      assertStringIncludes(
        await refusal(fake.url, { "xapi-insecure": "" }),
        words,
      );
    }
  },
);

test(
  "with --xapi-insecure a call that is never answered can be ended",
  () => selfSigned(NAMES),
  async (fake) => {
    const backend = await open(fake.url, { "xapi-insecure": "" });
    fake.fault("VM.get_by_name_label", { kind: "hang" });
    const finding = assertRejects(() => machine(backend, "www"), BackendError);
    await until("hanging", () => fake.count("VM.get_by_name_label") === 1);
    await backend.close();
    assertStringIncludes((await finding).message, "is closed");
  },
);

Deno.test("what is no TLS, and what listens to nobody, is told", async () => {
  collectLog("backend");
  await using fake = await FakeXapi.start();
  for (const settings of EITHER) {
    assertStringIncludes(
      await refusal(`https://127.0.0.1:${fake.port}/`, settings),
      "is this http:// rather than https://?",
    );
  }
  await fake.down(0);
  for (const settings of EITHER) {
    assertStringIncludes(
      await refusal(`https://127.0.0.1:${fake.port}/`, settings),
      "is this a host of a pool, and is XAPI running there?",
    );
  }
});

Deno.test("plain HTTP is warned about", async () => {
  const log = collectLog("backend");
  await using fake = await FakeXapi.start();
  await (await open(fake.url)).close();
  assert(log.some((line) => line.startsWith("WARN --connect has http://")));
});

Deno.test("a file of certificates that cannot be read, or has none, is told", async () => {
  collectLog("backend");
  const url = "https://127.0.0.1:4/";
  assertStringIncludes(
    await refusal(url, { "xapi-ca": "/nonexistent.pem" }),
    "--xapi-ca /nonexistent.pem: No such file",
  );
  for (
    const [content, words] of [
      ["", "there is no certificate in it"],
      [
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "cannot be read",
      ],
    ]
  ) {
    await withFile(content, async (path) => {
      assertStringIncludes(await refusal(url, { "xapi-ca": path }), words);
    });
  }
});

const roots = await systemRoots();
if (roots.length === 0) {
  // deno-lint-ignore no-console -- says why a test does not run
  console.log("skipped: this system has no roots to trust");
}
Deno.test({
  name: "what the system trusts is read",
  ignore: roots.length === 0,
  fn() {
    assert(roots.length > 50);
    assert(roots.every((pem) => pem.startsWith("-----BEGIN CERTIFICATE-----")));
  },
});
