/**
 * Replies of a fake XAPI that are not what they should be.
 *
 * @module
 */
import { encodeFailure } from "./wire.ts";

/** What goes wrong with a reply. */
export type Fault =
  /** There is none. */
  | { kind: "hang" }
  /** The connection ends in the middle of it, after its length was told. */
  | { kind: "cut" }
  /** It is another text than it should be. */
  | { kind: "body"; body: string; type?: string; status?: number }
  | { kind: "redirect"; location: string }
  | { kind: "error"; description: string[] };

/** The reply; one that hangs ends with the signal. */
export async function spoiled(
  fault: Fault,
  end: AbortSignal,
): Promise<Response> {
  switch (fault.kind) {
    case "hang":
      await new Promise((resolve) => end.addEventListener("abort", resolve));
      return html(500, "");
    case "cut": {
      const start = new TextEncoder().encode("<methodResponse><params><par");
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(start),
        pull: (controller) => controller.error(new Error("cut")),
      }, { highWaterMark: 0 });
      return new Response(body, { headers: { "content-length": "9999" } });
    }
    case "body":
      return new Response(fault.body, {
        status: fault.status ?? 200,
        headers: { "content-type": fault.type ?? "text/xml" },
      });
    case "redirect":
      return new Response("", {
        status: 302,
        headers: { location: fault.location },
      });
    case "error":
      return xml(encodeFailure(fault.description));
  }
}

export function xml(text: string): Response {
  return new Response(text, { headers: { "content-type": "text/xml" } });
}

export function html(status: number, text: string): Response {
  return new Response(`<html><body>${text}</body></html>`, {
    status,
    headers: { "content-type": "text/html" },
  });
}
