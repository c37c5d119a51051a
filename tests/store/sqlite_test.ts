import { testStore } from "./contract.ts";
import { TestFile } from "./support.ts";

testStore("sqlite", async (kept) => {
  const file = new TestFile();
  const store = await file.open({ kept });
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      file[Symbol.dispose]();
    },
  };
});
