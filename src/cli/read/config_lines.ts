/**
 * On which lines a configuration file has what: the TOML parser tells that only of what it cannot read.
 *
 * @module
 */
import { parse, TomlError } from "smol-toml";

/**
 * Finds the line, counted from 1, of a key: of the table at the top of the file, or of the array of tables'
 * `index`-th table, whose own line it is without a key. The file must be TOML.
 */
export type LineFinder = (index: number | undefined, key?: string) => number;

/** Finds lines in a file with one array of tables. Looks at the text when it is first asked. */
export function lineFinder(text: string): LineFinder {
  let lines: Map<string, number> | undefined;
  return (index, key) => {
    lines ??= locate(text);
    return lines.get(nameOf(index, key)) ?? lines.get(nameOf(index)) ?? 1;
  };
}

const nameOf = (index?: number, key = "") => `${index ?? "top"} ${key}`;

function locate(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  let index: number | undefined;
  for (const { line, source, content } of statements(text)) {
    const [key, value] = Object.entries(content)[0];
    if (!source.trimStart().startsWith("[")) {
      lines.set(nameOf(index, key), line);
      continue;
    }
    if (Array.isArray(value)) {
      index = index === undefined ? 0 : index + 1;
      lines.set(nameOf(index), line);
    } else {
      const [inner] = typeof value === "object" ? Object.keys(value!) : [];
      if (inner !== undefined) lines.set(nameOf(index, inner), line);
    }
    if (!lines.has(nameOf(undefined, key))) {
      lines.set(nameOf(undefined, key), line);
    }
  }
  return lines;
}

interface Statement {
  line: number;
  source: string;
  content: Record<string, unknown>;
}

/**
 * The headers and assignments of the file. A line ends a statement exactly when what there is of it is TOML by itself:
 * no statement has another one as its beginning.
 */
function* statements(text: string): Generator<Statement> {
  let source = "", line = 1;
  for (const [i, each] of text.split(/\r?\n/).entries()) {
    source += `${each}\n`;
    const content = parsed(source);
    if (content === undefined) continue;
    if (Object.keys(content).length > 0) yield { line, source, content };
    source = "";
    line = i + 2;
  }
}

function parsed(source: string): Record<string, unknown> | undefined {
  try {
    return parse(source);
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
}
