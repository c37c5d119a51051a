import { MemoryStore } from "../../src/store/memory.ts";
import { testStore } from "./contract.ts";

testStore("memory", (kept) => {
  const store = new MemoryStore(kept);
  return Promise.resolve({
    store,
    [Symbol.asyncDispose]: () => store.close(),
  });
});
