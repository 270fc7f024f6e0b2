import { expect, test } from "vitest";
import { type TelemetryProxyOptions, telemetryProxy } from "../src/index";

const INGEST = { ingestUrl: "http://gateway.internal:8080" };

test.each<[string, object]>([
  ["ingestUrl", {}],
  ["ingestUrl", { ingestUrl: "canary" }],
  ["ingestUrl", { ingestUrl: "/canary" }],
  ["ingestUrl", { ingestUrl: "ftp://canary.example" }],
  ["ingestUrl", { ingestUrl: "http://canary@gateway.internal" }],
  ["ingestUrl", { ingestUrl: "http://:canary@gateway.internal" }],
  ["ingestUrl", { ingestUrl: "http://gateway.internal?canary" }],
  ["ingestUrl", { ingestUrl: "http://gateway.internal#canary" }],
  ["summaryUrl", { ...INGEST, summaryUrl: "" }],
  ["sessionCookie", { ...INGEST, sessionCookie: "" }],
  ["sessionCookie", { ...INGEST, sessionCookie: "canary; b" }],
  ["development", { ...INGEST, development: "false" }],
  ["origins", { ...INGEST, origins: "https://canary.example" }],
  ["origins", { ...INGEST, origins: ["https://canary.example/"] }],
  ["origins", { ...INGEST, origins: ["*"] }],
  ["fetch", { ...INGEST, fetch: "canary" }],
  ["timeoutMs", { ...INGEST, timeoutMs: 0 }],
  ["timeoutMs", { ...INGEST, timeoutMs: Number.POSITIVE_INFINITY }],
])("a wrong %s is named at once, and not shown: %j", (name, options) => {
  const made = () => telemetryProxy(options as TelemetryProxyOptions);
  expect(made).toThrow(new RegExp(`^telemetryProxy: ${name} must`));
  expect(made).not.toThrow(/canary/);
});

test("an option may be given as undefined, as an environment has it", () => {
  const unset = { summaryUrl: undefined, sessionCookie: undefined, development: undefined, origins: undefined };
  expect(Object.keys(telemetryProxy({ ...INGEST, ...unset }))).toEqual(["GET", "POST"]);
});
