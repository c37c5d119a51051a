/**
 * The manual as the source of a man page, in the man(7) macros that groff and mandoc share.
 *
 * @module
 */
import type { Block, Section } from "./manual.ts";
import { wrap } from "./plain.ts";
import { VERSION } from "../version.ts";

/** When the manual last changed: a man page has a date. */
const DATE = "2026-11-22";

/** The man page's source. */
export function renderGroff(sections: readonly Section[]): string {
  return [
    `.TH JITSU 1 ${DATE} "Jitsu ${VERSION}" "Jitsu Manual"`,
    ...sections.flatMap(({ title, blocks }) => [
      `.SH ${title}`,
      ...blocks.flatMap(block),
    ]),
    "",
  ].join("\n");
}

function block(block: Block, index: number): string[] {
  const paragraph = index === 0 ? [] : [".PP"]; // .SH has begun the first
  if ("command" in block || "example" in block) {
    return [
      ...paragraph,
      ".RS 4",
      ".nf",
      escape("command" in block ? block.command : block.example),
      ".fi",
      ".RE",
    ];
  }
  const text = escape(wrap(block.text, 60).join("\n"));
  if ("term" in block) return [".TP", escape(block.term), text];
  return [...paragraph, text];
}

/** Lines of text as roff has it: nothing in it is a request or an escape, what stands in backquotes is bold. */
function escape(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replace(/`([^`]*)`/g, "\\fB$1\\fR")
    .replace(/^\./gm, "\\&.");
}
