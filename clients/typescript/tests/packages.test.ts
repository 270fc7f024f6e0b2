// What an app gets that installs the packages: their types and the generated module's, by the rules of Node and of bundlers.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, expect, test } from "vitest";

const CLIENTS = fileURLToPath(new URL("../..", import.meta.url));

const TYPED = `"use client";
import { disable, reset, sdTelemetry, type TelemetryEvent } from "SOURCE";

const known: TelemetryEvent = "suggestion_shown";
sdTelemetry(known, 3);
// @ts-expect-error: misspelt
sdTelemetry("sugestion_shown");
// @ts-expect-error: nothing but a number
sdTelemetry("suggestion_shown", "3");
export const done: Promise<void> = reset();
disable();
`;
const UNTYPED = `
import { createTelemetry, reset, sdTelemetry, type Telemetry } from "siddes-telemetry-sdk";
import { explain } from "siddes-telemetry-sdk/debug";
import { type TelemetryProxy, telemetryProxy } from "siddes-telemetry-proxy";

sdTelemetry("anything", 3);
const untyped: Telemetry = createTelemetry({ url: "/base/batch" });
untyped("anything");
const own = createTelemetry<"own_event">();
own("own_event");
// @ts-expect-error: an app's own list is closed
own("another_event");
explain();
export const done: Promise<void> = reset();
export const handlers: TelemetryProxy = telemetryProxy({ ingestUrl: "http://gateway:8080" });
// @ts-expect-error: one must say where
telemetryProxy({});
`;

const folder = mkdtempSync(join(tmpdir(), "siddes-app-"));
afterAll(() => rmSync(folder, { recursive: true }));

const pack = ["pack", "--json", "--pack-destination", folder, "./typescript", "./proxy"];
const packed: { name: string; filename: string }[] = JSON.parse(
  execFileSync("npm", pack, { cwd: CLIENTS, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }),
);
for (const { name, filename } of packed) {
  const target = join(folder, "node_modules", name);
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, filename), "-C", target, "--strip-components=1"]);
}
mkdirSync(join(folder, "src"));
cpSync(join(CLIENTS, "typescript/tests/telemetry.generated.ts"), join(folder, "src/telemetry.ts"));
writeFileSync(join(folder, "package.json"), '{"type":"module"}');
writeFileSync(join(folder, "page.tsx"), TYPED.replace("SOURCE", "./src/telemetry"));
writeFileSync(join(folder, "typed.ts"), TYPED.replace("SOURCE", "./src/telemetry.js"));
writeFileSync(join(folder, "untyped.ts"), UNTYPED);

const STRICT: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noUnusedLocals: true,
  verbatimModuleSyntax: true,
  declaration: true,
  isolatedDeclarations: true,
  skipLibCheck: false,
  skipDefaultLibCheck: true, // those of TypeScript itself: seconds of work, and not ours
};
/** As create-next-app writes it. */
const NEXT: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2017,
  lib: ["lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.esnext.d.ts"],
  allowJs: true,
  skipLibCheck: true,
  strict: true,
  esModuleInterop: true,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  resolveJsonModule: true,
  isolatedModules: true,
  jsx: ts.JsxEmit.Preserve,
};
const NODE = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
const BUNDLER = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
const BROWSER = { target: ts.ScriptTarget.ES2017, lib: ["lib.es2017.d.ts", "lib.dom.d.ts"] };
const parsed = new Map<string, ts.SourceFile | undefined>(); // the libraries take most of the time

test.each<[string, ts.CompilerOptions, string[]]>([
  ["a Next.js app", NEXT, ["page.tsx", "untyped.ts"]],
  ["a strict app by the rules of Node", { ...STRICT, ...BROWSER, ...NODE }, ["typed.ts", "untyped.ts"]],
  ["a strict app of a bundler", { ...STRICT, ...BROWSER, ...BUNDLER }, ["typed.ts", "untyped.ts"]],
])(
  "%s compiles without Node's types, and a misspelt event is refused",
  (_, chosen, files) => {
    const options: ts.CompilerOptions = { ...chosen, noEmit: true, types: [] };
    const host = ts.createCompilerHost(options);
    const { getSourceFile } = host;
    host.getSourceFile = (name, target, ...rest) => {
      const key = `${name} ${JSON.stringify(target)}`;
      if (!parsed.has(key)) parsed.set(key, getSourceFile(name, target, ...rest));
      return parsed.get(key);
    };
    const roots = files.map((name) => join(folder, name));
    const complaints = ts.getPreEmitDiagnostics(ts.createProgram(roots, options, host)).map((each) => ({
      where: `${each.file?.fileName} ${each.start}`,
      what: ts.flattenDiagnosticMessageText(each.messageText, "\n"),
    }));
    expect(complaints).toEqual([]);
  },
  60_000,
);
