import {
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Backend,
  BackendError,
  type Machine,
  type MachineConfig,
} from "../../../src/backends/backend.ts";
import {
  LIBVIRT,
  type LibvirtKeys,
} from "../../../src/backends/libvirt/description.ts";
import { gc } from "../../ffi/gc.ts";
import { until } from "../../until.ts";
import { domainXml, missing, TEST_URI, TestHypervisor } from "./hypervisor.ts";
import { machineConfig } from "../machine_config.ts";

function test(
  name: string,
  fn: (hypervisor: TestHypervisor, backend: Backend) => Promise<void>,
) {
  Deno.test(name, { ignore: missing !== undefined }, async () => {
    // Opened first and closed last: the test hypervisor forgets everything when its last connection closes.
    using hypervisor = new TestHypervisor();
    const backend = await LIBVIRT.open({ connect: TEST_URI });
    try {
      await fn(hypervisor, backend);
    } finally {
      await backend.close();
    }
  });
}

function config(
  name: string,
  more: { uuid?: string; suspend?: string } = {},
): MachineConfig {
  return machineConfig(LIBVIRT, name, more);
}

/** Collects what the machine tells of its state. */
function listen(machine: Machine): string[] {
  const told: string[] = [];
  machine.onStateChange = (state, reason) => told.push(`${state}: ${reason}`);
  return told;
}

test(
  "a domain is found by its name, and identified by its UUID",
  async (hypervisor, backend) => {
    const uuid = hypervisor.define("www");
    const machine = await backend.machine(config("www"));
    assertEquals(machine.name, "www");
    assertEquals(machine.id, uuid);
    assertEquals(await machine.state(), "off");
  },
);

test(
  "a domain is found by its UUID in any case, whatever it is called",
  async (hypervisor, backend) => {
    const uuid = hypervisor.define("www");
    const machine = await backend.machine(
      config("another", { uuid: uuid.toUpperCase() }),
    );
    assertEquals(machine.name, "another");
    assertEquals(machine.id, uuid);
    assertEquals(await machine.start(), "started");
  },
);

test(
  "suspend=disk saves a domain, and starting it brings it back",
  async (hypervisor, backend) => {
    hypervisor.define("www");
    const machine = await backend.machine(config("www", { suspend: "disk" }));
    const told = listen(machine);
    await machine.start();
    assertEquals(await machine.suspend(), "suspended");
    assertEquals(await machine.state(), "suspended");
    assertEquals(await machine.domainId!(), undefined);
    await until("told that it is saved", () => told.length === 2);
    assertEquals(await machine.start(), "resumed");
    assertEquals(await machine.state(), "running");
    await until("told that it runs again", () => told.length === 3);
    assertEquals(told.slice(0, 2), [
      "running: started (booted)",
      "suspended: stopped (saved)",
    ]);
    assertMatch(told[2], /^running: started /);
  },
);

test(
  "a domain that is off cannot be suspended, and the error is libvirt's with the place and a command to try",
  async (hypervisor, backend) => {
    hypervisor.define("www");
    const machine = await backend.machine(config("www"));
    const { message } = await assertRejects(
      () => machine.suspend(),
      BackendError,
    );
    assertMatch(
      message,
      /^cannot suspend www: .*not running \(libvirt at test:\/\/\/default\); does `virsh -c test:\/\/\/default suspend www` work\?$/,
    );
  },
);

test(
  "every change is told in its order, whoever made it, and only to the machine it is of",
  async (hypervisor, backend) => {
    hypervisor.define("www");
    hypervisor.define("mail");
    const www = listen(await backend.machine(config("www")));
    const mail = listen(await backend.machine(config("mail")));
    for (const deed of ["Create", "Suspend", "Resume", "Destroy"] as const) {
      hypervisor.do(deed, "www");
    }
    await until("told that it went off", () => www.length === 4);
    assertEquals(www, [
      "running: started (booted)",
      "paused: suspended (paused)",
      "running: resumed (unpaused)",
      "off: stopped (destroyed)",
    ]);
    assertEquals(mail, []);
  },
);

test(
  "a domain that was undefined cannot be started, nor another one of its name, and can again when it is defined anew",
  async (hypervisor, backend) => {
    const uuid = hypervisor.define("www");
    const machine = await backend.machine(config("www"));
    hypervisor.do("Undefine", "www");
    assertEquals(await machine.state(), "off");
    assertEquals(await machine.domainId!(), undefined);
    await machine.destroy();
    await assertRejects(
      () => machine.start(),
      BackendError,
      `cannot start www: libvirt at test:///default has no domain with the UUID ${uuid}; `,
    );
    const other = hypervisor.define("www");
    await assertRejects(
      () => machine.start(),
      BackendError,
      `the one of that name, ${other}, is another: remove www and add it again if that is meant`,
    );
    hypervisor.do("Create", "www");
    assertEquals(await machine.state(), "off");
    await machine.destroy(); // which is nothing to the other one
    hypervisor.do("Destroy", "www");
    hypervisor.do("Undefine", "www");
    hypervisor.define("www", uuid);
    const told = listen(machine);
    assertEquals(await machine.start(), "started");
    await until("told that it runs", () => told.length === 1);
  },
);

test(
  "a mark on a domain is there for everybody until it is off, and none of an earlier run is read",
  async (hypervisor, backend) => {
    hypervisor.define("www");
    const machine = await backend.machine(config("www", { suspend: "disk" }));
    const other = await LIBVIRT.open({ connect: TEST_URI });
    const there = await other.machine(config("www"));
    const mark = "started=0f;asked=0f/1790000000/120;asked=a0/1790000001/60";
    assertEquals(await machine.mark!.read(), undefined);
    await assertRejects(
      () => machine.mark!.write(mark),
      BackendError,
      "cannot mark www: it does not run",
    );
    await machine.start();
    assertEquals(await there.mark!.read(), undefined);
    await machine.mark!.write("started=0f");
    await machine.mark!.write(mark);
    assertEquals(await there.mark!.read(), mark);
    await machine.destroy();
    assertEquals(await there.mark!.read(), undefined);
    await machine.start();
    assertEquals(await there.mark!.read(), undefined);
    await machine.mark!.write(mark);
    await machine.suspend();
    await machine.start(); // with the metadata that were saved
    assertEquals(await there.mark!.read(), undefined);
    await other.close();
  },
);

test(
  "a transient domain is gone when it is off",
  async (hypervisor, backend) => {
    hypervisor.createTransient("www");
    const machine = await backend.machine(config("www"));
    assertEquals(await machine.state(), "running");
    const told = listen(machine);
    await machine.destroy();
    assertEquals(await machine.state(), "off");
    await until("told that it went off", () => told.length > 0);
    assertEquals(told, ["off: stopped (destroyed)"]);
    const { message } = await assertRejects(
      () => machine.start(),
      BackendError,
    );
    assertStringIncludes(message, "`virsh -c test:///default define FILE`");
  },
);

test(
  "an unknown name is reported with the nearest one and how to list them",
  async (hypervisor, backend) => {
    hypervisor.define("webserver");
    const { message } = await assertRejects(
      () => backend.machine(config("websrever")),
      BackendError,
    );
    assertStringIncludes(
      message,
      'has no domain "websrever" (did you mean "webserver"?); `virsh -c test:///default list --all',
    );
  },
);

test(
  "an unknown or malformed UUID is reported with the UUID",
  async (_hypervisor, backend) => {
    const uuid = crypto.randomUUID();
    const unknown = await assertRejects(
      () => backend.machine(config("www", { uuid })),
      BackendError,
    );
    assertStringIncludes(unknown.message, `no domain with the UUID ${uuid};`);
    const malformed = await assertRejects(
      () => backend.machine(config("www", { uuid: "12-34" })),
      BackendError,
    );
    assertStringIncludes(malformed.message, "Invalid UUID");
    assertStringIncludes(malformed.message, "dominfo 12-34");
  },
);

test("MAC addresses come from the domain", async (_hypervisor, backend) => {
  const machine = await backend.machine(config("test"));
  assertEquals(await machine.macAddresses!(), ["aa:bb:cc:dd:ee:ff"]);
});

test(
  "many calls at once all get their own answers and their own errors, while garbage is collected",
  async (hypervisor, backend) => {
    const names = Array.from({ length: 40 }, (_, i) => `www${i}`);
    names.forEach((name) => hypervisor.define(name));
    const machines = await Promise.all(
      names.map((name) => backend.machine(config(name))),
    );
    const collecting = setInterval(gc, 20);
    try {
      await Promise.all(
        machines.flatMap((machine, i) => [
          assertRejects(
            () => machine.suspend(),
            BackendError,
            `domain '${names[i]}' not running`,
          ),
          assertRejects(
            () => backend.machine(config(`${i}nobody`)),
            BackendError,
            `no domain "${i}nobody"`,
          ),
        ]),
      );
      const actions = await Promise.all(machines.map((each) => each.start()));
      assertEquals(actions, names.map(() => "started"));
      const ids = await Promise.all(machines.map((each) => each.domainId!()));
      assertEquals(new Set(ids).size, names.length);
    } finally {
      clearInterval(collecting);
    }
  },
);

test("a closed backend refuses calls", async (hypervisor) => {
  hypervisor.define("www");
  const backend = await LIBVIRT.open({ connect: TEST_URI });
  const machine = await backend.machine(config("www"));
  await backend.close();
  await assertRejects(
    () => machine.start(),
    BackendError,
    "the connection to libvirt at test:///default is closed",
  );
});

Deno.test("closing lets go of everything in libvirt", {
  ignore: missing !== undefined,
}, async () => {
  // The test hypervisor is made anew, with its one domain running, when nothing refers to the last one any more.
  for (let i = 0; i < 20; i++) {
    const backend = await LIBVIRT.open({ connect: TEST_URI });
    const machine = await backend.machine(config("test"));
    assertEquals(await machine.state(), "running", `round ${i}`);
    await Promise.all(
      Array.from({ length: 10 }, () => machine.macAddresses!()),
    );
    await assertRejects(() => backend.machine(config("nobody")));
    await machine.destroy();
    await backend.close();
  }
});

Deno.test(
  "a process that closes its backend ends by itself and prints nothing",
  {
    ignore: missing !== undefined,
  },
  async () => {
    const description = import.meta.resolve(
      "../../../src/backends/libvirt/description.ts",
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `
      import { LIBVIRT } from ${JSON.stringify(description)};
      const backend = await LIBVIRT.open({ connect: "${TEST_URI}" });
      const machine = await backend.machine({ name: "test", keys: { suspend: "memory" } });
      await machine.destroy();
      await machine.suspend().catch(() => {});
      await backend.close();
    `,
      ],
      signal: AbortSignal.timeout(60_000),
    }).output();
    const text = new TextDecoder();
    assertEquals([text.decode(stdout), text.decode(stderr), code], ["", "", 0]);
  },
);

Deno.test(
  "several domains of a test hypervisor described in a file, each in the state it has there",
  {
    ignore: missing !== undefined,
  },
  async () => {
    const file = await Deno.makeTempFile({ suffix: ".xml" });
    // virDomainState
    const state = (number: number) =>
      `<test:runstate>${number}</test:runstate>`;
    const domains: [string, string][] = [
      ["up", state(1)],
      ["paused", state(3)],
      ["down", state(5)],
      ["saved", state(5) + "<test:hasmanagedsave/>"],
    ];
    await Deno.writeTextFile(
      file,
      `<node>${
        domains.map(([name, more]) =>
          domainXml(name, crypto.randomUUID(), more)
        )
      }</node>`,
    );
    const backend = await LIBVIRT.open({ connect: `test://${file}` });
    try {
      const machines = await Promise.all(
        domains.map(([name]) => backend.machine(config(name))),
      );
      assertEquals(
        await Promise.all(machines.map((machine) => machine.state())),
        ["running", "paused", "off", "suspended"],
      );
      assertEquals(
        await Promise.all(machines.map((machine) => machine.start())),
        ["found running", "unpaused", "started", "resumed"],
      );
      assertEquals(
        await Promise.all(machines.map((machine) => machine.state())),
        ["running", "running", "running", "running"],
      );
    } finally {
      await backend.close();
      await Deno.remove(file);
    }
  },
);

Deno.test(
  "a driver that reports no events is asked for the states every few seconds",
  {
    ignore: missing !== undefined,
  },
  async () => {
    // libvirt's own VMware driver, over a `vmrun` that says what runs.
    const folder = await Deno.makeTempDir();
    const program = (name: string, text: string) =>
      Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\n${text}\n`, {
        mode: 0o755,
      });
    const setRunning = (...files: string[]) =>
      Deno.writeTextFile(
        `${folder}/list`,
        [`Total running VMs: ${files.length}`, ...files, ""].join("\n"),
      );
    await program("vmplayer", "echo VMware Player 16.0.0");
    await program("vmrun", `[ "$3" != list ] || cat ${folder}/list`);
    await Deno.writeTextFile(
      `${folder}/vmware.log`,
      "VMware Player pid=4242 \n",
    );
    await Deno.writeTextFile(
      `${folder}/www.vmx`,
      `config.version = "8"
virtualHW.version = "10"
displayName = "www"
memsize = "64"
numvcpus = "1"
`,
    );
    await setRunning(`${folder}/www.vmx`);
    const path = Deno.env.get("PATH")!;
    Deno.env.set("PATH", `${folder}:${path}`);
    try {
      const backend = await LIBVIRT.open({
        connect: "vmwareplayer:///session",
      });
      try {
        const machine = await backend.machine(config("www"));
        assertEquals(await machine.state(), "running");
        const told = listen(machine);
        await setRunning();
        await until("told that it went off", () => told.length > 0);
        await setRunning(`${folder}/www.vmx`);
        await until("told that it runs", () => told.length > 1);
        assertEquals(told, [
          "off: found so by polling",
          "running: found so by polling",
        ]);
      } finally {
        await backend.close();
      }
    } finally {
      Deno.env.set("PATH", path);
      await Deno.remove(folder, { recursive: true });
    }
  },
);

async function openError(connect: string): Promise<string> {
  const { message } = await assertRejects(
    () => LIBVIRT.open({ connect }),
    BackendError,
  );
  assertNotMatch(message, /\n/);
  return message;
}

Deno.test(
  "a daemon that does not run is reported with the URI, its socket and how to start it",
  {
    ignore: missing !== undefined,
  },
  async () => {
    const directory = await Deno.makeTempDir();
    const socket = `${directory}/sock`;
    const uri = `qemu+unix:///system?socket=${socket}`;
    try {
      assertEquals(
        await openError(uri),
        `cannot connect to libvirt at ${uri}: Failed to connect socket to '${socket}': No such file or directory; ` +
          "is libvirtd running? Start it with `systemctl start libvirtd`, or its driver's own daemon, such as virtqemud",
      );
      const listener = Deno.listen({ transport: "unix", path: socket });
      await Deno.link(socket, `${socket}-left`);
      listener.close();
      await Deno.rename(`${socket}-left`, socket);
      assertMatch(
        await openError(uri),
        /Connection refused; is libvirtd running\?/,
      );
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

Deno.test("a URI that cannot be connected to is reported without its secrets", {
  ignore: missing !== undefined,
}, async () => {
  const message = await openError(
    "qemu+tcp://joe:s3cret@127.0.0.1:1/system?token=t0p",
  );
  assertStringIncludes(
    message,
    "cannot connect to libvirt at qemu+tcp://joe:***@127.0.0.1:1/system?token=***: ",
  );
  assertNotMatch(message, /s3cret|t0p/);
});

Deno.test("connections that fail at the same time each have their own error", {
  ignore: missing !== undefined,
}, async () => {
  const sockets = Array.from({ length: 10 }, (_, i) => `/nowhere/${i}`);
  const messages = await Promise.all(
    sockets.map((path) => openError(`qemu+unix:///system?socket=${path}`)),
  );
  messages.forEach((message, i) =>
    assertStringIncludes(message, `socket to '${sockets[i]}'`)
  );
});

Deno.test("suspend= takes memory or disk, and is memory unless it is given", () => {
  const { suspend } = machineConfig<LibvirtKeys>(LIBVIRT, "www").keys;
  assertEquals(suspend, "memory");
  const tape = () => machineConfig(LIBVIRT, "www", { suspend: "tape" });
  assertThrows(tape, Error, 'suspend "tape" is not one of memory, disk');
});
