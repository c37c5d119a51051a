/**
 * The manual as plain text, at most 80 columns wide.
 *
 * @module
 */
import type { Block, Section } from "./manual.ts";

const WIDTH = 80;

/** The lines of a text, none longer than that, broken at white space. */
export function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const line = lines[lines.length - 1];
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${line} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

/** The manual's text. */
export function renderPlain(sections: readonly Section[]): string {
  return sections
    .map(({ title, blocks }) => `${title}\n${blocks.map(block).join("\n")}`)
    .join("\n");
}

function block(block: Block): string {
  if ("command" in block) return indented(4, block.command.split("\n"));
  if ("example" in block) return indented(4, block.example.split("\n"));
  const text = block.text.replaceAll("`", "");
  if (!("term" in block)) return indented(4, wrap(text, WIDTH - 4));
  return indented(4, [block.term.replaceAll("`", "")]) +
    indented(8, wrap(text, WIDTH - 8));
}

function indented(columns: number, lines: readonly string[]): string {
  return lines.map((line) => `${" ".repeat(columns)}${line}\n`).join("");
}
