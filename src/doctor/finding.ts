/**
 * What an examination finds.
 *
 * @module
 */

/** One thing that was looked at. */
export interface Finding {
  /** `bad` keeps Jitsu from serving, or from starting a machine; `doubtful` does not, and may be meant. */
  verdict: "good" | "doubtful" | "bad";
  /** What was found, and what to do about it where it is not good: a line. */
  text: string;
}

export const good = (text: string): Finding => ({ verdict: "good", text });
export const doubtful = (text: string): Finding => ({
  verdict: "doubtful",
  text,
});
export const bad = (text: string): Finding => ({ verdict: "bad", text });
