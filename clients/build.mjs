// Builds the SDK, the proxy and the developer pages. The output is committed, so that nobody needs Node to use them.
//   node build.mjs           writes the output
//   node build.mjs --check   fails where the committed output differs from the built one
// Both fail where the SDK is too large.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PAGES = "../summary_api/siddes_telemetry/summary_api/pages"; // served by `up --debug` and `summary`
const OUTPUTS = ["typescript/dist", "proxy/dist", PAGES];
const MAX_SDK_BYTES = 2048; // gzipped: it must never be a reason not to adopt it
const SDK_URL = "/developer/telemetry/sdk.js";
const DEBUG_URL = "/developer/telemetry/sdk-debug.js";

const MODULE = {
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  logLevel: "warning",
  legalComments: "none",
};

async function buildInto(outputs) {
  const [sdk, proxy, pages] = outputs;
  // debug.js shares no file with index.js, which is the whole SDK for pages without a bundler
  await build({ ...MODULE, entryPoints: ["typescript/src/index.ts"], outfile: join(sdk, "index.js"), minify: true });
  await build({ ...MODULE, entryPoints: ["typescript/src/debug.ts"], outfile: join(sdk, "debug.js") });
  declare("typescript/src/index.ts", sdk, ["index.d.ts"]);
  declare("typescript/src/debug.ts", sdk, ["debug.d.ts"]);
  await build({ ...MODULE, entryPoints: ["proxy/src/index.ts"], outfile: join(proxy, "index.js") });
  declare("proxy/src/index.ts", proxy, ["index.d.ts", "options.d.ts"]);
  await build({
    ...MODULE,
    entryPoints: ["pages/src/dashboard.ts", "pages/src/demo.ts", "pages/src/pages.css"],
    outdir: pages,
    alias: { "siddes-telemetry-sdk": SDK_URL, "siddes-telemetry-sdk/debug": DEBUG_URL },
    external: [SDK_URL, DEBUG_URL],
  });
  for (const name of ["dashboard.html", "demo.html", "icon.svg"]) cpSync(join("pages/src", name), join(pages, name));
  cpSync(join(sdk, "index.js"), join(pages, "sdk.js"));
  cpSync(join(sdk, "debug.js"), join(pages, "sdk-debug.js"));
}

/** Writes the public types of a module: of the .d.ts files of its sources, those in `names`. */
function declare(entry, folder, names) {
  const options =
    "--declaration --emitDeclarationOnly --strict --target es2022 --module esnext --moduleResolution bundler";
  const all = `${folder}-types`;
  execFileSync("node", ["node_modules/typescript/bin/tsc", entry, ...options.split(" "), "--outDir", all], {
    stdio: "inherit",
  });
  for (const name of names) cpSync(join(all, name), join(folder, name));
}

function files(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** The names of the files that differ, or exist in one of the folders only. */
function differences(built, committed) {
  const names = new Set([...files(built), ...files(committed)]);
  return [...names].filter((name) => read(join(built, name)) !== read(join(committed, name)));
}

/** Replaces one file. Unchanged ones are left alone: an instance may be starting from them. */
function replace(built, committed) {
  if (existsSync(built)) cpSync(built, committed);
  else rmSync(committed);
}

function read(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

process.chdir(HERE);
const checking = process.argv[2] === "--check";
const folder = mkdtempSync(join(tmpdir(), "siddes-build-"));
try {
  const built = OUTPUTS.map((_, index) => join(folder, String(index)));
  await buildInto(built);
  OUTPUTS.forEach((output, index) => {
    for (const name of differences(built[index], output)) {
      if (checking) {
        console.error(`stale, run \`make generate\`: clients/${join(output, name)}`);
        process.exitCode = 1;
      } else replace(join(built[index], name), join(output, name));
    }
  });
  const size = gzipSync(readFileSync(join(built[0], "index.js")), { level: 9 }).length;
  console.log(`SDK: ${size} of ${MAX_SDK_BYTES} bytes gzipped`);
  if (size > MAX_SDK_BYTES) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
