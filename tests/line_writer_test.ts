import { assertEquals } from "@std/assert";
import { LineWriter } from "../src/line_writer.ts";

const say = (lost: number) => `(${lost} lost)`;

/** Takes what is written when it is told to, or refuses it. */
class TestSink {
  #taken: number[] = [];
  /** Octets that a write takes at the most. */
  most = Infinity;
  isFull = false;
  readonly #gate = Promise.withResolvers<void>();

  async write(octets: Uint8Array): Promise<number> {
    await this.#gate.promise;
    if (this.isFull) throw new Error("No space left on device");
    const taken = octets.subarray(0, this.most);
    this.#taken.push(...taken);
    return taken.length;
  }

  get text(): string {
    return new TextDecoder().decode(new Uint8Array(this.#taken));
  }

  /** Takes all from now on. */
  open(): void {
    this.#gate.resolve();
  }
}

Deno.test("lines are written in their order, whole, however little is taken at a time", async () => {
  const sink = new TestSink();
  sink.open();
  sink.most = 3;
  const writer = new LineWriter(sink, 1000, say);
  for (const line of ["one", "two", "drei äöü"]) writer.line(line);
  await writer.settle(60_000);
  assertEquals(sink.text, "one\ntwo\ndrei äöü\n");
});

Deno.test("while nobody reads, lines are kept up to the limit, and the others counted", async () => {
  const sink = new TestSink();
  const writer = new LineWriter(sink, 20, say);
  writer.line("is being written"); // handed on, and no longer counted
  for (let i = 0; i < 10; i++) writer.line(`line ${i}`);
  await writer.settle(1); // nothing can be
  assertEquals(sink.text, "");
  sink.open();
  await writer.settle(60_000);
  assertEquals(sink.text, "is being written\nline 0\nline 1\n(8 lost)\n");
});

Deno.test("lines that a full disk refuses are counted, and told before the next line that it takes", async () => {
  const sink = new TestSink();
  sink.open();
  sink.isFull = true;
  const writer = new LineWriter(sink, 1000, say);
  for (const line of ["a", "b", "c"]) {
    writer.line(line);
    await writer.settle(60_000);
  }
  sink.isFull = false;
  writer.line("d");
  await writer.settle(60_000);
  assertEquals(sink.text, "(3 lost)\nd\n");
});

Deno.test("a line longer than a batch is written", async () => {
  const sink = new TestSink();
  sink.open();
  const writer = new LineWriter(sink, 1_000_000, say);
  const long = "x".repeat(100_000);
  writer.line(long);
  writer.line("y");
  await writer.settle(60_000);
  assertEquals(sink.text, `${long}\ny\n`);
});
