/**
 * Work that a pool takes its time for: `Async` calls, and the tasks that they give.
 *
 * @module
 */
import { log } from "../../log.ts";
import { BackendError } from "../backend.ts";
import { XapiError } from "./errors.ts";
import type { Mirror } from "./mirror.ts";
import { readTask, type Task, text } from "./records.ts";
import type { Session } from "./session.ts";
import type { Value } from "./xmlrpc.ts";

/** Milliseconds that a task may take: a large VM on slow storage is suspended in less. */
const TASK_TIME = 15 * 60_000;
/** How much of a task must be new for the log to tell of it. */
const PROGRESS_STEP = 0.25;

/** How many of our tasks are known as ours. */
const MAX_OURS = 10_000;

/** A task under way. */
export interface RunningTask {
  ref: string;
  /** Resolves when it has succeeded. Rejects with XapiError where it has failed, with BackendError where we lost it. */
  done: Promise<void>;
}

export class Tasks {
  readonly #session: Session;
  readonly #mirror: Mirror;
  /** Those that we have started last: a VM may name one as under way a moment longer than it is. */
  readonly #ours = new Set<string>();

  constructor(session: Session, mirror: Mirror) {
    this.#session = session;
    this.#mirror = mirror;
  }

  /** Whether we have started a task. */
  isOurs(ref: string): boolean {
    return this.#ours.has(ref);
  }

  /** Has the pool carry out a method, and resolves when that is under way. `name` is that of the VM, for the log. */
  async start(
    name: string,
    method: string,
    params: Value[],
  ): Promise<RunningTask> {
    const ref = text(
      await this.#session.call(`Async.${method}`, ...params),
      `Async.${method}`,
    );
    this.#ours.add(ref);
    if (this.#ours.size > MAX_OURS) {
      for (const oldest of this.#ours) {
        this.#ours.delete(oldest);
        break;
      }
    }
    log("backend").debug(`${name}: ${method} is under way`);
    const done = this.#follow(ref, name, method);
    done.catch(() => {}); // whoever started it looks at it in time
    return { ref, done };
  }

  async #follow(ref: string, name: string, method: string): Promise<void> {
    const ended = Promise.withResolvers<Task | undefined>();
    ended.promise.catch(() => {}); // it may be lost while we begin to follow it
    const timer = setTimeout(() =>
      ended.reject(
        new BackendError(
          `${method} has not ended after ${
            TASK_TIME / 60_000
          } minutes: \`xe task-list\` shows it`,
        ),
      ), TASK_TIME);
    let shown = 0;
    let unfollow: (() => void) | undefined;
    let task: Task | undefined;
    try {
      unfollow = await this.#mirror.follow("task", ref, {
        told(record) {
          const task = record === undefined ? undefined : readTask(record);
          if (task === undefined || !isPending(task)) ended.resolve(task);
          else if (task.progress >= shown + PROGRESS_STEP) {
            shown = task.progress;
            const percent = Math.round(100 * task.progress);
            log("backend").debug(`${name}: ${method} is at ${percent} %`);
          }
        },
        unreadable: ended.reject,
        lost: ended.reject,
      });
      task = await ended.promise;
    } finally {
      clearTimeout(timer);
      unfollow?.();
    }
    if (task === undefined) {
      throw new BackendError(`somebody removed the task of ${method}`);
    }
    this.#destroy(ref);
    if (task.status === "success") return;
    const [code, ...params] = task.errorInfo;
    throw task.status === "cancelled" || code === undefined
      ? new XapiError("TASK_CANCELLED", [])
      : new XapiError(code, params);
  }

  /** Removes the record of a task that has ended. If that fails, the pool does so itself after a day. */
  #destroy(ref: string): void {
    this.#session.call("task.destroy", ref).catch((error) =>
      log("backend").debug(`task not removed: ${error.message}`)
    );
  }
}

function isPending({ status }: Task): boolean {
  return status === "pending" || status === "cancelling";
}
