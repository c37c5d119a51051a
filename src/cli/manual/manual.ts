/**
 * The manual: what `--help` shows and the man page says. Options and keys come from their tables.
 *
 * In all texts words to type stand in backquotes.
 *
 * @module
 */
import type { BackendDescription } from "../../backends/backend.ts";
import { BACKENDS } from "../../backends/registry.ts";
import type { Key, Option } from "../../values/key.ts";
import { type Command, COMMANDS } from "../read/commands.ts";
import { COMMON_KEYS } from "../read/keys.ts";
import { OPTIONS } from "../../daemon/option_table.ts";

const ALL_OPTIONS: readonly Option[] = OPTIONS;

/** A paragraph, a term with its explanation, a command line to type as it is, or lines of a file. */
export type Block =
  | { text: string }
  | { term: string; text: string }
  | { command: string }
  | { example: string };

/** A section of the manual, with its blocks in order. */
export interface Section {
  title: string;
  blocks: Block[];
}

/** The name of the manual's subject and what it is, in a line. */
export const SUBJECT = "jitsu - Just-In-Time Summoning of Unikernels";

/** The sections, in the order that man(7) and the original have. */
export function manual(): Section[] {
  return [
    { title: "NAME", blocks: [{ text: SUBJECT }] },
    {
      title: "SYNOPSIS",
      blocks: [
        { text: "`jitsu` [OPTION]... CONFIG..." },
        { text: "`jitsu` COMMAND [OPTION]... [OPERAND]" },
      ],
    },
    ...DESCRIPTION,
    { title: "OPTIONS", blocks: OPTIONS.map(optionBlock) },
    {
      title: "COMMANDS",
      blocks: [
        {
          text:
            "A command talks to the running daemon, which it finds by `--control` or `--persistdb` as the daemon was " +
            "given them. Where it does not run, `status`, `history`, `add` and `remove` use the `--persistdb` itself.",
        },
        ...COMMANDS.flatMap(commandBlocks),
      ],
    },
    { title: "COMMON CONFIGURATION", blocks: COMMON_KEYS.map(keyBlock) },
    ...BACKENDS.map(backendSection),
    ...USE,
  ];
}

function optionBlock({ name, short, value, absent, bare, doc }: Option): Block {
  let term = `\`--${name}\``;
  if (value) {
    term += bare ? `[=${value}]` : `=${value}`;
    if (short) {
      term = `\`-${short}\`${bare ? `[${value}]` : ` ${value}`}, ${term}`;
    }
  }
  if (absent ?? bare) {
    term += bare ? ` (default=${bare})` : ` (absent=${absent})`;
  }
  return { term, text: doc };
}

function keyBlock({ name, doc, required, repeatable, absent }: Key): Block {
  const notes = [
    required && "required",
    repeatable && "repeatable",
    absent && `absent=${absent}`,
  ].filter(Boolean);
  return {
    term: `\`${name}\`` + (notes.length > 0 ? ` (${notes.join(", ")})` : ""),
    text: doc,
  };
}

/** A command, and what its options are beside those of the daemon's. */
function commandBlocks({ name, operand, options, doc }: Command): Block[] {
  const own = options.filter((option) =>
    !ALL_OPTIONS.some((each) => each.name === option.name) ||
    option.name === "mode" || option.name === "backend"
  );
  const words = own.map(({ name, value }) =>
    `[\`--${name}\`${value ? `=${value}` : ""}]`
  );
  if (operand) {
    words.push(operand.required ? operand.name : `[${operand.name}]`);
  }
  const docs = own.map(({ name, doc }) => `\`--${name}\`: ${doc}`);
  return [{
    term: [`\`${name}\``, ...words].join(" "),
    text: [doc, ...docs].join(" "),
  }];
}

function backendSection(
  { name, doc, keys, options = [] }: BackendDescription,
): Section {
  return {
    title: `${name.toUpperCase()} CONFIGURATION`,
    blocks: [
      { text: `\`-x ${name}\`: ${doc}` },
      ...keys.map(keyBlock),
      ...options.map(optionBlock),
    ],
  };
}

const DESCRIPTION: Section[] = [
  {
    title: "DESCRIPTION",
    blocks: [
      {
        text:
          "Jitsu is a forwarding DNS server that starts unikernels, virtual machines or processes on demand. When a " +
          "DNS query for the name of a unikernel comes in, Jitsu starts the unikernel if it is not running, and " +
          "answers with its address once it is ready: clients need to know nothing of this. Queries for other names " +
          "are forwarded to another DNS server. A unikernel that nobody has asked for in 2 x TTL seconds is stopped.",
      },
    ],
  },
  {
    title: "CONFIG",
    blocks: [
      {
        text:
          "Each CONFIG describes a unikernel as `key=value,...`: its DNS names, its addresses, and what it is to its " +
          "backend. The keys `dns`, `ip` and `name` are required; the sections below have all of them. A key that is " +
          "marked so may be given repeatedly.",
      },
      {
        text:
          "A comma in a value is written `\\,` and a backslash `\\\\`; a backslash before anything else stands for " +
          "itself. White space may follow a comma only where the whole CONFIG is quoted for the shell.",
      },
      {
        text:
          "The older form `dns,ip,name` means `dns=...,ip=...,name=...`. Options and CONFIGs may come in any order; " +
          "after `--` there are only CONFIGs.",
      },
    ],
  },
];

const FILE: Section = {
  title: "CONFIGURATION FILE",
  blocks: [
    {
      text:
        "With `--config` options and unikernels are in a file, in TOML. An option stands under its long name; one that " +
        "may be given repeatedly is an array, and one without a value is `true`. Each unikernel is a table " +
        "`[[unikernel]]` with the keys of a CONFIG. The file is only ever read.",
    },
    {
      text:
        "A CONFIG on the command line takes the place of the file's unikernel of the same name, and an option that of " +
        "the file's. `jitsu check` tells what is wrong with a file, `jitsu reload` makes the daemon read it again.",
    },
    {
      example: [
        'backend = "process"',
        'forwarder = ["9.9.9.9", "149.112.112.112"]',
        "[[unikernel]]",
        'name = "www"',
        'dns = ["www.example.org", "example.org"]',
        'ip = "127.0.0.2"',
        "wait_for_tcp = 8080",
        'command = "python3 -m http.server 8080"',
      ].join("\n"),
    },
  ],
};

const USE: Section[] = [
  FILE,
  {
    title: "EXAMPLES",
    blocks: [
      {
        command:
          "jitsu -c xen:/// dns=www.openmirage.org,ip=192.168.0.22,name=mirage-www",
      },
      {
        text:
          "Connect to Xen through libvirt. Start the VM mirage-www on requests for www.openmirage.org and answer with " +
          "192.168.0.22.",
      },
      {
        command:
          "jitsu -c xen:/// -f 8.8.8.8 dns=mirage.io,ip=10.0.0.1,name=mirage-www",
      },
      {
        text: "The same for mirage.io. Forward all other requests to 8.8.8.8.",
      },
      {
        command: "jitsu -c vbox:///session -m suspend \\\n" +
          "    dns=home.local,ip=192.168.0.1,name=ubuntu -t 60",
      },
      {
        text:
          "Connect to VirtualBox. Start the VM ubuntu on requests for home.local, and suspend it when there was none " +
          "for 120 seconds (2 x TTL). Forward all other requests to the system's own DNS servers.",
      },
      {
        command: "jitsu -x xapi -c https://root@xs1.example.org/ \\\n" +
          "    --xapi-ca /etc/jitsu/xs1.pem --xapi-password-file /etc/jitsu/password \\\n" +
          "    dns=www.example.org,ip=10.0.0.1,name=www",
      },
      {
        text:
          "Log in to a XenServer or XCP-ng pool, whose host xs1 is known by its certificate. Start its VM www on " +
          "requests for www.example.org.",
      },
      {
        command:
          "jitsu www.example.com,127.0.0.1,Ubuntu -m suspend -c vbox:///session",
      },
      { text: "The older form of a CONFIG." },
      {
        command:
          "jitsu -x process -l 5300 dns=www.example.org,ip=127.0.0.1,\\\n" +
          "name=www,wait_for_tcp=8080,command='python3 -m http.server 8080'",
      },
      {
        text:
          "Serve DNS on port 5300. Start a web server on requests for www.example.org and answer when it accepts " +
          "connections.",
      },
    ],
  },
  {
    title: "EXIT STATUS",
    blocks: [
      {
        term: "0",
        text:
          "Jitsu was stopped by a signal, showed its help or version, or did what a command asked for.",
      },
      {
        term: "1",
        text:
          "The command line or the configuration file is wrong, or names a unikernel that there is not. Nothing was touched.",
      },
      {
        term: "2",
        text:
          "Jitsu could not start: the address is in use, the backend cannot be reached, or a unikernel is unknown to it. Or a command " +
          "could not be done: no daemon answers, or the unikernel could not be started or stopped.",
      },
      { term: "3", text: "A fault of Jitsu itself, which is worth a report." },
    ],
  },
  {
    title: "SIGNALS",
    blocks: [
      {
        term: "SIGHUP",
        text: "The same as `jitsu reload`. What came of it is in the log.",
      },
      {
        term: "SIGTERM, SIGINT",
        text:
          "Stop listening, answer the queries that wait, and exit within 5 seconds. Unikernels stay as they are, " +
          "unless `--stop-on-exit` was given or they cannot live without Jitsu.",
      },
    ],
  },
  {
    title: "ENVIRONMENT",
    blocks: [
      {
        term: "JITSU_XAPI_PASSWORD",
        text: "The password for `-x xapi`. See `--xapi-password-file`.",
      },
      {
        term: "PAGER",
        text: "What `--help` is shown with on a terminal. Default: less.",
      },
    ],
  },
  {
    title: "FILES",
    blocks: [{
      term: "/run/jitsu/control.sock, $XDG_RUNTIME_DIR/jitsu.sock",
      text: "The control socket. See `--control`.",
    }, {
      term: "/etc/resolv.conf",
      text:
        "The nameservers that are asked for names that belong to no unikernel, unless there is a `--forwarder`.",
    }],
  },
  {
    title: "SEE ALSO",
    blocks: [{ text: "virsh(1), dig(1), resolv.conf(5)" }],
  },
];
