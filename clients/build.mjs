// What is built from these sources and committed, so that nobody needs Node to run or adopt it.
//   node build.mjs           writes it
//   node build.mjs --check   fails where what is committed is not what would be written, or the SDK has grown too large

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PAGES = "../src/siddes_telemetry/summary_api/pages"; // served by `up --debug` and `summary`
const OUTPUTS = ["typescript/dist", "proxy/dist", PAGES];
const MAX_SDK_BYTES = 2048; // gzipped: it must never be a reason not to adopt it
const SDK_URL = "/developer/telemetry/sdk.js";

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
  await build({ ...MODULE, entryPoints: ["typescript/src/index.ts"], outfile: join(sdk, "index.js"), minify: true });
  declare("typescript/src/index.ts", sdk);
  await build({ ...MODULE, entryPoints: ["proxy/src/index.ts"], outfile: join(proxy, "index.js") });
  declare("proxy/src/index.ts", proxy);
  await build({
    ...MODULE,
    entryPoints: ["pages/src/dashboard.ts", "pages/src/demo.ts", "pages/src/pages.css"],
    outdir: pages,
    alias: { "siddes-telemetry-sdk": SDK_URL },
    external: [SDK_URL],
  });
  for (const name of ["dashboard.html", "demo.html", "icon.svg"]) cpSync(join("pages/src", name), join(pages, name));
  cpSync(join(sdk, "index.js"), join(pages, "sdk.js"));
}

/** Writes the types of a module and of what it imports. */
function declare(entry, folder) {
  const options =
    "--declaration --emitDeclarationOnly --strict --target es2022 --module esnext --moduleResolution bundler";
  execFileSync("node", ["node_modules/typescript/bin/tsc", entry, ...options.split(" "), "--outDir", folder], {
    stdio: "inherit",
  });
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function differences(fresh, committed) {
  const names = new Set([...files(fresh), ...files(committed)]);
  return [...names].filter((name) => read(join(fresh, name)) !== read(join(committed, name)));
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // one side lacks it: a difference
  }
}

process.chdir(HERE);
if (process.argv[2] === "--check") {
  const folder = mkdtempSync(join(tmpdir(), "siddes-build-"));
  try {
    const fresh = OUTPUTS.map((_, index) => join(folder, String(index)));
    await buildInto(fresh);
    const stale = OUTPUTS.flatMap((output, index) =>
      differences(fresh[index], output).map((name) => `${output}/${name}`),
    );
    const size = gzipSync(readFileSync(join(fresh[0], "index.js")), { level: 9 }).length;
    console.log(`SDK: ${size} of ${MAX_SDK_BYTES} bytes gzipped`);
    if (stale.length > 0) console.error(`stale, run \`make generate\`:\n  ${stale.join("\n  ")}`);
    process.exitCode = stale.length > 0 || size > MAX_SDK_BYTES ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  for (const output of OUTPUTS) {
    rmSync(output, { recursive: true, force: true });
    mkdirSync(output, { recursive: true });
  }
  await buildInto(OUTPUTS);
}
