import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  lazyLibrary,
  LibraryError,
  openLibrary,
} from "../../src/ffi/library.ts";

const GETPID = {
  getpid: { parameters: [], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const LIBC = {
  name: "C",
  candidates: ["libc.so.6"],
  install: ["make install"],
};

Deno.test("the first candidate that opens is taken", () => {
  const library = openLibrary({
    ...LIBC,
    candidates: ["/nowhere/libc.so.6", ...LIBC.candidates, "/not/reached"],
  }, GETPID);
  assertEquals(library.symbols.getpid(), Deno.pid);
  library.close();
});

Deno.test("candidates can be found out when the library is opened", () => {
  let asked = false;
  const library = openLibrary({
    ...LIBC,
    candidates: function* () {
      asked = true;
      yield* LIBC.candidates;
    }(),
  }, GETPID);
  assert(asked);
  library.close();
});

Deno.test("a missing library is reported with every path tried, why, and what to install", () => {
  const { message } = assertThrows(
    () =>
      openLibrary({
        name: "frob",
        candidates: ["libfrob-9.so.1", "/usr/lib/frob-8/lib/libfrob-8.so"],
        install: ["apt-get install libfrob9 (Debian)", "apk add frob (Alpine)"],
      }, GETPID),
    LibraryError,
  );
  const why = "cannot open shared object file: No such file or directory";
  assertEquals(
    message,
    `cannot open the frob library; tried libfrob-9.so.1 (${why}), /usr/lib/frob-8/lib/libfrob-8.so (${why}); ` +
      "install it with apt-get install libfrob9 (Debian) or apk add frob (Alpine)",
  );
});

Deno.test("a library that lacks a symbol is passed over, and the error names the symbol", () => {
  const { message } = assertThrows(
    () => openLibrary(LIBC, { frobnicate: { parameters: [], result: "void" } }),
    LibraryError,
  );
  assert(message.includes("libc.so.6 ("), message);
  assert(message.includes("frobnicate"), message);
  assert(!message.includes("\n"), message);
});

Deno.test("a library none of whose versions is installed is reported as such", () => {
  assertThrows(
    () => openLibrary({ ...LIBC, candidates: [] }, GETPID),
    LibraryError,
    "tried nothing: no file that could be it is installed; install it with make install",
  );
});

Deno.test("a lazy library is opened when it is asked for, once", () => {
  let opened = 0;
  const load = lazyLibrary(
    {
      ...LIBC,
      candidates: {
        *[Symbol.iterator]() {
          opened++;
          yield* LIBC.candidates;
        },
      },
    },
    GETPID,
    RangeError,
  );
  assertEquals(opened, 0);
  assertEquals(load().getpid(), Deno.pid);
  assertStrictEquals(load(), load());
  assertEquals(opened, 1);
});

Deno.test("a lazy library that is missing is reported with the error it was given, each time", () => {
  const load = lazyLibrary({ ...LIBC, candidates: [] }, GETPID, RangeError);
  for (let i = 0; i < 2; i++) {
    assertThrows(load, RangeError, "cannot open the C library; tried nothing");
  }
});
