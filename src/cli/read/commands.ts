/**
 * The table of commands: the parser, the manual and the shells' completions are made from it. What they do is in
 * operate.ts.
 *
 * @module
 */
import { readWords } from "./words.ts";
import type { Given, Option } from "../../values/key.ts";
import { readOption } from "./given.ts";
import { OPTIONS } from "../../daemon/option_table.ts";
import { didYouMean, printable } from "../../values/text.ts";
import { INITS, SERVICE_BACKENDS } from "../../service/choices.ts";
import { readChoice, readCount, readDirectory } from "../../values/readers.ts";

/** The shells that there are completions for. */
export const SHELLS = ["bash", "fish", "zsh"] as const;

/** What a command is about. */
export interface Operand {
  /** What it is called: `NAME` is a unikernel's. */
  name: "NAME" | "CONFIG" | "FILE" | "SHELL";
  required: boolean;
  choices?: readonly string[];
}

/** The first word of a command line that does not serve. */
export interface Command {
  name: string;
  operand?: Operand;
  options: readonly Option[];
  /** What it does, in sentences; words to type stand in backquotes. */
  doc: string;
}

const ALL: readonly Option[] = OPTIONS;
const optionNamed = (name: string) =>
  ALL.find((option) => option.name === name)!;
const HELP = optionNamed("help");
/** Where the daemon is. */
const DAEMON = [optionNamed("control"), optionNamed("persistdb"), HELP];
const NAME: Operand = { name: "NAME", required: true };
const JSON_OUTPUT: Option = {
  name: "json",
  doc: "Print JSON instead of a table.",
};

const PLACE: readonly Option[] = [
  {
    name: "prefix",
    value: "DIR",
    read: readDirectory,
    absent: "/usr/local",
    doc:
      "Where to put things. Below /usr and /usr/local, configuration goes to /etc.",
  },
  { name: "dry-run", doc: "Tell what would be done, and do nothing." },
  HELP,
];

/** In the order of the manual. */
export const COMMANDS = [
  {
    name: "status",
    operand: { ...NAME, required: false },
    options: [
      JSON_OUTPUT,
      {
        name: "names",
        doc: "Print nothing but the names of the unikernels, a line each.",
      },
      { name: "watch", doc: "Print it again every second." },
      ...DAEMON,
    ],
    doc:
      "Show how the unikernels are: their state and since when they are in it, when they will be stopped if nobody asks " +
      "for them, how often they were started and asked for, and how long the last start took.",
  },
  {
    name: "start",
    operand: NAME,
    options: DAEMON,
    doc:
      "Start a unikernel as a query would, and wait until it is ready. It is tried at once, even if it has just failed.",
  },
  {
    name: "stop",
    operand: NAME,
    options: [
      { ...optionNamed("mode"), absent: undefined, doc: "How to stop it." },
      ...DAEMON,
    ],
    doc: "Stop a unikernel in its mode, or in the one given, and wait for it.",
  },
  {
    name: "add",
    operand: { name: "CONFIG", required: true },
    options: [
      {
        name: "replace",
        doc: "Give this CONFIG to the unikernel of that name, if there is one.",
      },
      {
        ...optionNamed("backend"),
        doc: "What runs it. Needed only where the daemon does not run.",
      },
      ...DAEMON,
    ],
    doc:
      "Serve one more unikernel from now on. A machine that runs already is taken over as it is.",
  },
  {
    name: "remove",
    operand: NAME,
    options: [
      { name: "stop", doc: "Stop it, in its mode." },
      ...DAEMON,
    ],
    doc:
      "Serve a unikernel no longer. Its machine is left as it is, unless told otherwise.",
  },
  {
    name: "history",
    operand: { ...NAME, required: false },
    options: [
      {
        name: "limit",
        value: "N",
        read: readCount,
        absent: "100",
        doc: "Show the last N changes at the most.",
      },
      JSON_OUTPUT,
      ...DAEMON,
    ],
    doc:
      "Show what became of the unikernels, the newest last: every change of state and of configuration, and who brought " +
      "it about.",
  },
  {
    name: "reload",
    options: [
      { name: "stop", doc: "Stop the unikernels that are gone." },
      ...DAEMON,
    ],
    doc:
      "Read the configuration file (`--config`) again and apply what is different, as SIGHUP does. Unikernels that stay " +
      "as they were are not touched; the machines of those that are gone are left as they are, unless told otherwise. " +
      "A file with a mistake changes nothing.",
  },
  {
    name: "upstreams",
    options: [JSON_OUTPUT, ...DAEMON],
    doc:
      "Show how the DNS servers are that are asked for other names: whether they work, how long they take, and what " +
      "they were found not to be able to do.",
  },
  {
    name: "check",
    operand: { name: "FILE", required: true },
    options: [HELP],
    doc:
      "Tell what is wrong with a configuration file, with line numbers. Nothing else is touched.",
  },
  {
    name: "doctor",
    operand: { name: "CONFIG", required: false },
    options: [HELP],
    doc:
      "Look whether Jitsu could serve the command line that follows, without serving it: the port, the backend's " +
      "library and connection, the unikernels and their addresses, the DNS servers that are asked for other names, and " +
      "who can ask. Says what to do about what is wrong; the exit status is 2 then.",
  },
  {
    name: "install",
    options: [
      ...PLACE,
      {
        name: "backend",
        value: "BACKEND",
        read: readChoice(SERVICE_BACKENDS),
        doc:
          "What runs the machines: it is written into the configuration file that is installed, and the service is " +
          "confined to its needs. Default: the one that is in that file already, otherwise `libvirt`.",
        choices: SERVICE_BACKENDS,
      },
      {
        name: "init",
        value: "INIT",
        read: readChoice(INITS),
        choices: INITS,
        doc:
          "What runs the service: `systemd` or `openrc`. Default: the one that is there.",
      },
    ],
    doc:
      "Put the program, its man page, the shells' completions, an example configuration (/etc/jitsu/jitsu.toml) and a " +
      "service in place. A file that somebody has changed stays as it is, and the new one is put beside it. Nothing is " +
      "started.",
  },
  {
    name: "uninstall",
    options: PLACE,
    doc: "Remove what `install` has put in place and nobody has changed since.",
  },
  {
    name: "completions",
    operand: { name: "SHELL", required: true, choices: SHELLS },
    options: [HELP],
    doc:
      "Print what makes `bash`, `fish` or `zsh` complete the words of a jitsu command line.",
  },
] as const satisfies readonly Command[];

/** A command line that does not serve, read. */
export interface CommandRequest {
  name: typeof COMMANDS[number]["name"];
  operand?: string;
  /** By the options' long names. */
  values: Record<string, unknown>;
}

/** The command that a command line begins with, if it does. */
export function commandOf(argv: readonly string[]): Command | undefined {
  return COMMANDS.find(({ name }) => name === argv[0]);
}

/** `; did you mean X?` for a word that might be a command. */
export function suggestCommand(word: string): string {
  return didYouMean(word, COMMANDS.map(({ name }) => name));
}

/** Reads the words after the command. What is wrong with them is added to `problems`, a line each. */
export function readCommand(
  command: Command,
  words: readonly string[],
  problems: string[],
): CommandRequest {
  const { given, operands, problems: found } = readWords(
    words,
    command.options,
  );
  problems.push(...found);
  const values = Object.fromEntries(command.options.map((option) => {
    const texts: Given[] = given.get(option.name)!.map((text) => ({
      text,
      where: `option --${option.name}`,
    }));
    return [option.name, readOption(option, texts, problems)];
  }));
  const { operand } = command;
  const most = operand === undefined ? 0 : 1;
  for (const word of operands.slice(most)) {
    problems.push(
      `${command.name}: ${printable(word)} is one word too many${
        operand === undefined ? "" : ` after the ${operand.name}`
      }`,
    );
  }
  const [word] = operands;
  if (operand?.required && word === undefined && found.length === 0) {
    problems.push(`${command.name}: there is no ${operand.name}`);
  }
  if (word !== undefined && operand?.choices?.includes(word) === false) {
    problems.push(
      `${command.name}: ${printable(word)} is not one of ${
        operand.choices.join(", ")
      }${didYouMean(word, operand.choices)}`,
    );
  }
  return {
    name: command.name as CommandRequest["name"],
    operand: most > 0 ? word : undefined,
    values,
  };
}
