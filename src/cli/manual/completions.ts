/**
 * What makes a shell complete the words of a jitsu command line, from the tables of commands and options. The names of
 * unikernels are asked of the daemon at that moment.
 *
 * @module
 */
import { type Command, COMMANDS, type SHELLS } from "../read/commands.ts";
import type { Option } from "../../values/key.ts";
import { BACKEND_OPTIONS, OPTIONS } from "../../daemon/option_table.ts";

const SERVE: readonly Option[] = [...OPTIONS, ...BACKEND_OPTIONS];
const ALL: readonly Command[] = COMMANDS;

/** The script for a shell, to be sourced. */
export function completions(shell: typeof SHELLS[number]): string {
  return { bash, zsh, fish }[shell]();
}

/** What a value is completed with: these words, files, or nothing that is known. */
function valuesOf({ choices, value }: Option): readonly string[] | "files" {
  return choices ?? (value === "PATH" || value === "FILE" ? "files" : []);
}

/** Every option there is, each name once. */
function everyOption(): Option[] {
  const all = [...SERVE, ...ALL.flatMap(({ options }) => options)];
  return [...new Map(all.map((option) => [option.name, option])).values()];
}

/** The first sentence of a text, without markup. */
function summary(doc: string): string {
  const [sentence] = doc.replaceAll("`", "").split(/(?<=[^.])[.:;] /);
  return sentence.replace(/\.$/, "");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

const names = (options: readonly Option[]) =>
  options.flatMap(({ name, short }) => [
    `--${name}`,
    ...short ? [`-${short}`] : [],
  ]).join(" ");

/** How a shell's case statement has the options that are completed alike. */
const pattern = ({ name, short }: Option) =>
  `--${name}${short ? `|-${short}` : ""}`;

function bash(): string {
  const values = everyOption().filter(({ value }) => value).map((option) => {
    const found = valuesOf(option);
    const reply = found === "files"
      ? "_jitsu_files"
      : `_jitsu_match ${found.join(" ")}`;
    return `    ${pattern(option)}) ${reply}; return;;`;
  });
  const commands = ALL.map(({ name, options, operand }) => {
    const words = operand?.choices?.join(" ") ?? "";
    const more = operand?.name === "NAME"
      ? " others=_jitsu_names"
      : operand?.name === "FILE"
      ? " others=_jitsu_files"
      : "";
    return `    ${name}) options="${names(options)}" words="${words}"${more};;`;
  });
  return `# bash completion for jitsu. Put this into ~/.bashrc: source <(jitsu completions bash)
# Names of files and unikernels may be anything: they are never expanded, and quoted where they are put.
_jitsu_match() {
  local each
  for each; do [[ $each == "$word"* ]] && COMPREPLY+=("$each"); done
}
_jitsu_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
_jitsu_names() {
  local i each quoted control=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == --control ]]; then
      [[ \${COMP_WORDS[i + 1]} == = ]] && ((i++))
      control=(--control "\${COMP_WORDS[i + 1]}")
    fi
  done
  while IFS= read -r each; do
    printf -v quoted %q "$each"
    [[ $each == "$word"* || $quoted == "$word"* ]] && COMPREPLY+=("$quoted")
  done < <("\${COMP_WORDS[0]}" status --names "\${control[@]}" 2>/dev/null)
}
_jitsu() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} options words= others=
  COMPREPLY=()
  if [[ $word == = ]]; then word=; else [[ $before == = ]] && before=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  case $before in
${values.join("\n")}
  esac
  case \${COMP_WORDS[1]} in
${commands.join("\n")}
    *) options="${names(SERVE)}"; ((COMP_CWORD == 1)) && words="${
    ALL.map(({ name }) => name).join(" ")
  }";;
  esac
  [[ $word == -* ]] && words=$options others=
  _jitsu_match $words
  [[ -z $others ]] || $others
}
complete -F _jitsu jitsu
`;
}

function zsh(): string {
  const action = (option: Option) => {
    const found = valuesOf(option);
    return found === "files"
      ? "_files"
      : found.length > 0
      ? `(${found.join(" ")})`
      : " ";
  };
  const escape = (text: string) => text.replace(/[\\[\]:]/g, "\\$&");
  const spec = (option: Option) => {
    const { name, short, value, bare, repeatable } = option;
    const doc = escape(summary(option.doc));
    const after = value ? `:${value}:${action(option)}` : "";
    const times = repeatable ? "*" : "";
    const equals = value ? (bare ? "=-" : "=") : "";
    const long = quote(
      `${times}--${name}${equals}[${doc}]${bare ? ":" : ""}${after}`,
    );
    return short && !bare
      ? `${long} ${quote(`${times}-${short}+[${doc}]${after}`)}`
      : long;
  };
  const operand = ({ operand }: Command) => {
    if (operand === undefined) return "";
    const action = operand.choices
      ? `(${operand.choices.join(" ")})`
      : operand.name === "NAME"
      ? "_jitsu_names"
      : operand.name === "FILE"
      ? "_files"
      : " ";
    return ` '1:${operand.name}:${action}'`;
  };
  const cases = ALL.map((command) =>
    `    ${command.name}) _arguments -s ${command.options.map(spec).join(" ")}${
      operand(command)
    };;`
  );
  const described = ALL.map(({ name, doc }) =>
    quote(`${name}:${summary(doc)}`)
  );
  return `#compdef jitsu
# zsh completion for jitsu. Put this into ~/.zshrc, after compinit: source <(jitsu completions zsh)
_jitsu_names() {
  local -a control found
  local i=\${words[(I)--control*]}
  ((i)) && control=("\${(@)words[i,i+1]}")
  [[ $control[1] == *=* ]] && control=("$control[1]")
  found=(\${(f)"$($_jitsu_program status --names $control 2>/dev/null)"})
  compadd -a found
}
_jitsu() {
  local _jitsu_program=$words[1] command=$words[2]
  if ((CURRENT == 2)) && [[ $command != -* ]]; then
    local -a commands=(${described.join(" ")})
    _describe command commands
    return
  fi
  local given=$command
  case $command in ${
    ALL.map(({ name }) => name).join("|")
  }) shift words; ((CURRENT--));; esac
  case $given in
${cases.join("\n")}
    *) _arguments -s ${SERVE.map(spec).join(" ")};;
  esac
}
if [[ $funcstack[1] == _jitsu ]]; then _jitsu "$@"; else compdef _jitsu jitsu; fi
`;
}

function fish(): string {
  const line = (condition: string, option: Option) => {
    const { name, short, value } = option;
    const found = valuesOf(option);
    const parts = ["complete -c jitsu", `-n ${quote(condition)}`, `-l ${name}`];
    if (short) parts.push(`-s ${short}`);
    if (value) {
      parts.push(option.bare ? "" : found === "files" ? "-r -F" : "-x");
    }
    if (found !== "files" && found.length > 0) {
      parts.push(`-a ${quote(found.join(" "))}`);
    }
    parts.push(`-d ${quote(summary(option.doc))}`);
    return parts.filter((part) => part !== "").join(" ");
  };
  const used = (name: string) => `__fish_seen_subcommand_from ${name}`;
  const none = `not ${used(ALL.map(({ name }) => name).join(" "))}`;
  const lines = ALL.flatMap(({ name, doc, operand, options }) => {
    const words = operand?.choices?.join(" ") ??
      (operand?.name === "NAME" ? "(__jitsu_names)" : undefined);
    return [
      `complete -c jitsu -n __fish_use_subcommand -a ${name} -d ${
        quote(summary(doc))
      }`,
      ...words === undefined
        ? []
        : [`complete -c jitsu -n ${quote(used(name))} -a ${quote(words)}`],
      ...operand?.name === "FILE"
        ? [`complete -c jitsu -n ${quote(used(name))} -F`]
        : [],
      ...options.map((option) => line(used(name), option)),
    ];
  });
  return `# fish completion for jitsu: jitsu completions fish >~/.config/fish/completions/jitsu.fish
function __jitsu_names
  set -l words (commandline -opc)
  set -l control
  if set -l i (contains -i -- --control $words)
    set control --control $words[(math $i + 1)]
  else
    set control (string match -- '--control=*' $words)
  end
  $words[1] status --names $control 2>/dev/null
end
complete -c jitsu -f
${lines.join("\n")}
${SERVE.map((option) => line(none, option)).join("\n")}
`;
}
