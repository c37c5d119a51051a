/**
 * What becomes of our children: told when one ends, is stopped or goes on, by whosever signal, through SIGCHLD.
 *
 * @module
 */
import { libc } from "./libc.ts";

/** `<linux/wait.h>` */
const P_PID = 1, WNOHANG = 1, WSTOPPED = 2, WEXITED = 4, WCONTINUED = 8;
/** The size of siginfo_t, and where its fields are: `<asm-generic/siginfo.h>` */
const SIGINFO_SIZE = 128, SI_CODE = 8, SI_PID = 16, SI_STATUS = 24;
/** si_code of SIGCHLD: `<asm-generic/siginfo.h>` */
const CLD_EXITED = 1, CLD_DUMPED = 3;

/** By their numbers from 1 on, which x86 and ARM share: signal(7). */
const SIGNALS =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
    .split(" ");

/** One child that is watched. */
interface Watched {
  /** Whether it is for us to take its end, or somebody else's (Deno's) who started it. */
  readonly ours: boolean;
  /** Told how it ended, in words. */
  readonly onEnd: (reason: string) => void;
  /** Told when it was stopped or continued. */
  readonly onMove: () => void;
}

/** See the module's comment. */
export class Children {
  readonly #watched = new Map<number, Watched>();
  readonly #info = new DataView(new ArrayBuffer(SIGINFO_SIZE));
  #looking = false;
  readonly #listener = () => {
    // A signal that came while another was pending is lost: all are looked at, once for all that have just come.
    if (this.#looking) return;
    this.#looking = true;
    setTimeout(() => {
      this.#looking = false;
      for (const pid of this.#watched.keys()) this.#look(pid);
    });
  };

  watch(pid: number, watched: Watched): void {
    if (this.#watched.size === 0) {
      Deno.addSignalListener("SIGCHLD", this.#listener);
    }
    this.#watched.set(pid, watched);
    this.#look(pid); // in case the signal came before
  }

  forget(pid: number): void {
    if (this.#watched.delete(pid) && this.#watched.size === 0) {
      Deno.removeSignalListener("SIGCHLD", this.#listener);
    }
  }

  /** waitid(2), until it has no more to say of the child. */
  #look(pid: number): void {
    const { ours, onEnd, onMove } = this.#watched.get(pid)!;
    const options = WSTOPPED | WCONTINUED | WNOHANG | (ours ? WEXITED : 0);
    const info = this.#info;
    let moved = false;
    for (;;) {
      info.setInt32(SI_PID, 0, true);
      const failed = libc().waitid(P_PID, pid, info, options);
      if (failed || info.getInt32(SI_PID, true) === 0) break;
      const code = info.getInt32(SI_CODE, true);
      if (code <= CLD_DUMPED) {
        this.forget(pid);
        onEnd(describeEnd(code, info.getInt32(SI_STATUS, true)));
        return;
      }
      moved = true;
    }
    if (moved) onMove();
  }
}

function describeEnd(code: number, status: number): string {
  if (code === CLD_EXITED) return `exited with code ${status}`;
  const name = SIGNALS[status - 1];
  return `killed by ${name ? `SIG${name}` : `signal ${status}`}`;
}
