/**
 * What a backend remembers of the far end of its connection, in the daemon's store.
 *
 * @module
 */
import type { BackendMemory } from "../backends/backend.ts";
import { type Store, untold } from "../store/store.ts";

/** The memory of the backend of that name. */
export function memoryIn(store: Store, backend: string): BackendMemory {
  const key = (farEnd: string) => `${backend} ${farEnd}`;
  return {
    recall: (farEnd) => store.identityOf(key(farEnd)),
    async note(farEnd, identity) {
      if (await store.identityOf(key(farEnd)) === identity) return;
      await store.identify(key(farEnd), identity).catch(untold);
    },
  };
}
