import { assertEquals } from "@std/assert";
import { collectLog } from "../../collect_log.ts";
import { parseName, ROOT } from "../../../src/dns/wire/name.ts";
import { Route, Routes } from "../../../src/dns/forward/routes.ts";
import { Upstream } from "../../../src/dns/forward/upstream.ts";
import { clientQuery } from "../queries.ts";

const server = (address: string) => new Upstream({ address, port: 53 });
const routeOf = (domain: string) =>
  new Route(parseName(domain), () => Promise.resolve([]), () => false);

function found(routes: Routes, name: string): Route | undefined {
  const { packet, query } = clientQuery(name);
  return routes.find(packet, query.questionEnd);
}

Deno.test("the longest domain that a name is in counts, whatever its case", () => {
  const fallback = routeOf("."),
    corp = routeOf("corp.example"),
    lab = routeOf("Lab.corp.example");
  const routes = new Routes(fallback, [corp, lab]);
  const cases: Record<string, Route> = {
    "corp.example": corp,
    "a.b.CORP.Example": corp,
    "lab.corp.example": lab,
    "www.lab.corp.EXAMPLE": lab,
    "xlab.corp.example": corp,
    "xcorp.example": fallback,
    "corp.example.org": fallback,
    "example": fallback,
    ".": fallback,
  };
  for (const [name, route] of Object.entries(cases)) {
    assertEquals(found(routes, name) === route, true, name);
  }
});

Deno.test("a name that is in no domain has no route where there is none for all", () => {
  const routes = new Routes(undefined, [routeOf("corp.example")]);
  assertEquals(found(routes, "example.org"), undefined);
  assertEquals(found(new Routes(undefined, []), "example.org"), undefined);
});

Deno.test("what was given for a domain is told apart from what is for all", () => {
  const routes = new Routes(routeOf("."), [routeOf("10.in-addr.arpa")]);
  const given = (name: string) => {
    const { packet, query } = clientQuery(name);
    return routes.ofDomain(packet, query.questionEnd) !== undefined;
  };
  assertEquals(given("1.0.0.10.in-addr.arpa"), true);
  assertEquals(given("1.0.168.192.in-addr.arpa"), false);
});

Deno.test("servers that are this program itself are left out, as things are when they are told", async () => {
  const own = server("192.0.2.1"), other = server("192.0.2.2");
  let listed = [own, other];
  const route = new Route(
    ROOT,
    () => Promise.resolve(listed),
    ({ address }) => address === own.address,
  );
  const first = await route.servers();
  assertEquals(first, [other]);
  assertEquals(await route.servers() === first, true);
  listed = [own];
  assertEquals(await route.servers(), []);
});

Deno.test("a domain without a source is closed, one without servers is not", async () => {
  assertEquals(routeOf("a.example").isClosed, false);
  const closed = new Route(parseName("a.example"), undefined, () => false);
  assertEquals([closed.isClosed, await closed.servers()], [true, []]);
});

Deno.test("a server that was heard of in the moment when one was asked is not silent, and silence is told once", async () => {
  const one = server("192.0.2.1");
  const route = new Route(ROOT, () => Promise.resolve([one]), () => false);
  await route.servers();
  const lines = collectLog("dns");
  one.heard(10);
  route.silentSince(10);
  assertEquals(lines, []);
  for (let i = 0; i < 2; i++) route.silentSince(11);
  assertEquals(lines, ["WARN no upstream server replies: 192.0.2.1#53"]);
  route.answered();
  assertEquals(lines.length, 2);
});
