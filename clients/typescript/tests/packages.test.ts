// What an app gets that installs the packages: their committed types, by the rules of Node and by those of bundlers.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, expect, test } from "vitest";

const CLIENTS = fileURLToPath(new URL("../..", import.meta.url));
const APP = `"use client";
import { createTelemetry, reset, sdTelemetry, type TelemetryEvent } from "siddes-telemetry-sdk";
import { telemetryProxy } from "siddes-telemetry-proxy";

const known: TelemetryEvent = "suggestion_shown";
sdTelemetry(known, 3);
// @ts-expect-error: the list is closed
sdTelemetry("anything");
const own = createTelemetry<"own_event">();
own("own_event");
// @ts-expect-error: so is an app's own
own("suggestion_shown");
export const done: Promise<void> = reset();
export const { GET, POST } = telemetryProxy({ ingestUrl: "http://gateway:8080" });
// @ts-expect-error: one must say where
telemetryProxy({});
`;

const folder = mkdtempSync(join(tmpdir(), "siddes-consumer-"));
afterAll(() => rmSync(folder, { recursive: true }));

mkdirSync(join(folder, "node_modules"));
symlinkSync(join(CLIENTS, "typescript"), join(folder, "node_modules/siddes-telemetry-sdk"));
symlinkSync(join(CLIENTS, "proxy"), join(folder, "node_modules/siddes-telemetry-proxy"));
writeFileSync(join(folder, "package.json"), '{"type":"module"}');
writeFileSync(join(folder, "app.ts"), APP);

test.each([
  ["Node", ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
  ["bundlers", ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
])(
  "the types hold by the rules of %s, in an old target, with libraries checked",
  (_, module, moduleResolution) => {
    const options: ts.CompilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
      skipDefaultLibCheck: true, // those of TypeScript itself: seconds of work, and not ours
      types: [],
      lib: ["lib.es2017.d.ts", "lib.dom.d.ts"],
      target: ts.ScriptTarget.ES2017,
      module,
      moduleResolution,
    };
    const program = ts.createProgram([join(folder, "app.ts")], options);
    const complaints = ts.getPreEmitDiagnostics(program).map(({ messageText, file, start }) => ({
      where: `${file?.fileName} ${start}`,
      what: ts.flattenDiagnosticMessageText(messageText, "\n"),
    }));
    expect(complaints).toEqual([]);
  },
  60_000,
);
