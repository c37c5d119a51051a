/**
 * The thread that the database is used in, so that a disk which takes its time keeps no query waiting.
 *
 * @module
 */
import { Database } from "./database.ts";
import { StoreError } from "./store.ts";

/** What can be asked for: to open the database, or a method of it. */
export type Call =
  | { method: "open"; args: ConstructorParameters<typeof Database> }
  | {
    [M in "apply" | "id" | "unikernels" | "history" | "identityOf" | "close"]: {
      method: M;
      args: Parameters<Database[M]>;
    };
  }["apply" | "id" | "unikernels" | "history" | "identityOf" | "close"];

/** One for each call, in the order of the calls. */
export type Reply =
  | { result: unknown }
  /** `known` tells a StoreError from a mistake of ours. */
  | { error: string; known: boolean };

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Call>) => void;
  postMessage(reply: Reply): void;
};

let database: Database | undefined;

function answer(call: Call): unknown {
  if (call.method === "open") {
    database = new Database(...call.args);
    return;
  }
  // deno-lint-ignore no-explicit-any -- TypeScript does not see that these are the arguments of that method
  return (database![call.method] as any)(...call.args);
}

scope.onmessage = ({ data }) => {
  try {
    scope.postMessage({ result: answer(data) });
  } catch (error) {
    const known = error instanceof StoreError;
    const { message, stack } = error as Error;
    scope.postMessage({ error: known ? message : stack ?? message, known });
  }
};
