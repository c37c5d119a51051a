/**
 * The completions in real shells. A stand-in named `jitsu` tells names, as the daemon would, and what it was asked.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { completions } from "../../../src/cli/manual/completions.ts";
import { COMMANDS, SHELLS } from "../../../src/cli/read/commands.ts";
import { OPTIONS } from "../../../src/daemon/option_table.ts";
import { TestDirectory } from "../../backends/process/support.ts";

type Shell = typeof SHELLS[number];

function isMissing(shell: Shell): boolean {
  try {
    new Deno.Command(shell, { args: ["--version"], stdout: "null" })
      .outputSync();
    return false;
  } catch {
    // deno-lint-ignore no-console -- says why tests are skipped
    console.log(`${shell} is not installed: its completions are not tested`);
    return true;
  }
}

/** What each shell runs, with the completions at $0, to print what the words after it are completed with, a line each. */
const DRIVERS: Record<Shell, string> = {
  bash: `source "$0"; COMP_WORDS=(jitsu "$@"); COMP_CWORD=$#; _jitsu
printf '%s\\n' "\${COMPREPLY[@]}"`,
  // zsh completes for a terminal only, which zpty is; Ctrl-T lists what there is.
  zsh: `zmodload zsh/zpty; zpty z zsh -f -i
zpty -w z "PS1=; stty cols 60 rows 1000; autoload -Uz compinit; compinit -D -u; source $0"
zpty -w z "zstyle ':completion:*' verbose no; LISTMAX=0; bindkey '^T' list-choices; PS1=REA''DY"
zpty -r z line '*READY*'
zpty -n -w z "jitsu $*"$'\\C-t\\C-u'
zpty -w z "print DO''NE"
while zpty -r z line; do print -r -- "$line"; [[ $line == *DONE* && $line != *\\'* ]] && break; done
zpty -d z`,
  fish:
    `source $argv[1]; complete -C "jitsu $argv[2..]" | string split -f1 \\t`,
};

/** Names that a shell would run something for, if it evaluated them. */
const HOSTILE = [
  "$(touch PWNED)x.toml",
  "`touch PWNED`.toml",
  "a;touch PWNED;.toml",
  "a'$(touch PWNED)'.toml",
  "-e PWNED*[x]?.toml",
];

/**
 * Types the line into the shell in a terminal, lets it complete the last word (to the only one there is), and presses
 * Enter. The shell ends with the terminal.
 */
const TYPIST = String.raw`
import os, pty, select, sys, time
line, ready, *command = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0: os.execvp(command[0], command)
seen = b""
def see(what):
    global seen
    end = time.monotonic() + 30
    while what not in seen and time.monotonic() < end:
        if select.select([fd], [], [], 1)[0]: seen += os.read(fd, 65536)
    if what not in seen: sys.exit(f"{what} was not shown: {seen}")
    seen = b""
os.write(fd, (ready + "\r").encode()); see(b"READY")
os.write(fd, line.encode()); os.write(fd, b"\t"); see(b"toml")
os.write(fd, b"\r"); see(b"ASKED"); os.kill(pid, 9)
`;

/** What each shell is told first: to read the completions, and to say READY when it has. */
const GET_READY: Record<Shell, [ready: string, ...command: string[]]> = {
  bash: ["source ../completions; echo REA''DY", "bash", "--norc", "-i"],
  zsh: [
    "autoload -Uz compinit; compinit -D -u; source ../completions; echo REA''DY",
    "zsh",
    "-f",
    "-i",
  ],
  fish: ["source ../completions; echo REA''DY", "fish", "--no-config", "-i"],
};

/** Completes the word after `jitsu COMMAND ` in a terminal, where `name` is all there is, and returns what ran then. */
async function accept(
  shell: Shell,
  command: "check" | "stop",
  name: string,
): Promise<string[]> {
  using dir = new TestDirectory();
  Deno.writeTextFileSync(`${dir.path}/completions`, completions(shell));
  Deno.writeTextFileSync(`${dir.path}/name`, `${name}\n`);
  Deno.writeTextFileSync(
    `${dir.path}/jitsu`,
    `#!/bin/sh
[ "$2" = --names ] && exec cat ${dir.path}/name
printf '%s\\n' "$@" >${dir.path}/asked; echo ASKED\n`,
    { mode: 0o755 },
  );
  const cwd = `${dir.path}/here`;
  Deno.mkdirSync(cwd);
  if (command === "check") Deno.writeTextFileSync(`${cwd}/${name}`, "");
  const { code, stderr } = await new Deno.Command("python3", {
    args: ["-c", TYPIST, `jitsu ${command} `, ...GET_READY[shell]],
    env: {
      PATH: `${dir.path}:${Deno.env.get("PATH")}`,
      HOME: dir.path,
      TERM: "xterm",
    },
    cwd,
    stdin: "null",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const there = [...Deno.readDirSync(cwd)].map((each) => each.name);
  assertEquals(there, command === "check" ? [name] : [], "something ran");
  return Deno.readTextFileSync(`${dir.path}/asked`).trimEnd().split("\n");
}

/** What a shell completes these words with; the last one is the one to complete. */
async function complete(shell: Shell, ...words: string[]): Promise<string[]> {
  using dir = new TestDirectory();
  const script = `${dir.path}/completions`;
  Deno.writeTextFileSync(script, completions(shell));
  Deno.writeTextFileSync(
    `${dir.path}/jitsu`,
    `#!/bin/sh\necho "$*" >>${dir.path}/asked\necho www; echo wiki; echo git\n`,
    { mode: 0o755 },
  );
  const args = shell === "fish"
    ? ["--no-config", "-c", DRIVERS.fish, script, words.join(" ")]
    : ["-c", DRIVERS[shell], script, ...words];
  const { stdout, stderr } = await new Deno.Command(shell, {
    args,
    env: {
      PATH: `${dir.path}:${Deno.env.get("PATH")}`,
      HOME: dir.path,
      TERM: "xterm",
    },
    cwd: dir.path,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  let text = decoder.decode(stdout);
  if (shell === "zsh") {
    // The list stands after the escape sequence that clears the rest, and before those that go back up.
    // deno-lint-ignore no-control-regex -- that is what a terminal is sent
    [, text] = /\x1b\[J([^\x1b]*)\x1b\[A/.exec(text) ?? ["", ""];
  }
  return text.split(/\s+/).filter((word) => word).sort();
}

for (const shell of SHELLS) {
  const ignore = isMissing(shell);

  Deno.test({
    name: `${shell} completes commands, options and their values`,
    ignore,
    async fn() {
      assertEquals(await complete(shell, "st"), ["start", "status", "stop"]);
      assertEquals(await complete(shell, "status", "--wa"), ["--watch"]);
      assertEquals(await complete(shell, "--log-l"), ["--log-level"]);
      assertEquals(
        await complete(shell, "completions", ""),
        [...SHELLS].sort(),
      );
      const modes = await complete(shell, "stop", "--mode", "");
      assertEquals(modes, ["destroy", "shutdown", "suspend"]);
    },
  });

  Deno.test({
    name: `${shell} completes the names of unikernels by asking for them`,
    ignore,
    async fn() {
      assertEquals(await complete(shell, "stop", "w"), ["wiki", "www"]);
      assertEquals(
        await complete(shell, "stop", "--control", "/x", "g"),
        ["git"],
      );
    },
  });

  for (const command of ["check", "stop"] as const) {
    const what = command === "check" ? "file" : "unikernel";
    for (const name of HOSTILE) {
      // A word that begins with "-" is an option for all of them, and a file's name is completed as a path.
      if (name.startsWith("-") && command === "check") continue;
      Deno.test({
        name: `${shell} does not run what the name of a ${what} says: ${name}`,
        ignore,
        async fn() {
          assertEquals(await accept(shell, command, name), [command, name]);
        },
      });
    }
  }

  Deno.test({
    name: `${shell} takes the completions without a word of complaint`,
    ignore,
    fn: async () => void await complete(shell, "x"),
  });
}

Deno.test("the completions have every command and every option", () => {
  for (const shell of SHELLS) {
    const script = completions(shell);
    for (const { name } of [...COMMANDS, ...OPTIONS]) {
      assert(new RegExp(`\\b${name}\\b`).test(script), `${shell}: ${name}`);
    }
  }
});
