/**
 * A stand-in for `@std/assert` where JSR cannot be reached: what the tests use of it, over node:assert.
 * Removing the `links` entry in tests/deno.json puts upstream's package in its place.
 *
 * @module
 */
import node from "node:assert/strict";
import { inspect } from "node:util";

/** What a failed assertion throws. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

function fail_(message: string, msg?: string): never {
  throw new AssertionError(msg === undefined ? message : `${message}: ${msg}`);
}
// deno-lint-ignore no-explicit-any -- upstream's own type for "any class"
type AnyClass<E> = abstract new (...args: any[]) => E;

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}
/** Fails always. */
export function fail(msg?: string): never {
  fail_("Failed assertion", msg);
}
/** Fails unless `actual` and `expected` are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  try {
    node.deepEqual(actual, expected);
  } catch (error) {
    fail_(`Values are not equal\n${(error as Error).message}`, msg);
  }
}
/** Fails if `actual` and `expected` are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  try {
    node.notDeepEqual(actual, expected);
  } catch {
    fail_(
      `Expected actual: ${inspect(actual)} not to be: ${inspect(expected)}`,
      msg,
    );
  }
}
/** Fails unless both are the same value or reference. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) {
    fail_(
      `Values are not strictly equal: ${inspect(actual)}, ${inspect(expected)}`,
      msg,
    );
  }
}
/** Fails if `actual` is null or undefined. */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    fail_(`Expected actual: "${actual}" to not be null or undefined`, msg);
  }
}
/** Fails unless `actual` is an instance of the class. */
export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: AnyClass<T>,
  msg?: string,
): asserts actual is T {
  if (!(actual instanceof expectedType)) {
    fail_(
      `Expected ${inspect(actual)} to be an instance of ${expectedType.name}`,
      msg,
    );
  }
}
/** Fails unless `actual` contains `expected`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (!actual.includes(expected)) {
    fail_(`Expected actual: "${actual}" to contain: "${expected}"`, msg);
  }
}
/** Fails unless `actual` matches. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (!expected.test(actual)) {
    fail_(`Expected actual: "${actual}" to match: "${expected}"`, msg);
  }
}
/** Fails if `actual` matches. */
export function assertNotMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) {
    fail_(`Expected actual: "${actual}" to not match: "${expected}"`, msg);
  }
}
/** Fails unless `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) {
    fail_(`Expect ${inspect(actual)} > ${inspect(expected)}`, msg);
  }
}
/** Fails unless `actual >= expected`. */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!(actual >= expected)) {
    fail_(`Expect ${inspect(actual)} >= ${inspect(expected)}`, msg);
  }
}
/** Fails unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) {
    fail_(`Expect ${inspect(actual)} < ${inspect(expected)}`, msg);
  }
}
/** Fails unless `actual <= expected`. */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!(actual <= expected)) {
    fail_(`Expect ${inspect(actual)} <= ${inspect(expected)}`, msg);
  }
}
/** Fails unless `actual` has at least the properties of `expected`. */
export function assertObjectMatch(
  actual: object,
  expected: object,
  msg?: string,
): void {
  try {
    node.partialDeepStrictEqual(actual, expected);
  } catch (error) {
    fail_(`Objects do not match\n${(error as Error).message}`, msg);
  }
}
/** Fails unless `error` is an error of that class whose message contains that text. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: AnyClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  assertInstanceOf(error, ErrorClass ?? Error, msg);
  if (typeof msgMatches === "string") {
    assertStringIncludes((error as Error).message, msgMatches, msg);
  } else if (msgMatches) assertMatch((error as Error).message, msgMatches, msg);
}
/** Fails unless `fn` throws; returns what was thrown. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass?: AnyClass<E>,
  msgIncludes?: string,
  msg?: string,
): E {
  try {
    fn();
  } catch (error) {
    assertIsError(error, ErrorClass, msgIncludes, msg);
    return error;
  }
  fail_("Expected function to throw", msg);
}
/** Fails unless the promise rejects; resolves with what it rejected with. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass?: AnyClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    assertIsError(error, ErrorClass, msgIncludes, msg);
    return error;
  }
  fail_("Expected function to reject", msg);
}
