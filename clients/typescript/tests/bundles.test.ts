// The generated module in an app's bundle: production has no debug mode, development has it, and a page without a bundler runs.

import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { type BuildOptions, build } from "esbuild";
import { expect, test } from "vitest";
import { MemoryStorage, Page, ScriptedServer } from "./fake-browser";

const MAX_BYTES = 2048 + 100; // the SDK's own limit, and what the module adds: gzipped
const DEBUG_WORDS = "siddes-telemetry:";
const APP = {
  contents: 'import { sdTelemetry } from "./telemetry.generated"; sdTelemetry("suggestion_shown", 51);',
  resolveDir: fileURLToPath(new URL(".", import.meta.url)), // in the package itself, which may import itself by its name
};

async function bundled(options: BuildOptions): Promise<string> {
  const { outputFiles = [] } = await build({
    bundle: true,
    format: "iife",
    stdin: APP,
    tsconfigRaw: {}, // ours leads to the sources, not to what is built
    write: false,
    ...options,
  });
  return outputFiles.map(({ text }) => text).join("");
}

/** Runs a bundle in a page, or on a server; returns what it wrote to the console. */
function warningsOf(bundle: string, page?: Page): string[] {
  const warnings: string[] = [];
  const globals = { console: { warn: (line: string) => warnings.push(line) }, CustomEvent };
  runInContext(bundle, createContext(page ? { ...globals, window: page, document: page.document } : globals));
  return warnings;
}

function newPage(): Page {
  return new Page(new ScriptedServer().browser, new MemoryStorage());
}

test.each<[string, BuildOptions]>([
  ["minified", { minify: true }],
  ["minified for NODE_ENV=production", { minify: true, define: { "process.env.NODE_ENV": '"production"' } }],
  ["not minified", { define: { "process.env.NODE_ENV": '"production"' } }],
])("a production bundle, %s, has no debug mode", async (_, options) => {
  const bundle = await bundled(options);
  expect(bundle.includes(DEBUG_WORDS)).toBe(false);
  expect(warningsOf(bundle, newPage())).toEqual([]);
  if (options.minify) expect(gzipSync(bundle, { level: 9 }).length).toBeLessThanOrEqual(MAX_BYTES);
});

test("a development bundle says what is wrong, from the first call on", async () => {
  const bundle = await bundled({});
  expect(warningsOf(bundle, newPage())).toEqual([
    expect.stringMatching(/^siddes-telemetry: "suggestion_shown" .* more than 50/),
  ]);
});

test("without a bundler there is no `process`: the module counts, and is silent", async () => {
  const server = new ScriptedServer();
  const page = new Page(server.browser, new MemoryStorage());
  const bundle = await bundled({ platform: "neutral", mainFields: [] }); // leaves process.env.NODE_ENV alone
  expect(bundle.includes("process.env.NODE_ENV")).toBe(true);
  expect(warningsOf(bundle, page)).toEqual([]);
  await server.browser.clock.advance(2000);
  expect(server.counts).toEqual([{ suggestion_shown: 50 }]);
});

test("on a server the module does nothing", async () => {
  expect(warningsOf(await bundled({}))).toEqual([]);
});
