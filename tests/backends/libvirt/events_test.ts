import { assertEquals } from "@std/assert";
import { interpretEvent } from "../../../src/backends/libvirt/events.ts";

// The numbers are those of virDomainEventType and its details in libvirt-domain.h.

Deno.test("events that change a domain's state say what it is now and why", () => {
  assertEquals(interpretEvent(2, 0), {
    state: "running",
    reason: "started (booted)",
    isBoot: true,
  });
  assertEquals(interpretEvent(2, 2), {
    state: "running",
    reason: "started (restored)",
  });
  assertEquals(interpretEvent(3, 0), {
    state: "paused",
    reason: "suspended (paused)",
  });
  assertEquals(interpretEvent(4, 0), {
    state: "running",
    reason: "resumed (unpaused)",
  });
  assertEquals(interpretEvent(5, 0), {
    state: "off",
    reason: "stopped (shutdown)",
  });
  assertEquals(interpretEvent(5, 1), {
    state: "off",
    reason: "stopped (destroyed)",
  });
  assertEquals(interpretEvent(7, 0), {
    state: "paused",
    reason: "PM suspended (memory)",
  });
  assertEquals(interpretEvent(8, 0), {
    state: "off",
    reason: "crashed (panicked)",
  });
});

Deno.test("a domain that was saved or undefined has to be looked at", () => {
  assertEquals(interpretEvent(5, 4), {
    state: "look",
    reason: "stopped (saved)",
  });
  assertEquals(interpretEvent(1, 0), { state: "look", reason: "undefined" });
});

Deno.test("a domain that is defined or about to stop is in the state it was in", () => {
  assertEquals(interpretEvent(0, 0), undefined);
  assertEquals(interpretEvent(6, 0), undefined);
});

Deno.test("events and details of a later libvirt do no harm", () => {
  assertEquals(interpretEvent(99, 0), undefined);
  assertEquals(interpretEvent(5, 99), {
    state: "off",
    reason: "stopped (detail 99)",
  });
});
