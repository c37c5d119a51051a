/**
 * The methods that every class of XAPI has: `CLASS.get_record`, `CLASS.get_by_uuid`, `CLASS.get_FIELD`, ...
 *
 * @module
 */
import type { Database } from "./database.ts";
import { Failure } from "./pool.ts";
import type { Struct, Wire } from "./wire.ts";

/** The answer to `TYPE.NAME`. */
export function read(
  db: Database,
  type: string,
  name: string,
  params: string[],
): Wire {
  const method = `${type}.${name}`;
  const isClass = db.classes.includes(type);
  if (!isClass || !name.startsWith("get_")) {
    throw new Failure("MESSAGE_METHOD_UNKNOWN", method);
  }
  const all = name === "get_all" || name === "get_all_records";
  arity(method, params, all ? 0 : 1);
  const [subject] = params;
  switch (name) {
    case "get_all_records_where":
      return Object.fromEntries(
        db.entries(type).filter(([, record]) => matches(record, subject)),
      );
    case "get_all":
      return db.entries(type).map(([ref]) => ref);
    case "get_all_records":
      return Object.fromEntries(db.entries(type));
    case "get_record":
      return objectOf(db, type, subject);
    case "get_by_uuid": {
      const found = db.entries(type).find(([, { uuid }]) => uuid === subject);
      if (found === undefined) throw new Failure("UUID_INVALID", type, subject);
      return found[0];
    }
    case "get_by_name_label":
      return db.entries(type)
        .filter(([, { name_label }]) => name_label === subject)
        .map(([ref]) => ref);
  }
  const value = objectOf(db, type, subject)[name.slice("get_".length)];
  if (value === undefined) throw new Failure("MESSAGE_METHOD_UNKNOWN", method);
  return value;
}

/** Whether a record is what an expression says, of which only `field "A"="B" and ...` is known here. */
function matches(record: Struct, expression: string): boolean {
  return expression.split(" and ").every((each) => {
    const [, field, value] = /^field "(\w+)"="([^"]*)"$/.exec(each) ?? [];
    if (field === undefined) {
      throw new Failure("INTERNAL_ERROR", "Db_filter.Expression_error");
    }
    return String(record[field]) === value;
  });
}

export function objectOf(db: Database, type: string, ref: string): Struct {
  const record = db.get(type, ref);
  if (record === undefined) throw new Failure("HANDLE_INVALID", type, ref);
  return record;
}

/** Refuses a call that has not that many parameters after the session. */
export function arity(method: string, params: Wire[], count: number): void {
  if (params.length === count) return;
  throw new Failure(
    "MESSAGE_PARAMETER_COUNT_MISMATCH",
    method,
    String(count),
    String(params.length),
  );
}
