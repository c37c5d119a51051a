/**
 * The objects of a fake pool, each change of which has a number of its own ("generation"), and the events that a client
 * has not seen: as XAPI's xapi_event.ml makes them.
 *
 * @module
 */
import type { Struct, Wire } from "./wire.ts";

interface Row {
  record: Struct;
  created: number;
  modified: number;
}

/** What a subscription of `event.from` means: everything, a class, or an object. */
type Subscription = (type: string, ref: string) => boolean;

export class Database {
  /** By class, as XAPI spells it. */
  readonly #tables = new Map<string, Map<string, Row>>();
  #deleted: { type: string; ref: string; created: number; at: number }[] = [];
  #generation = 100;
  /** Events up to here are lost: whoever has not seen them must read everything anew. */
  #lost = 0;
  /** Called with each change. */
  readonly waiting = new Set<() => void>();

  get classes(): string[] {
    return [...this.#tables.keys()];
  }

  get generation(): number {
    return this.#generation;
  }

  /** Makes a class that may have no objects yet. */
  table(type: string): Map<string, Row> {
    const table = this.#tables.get(type) ?? new Map<string, Row>();
    this.#tables.set(type, table);
    return table;
  }

  create(type: string, record: Struct): string {
    const ref = `OpaqueRef:${crypto.randomUUID()}`;
    const at = ++this.#generation;
    this.table(type).set(ref, { record, created: at, modified: at });
    this.#changed();
    return ref;
  }

  get(type: string, ref: string): Struct | undefined {
    return this.table(type).get(ref)?.record;
  }

  entries(type: string): [ref: string, record: Struct][] {
    return [...this.table(type)].map(([ref, { record }]) => [ref, record]);
  }

  /** Changes some fields of an object, or none: that is a change as well. */
  update(type: string, ref: string, fields: Struct): void {
    const row = this.table(type).get(ref);
    if (row === undefined) throw new Error(`no ${type} ${ref}`);
    row.record = { ...row.record, ...fields };
    row.modified = ++this.#generation;
    this.#changed();
  }

  remove(type: string, ref: string): void {
    const row = this.table(type).get(ref);
    if (row === undefined) return;
    this.table(type).delete(ref);
    const at = ++this.#generation;
    this.#deleted.push({ type, ref, created: row.created, at });
    this.#changed();
  }

  /** Forgets all events. */
  lose(): void {
    this.#lost = ++this.#generation;
  }

  /** Whether events since a generation are lost. */
  hasLost(since: number): boolean {
    return since < this.#lost;
  }

  /** Lets changes happen that no event tells of: XAPI has lost them. */
  mute(changes: () => void): void {
    const before = this.#generation;
    const waiting = [...this.waiting];
    this.waiting.clear();
    changes();
    for (const wake of waiting) this.waiting.add(wake);
    for (const table of this.#tables.values()) {
      for (const row of table.values()) {
        if (row.modified > before) row.modified = before;
      }
    }
  }

  #changed(): void {
    for (const wake of this.waiting) wake();
  }

  /** What happened since a generation: additions first, then changes, then removals. */
  events(
    subscriptions: Subscription[],
    since: number,
  ): { events: Struct[]; last: number } {
    let last = since;
    const adds: Struct[] = [], mods: Struct[] = [], dels: Struct[] = [];
    const event = (
      type: string,
      ref: string,
      at: number,
      operation: string,
    ) => {
      last = Math.max(last, at);
      return {
        id: String(at),
        timestamp: "0.0",
        class: type.toLowerCase(),
        operation,
        ref,
      };
    };
    const wanted = (type: string, ref: string) =>
      subscriptions.some((matches) => matches(type.toLowerCase(), ref));
    for (const [type, table] of this.#tables) {
      for (const [ref, { record, created, modified }] of table) {
        if (modified <= since || !wanted(type, ref)) continue;
        const operation = created > since ? "add" : "mod";
        (operation === "add" ? adds : mods).push({
          ...event(type, ref, modified, operation),
          snapshot: record,
        });
      }
    }
    for (const { type, ref, created, at } of this.#deleted) {
      if (at <= since || !wanted(type, ref)) continue;
      last = Math.max(last, at);
      if (created <= since) dels.push(event(type, ref, at, "del"));
    }
    return { events: [...adds, ...mods, ...dels], last };
  }

  /** How many objects each class has. */
  counts(): Struct {
    return Object.fromEntries(
      [...this.#tables].map(([type, table]): [string, Wire] => [
        type.toLowerCase(),
        BigInt(table.size),
      ]),
    );
  }
}

export function parseSubscription(text: string): Subscription {
  if (text === "*") return () => true;
  const slash = text.indexOf("/");
  const wanted = (slash < 0 ? text : text.slice(0, slash)).toLowerCase();
  const object = slash < 0 ? undefined : text.slice(slash + 1);
  return (type, ref) =>
    type === wanted && (object === undefined || object === ref);
}
