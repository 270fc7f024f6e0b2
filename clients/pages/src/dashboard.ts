// The developer dashboard: one viewer's counts, rates and days, kept fresh.

import { reset } from "siddes-telemetry-sdk";
import { browser, followPage } from "./browser";
import { chartView } from "./chart-view";
import { paintCounts } from "./counts-view";
import { csv, fileName } from "./csv";
import { byId, el, setAttributes, setHidden, setText } from "./elements";
import { live, type Snapshot } from "./live";
import { rates } from "./rates";
import { paintRates } from "./rates-view";
import { viewerView } from "./viewer-view";
import { daysIn, periodOf, WINDOWS } from "./window";

let latest: Snapshot | undefined;

const figuresPart = byId("figures", HTMLElement);
const periods = document.querySelectorAll(".period");
const download = byId("csv", HTMLButtonElement);
const paintChart = chartView();
const paintViewer = viewerView(byId("who", HTMLElement), "Clear", {
  leave: reset, // other tabs' counts must not go to the viewer who comes
  changed: () => counts.viewerChanged(),
});

function show(snapshot: Snapshot): void {
  latest = snapshot;
  const { standing, registry, figures } = snapshot;
  paintViewer(snapshot);
  setAttributes(document.documentElement, { "data-standing": standing.kind });
  setHidden(figuresPart, !figures);
  download.disabled = !figures;
  if (!figures) return;
  setHidden(byId("nothing", HTMLElement), Object.keys(figures.counts).length > 0);
  for (const period of periods) setText(period, periodOf(figures.days, daysIn(location.hash)));
  const found = rates(registry, figures.counts);
  setHidden(byId("rates-part", HTMLElement), found.length === 0);
  paintRates(byId("rates", HTMLElement), found);
  paintChart(registry, figures.steps);
  paintCounts(byId("counts", HTMLTableSectionElement), registry, figures.counts);
}

function save(): void {
  if (!latest?.figures) return;
  const { days, at, counts: totals, steps } = latest.figures;
  const address = URL.createObjectURL(
    new Blob([csv(latest.registry, totals, steps)], { type: "text/csv;charset=utf-8" }),
  );
  el("a", { href: address, download: fileName(days, at) }).click();
  setTimeout(() => URL.revokeObjectURL(address), 0); // the download has taken hold of it by then
}

const counts = live(browser, { daysWanted: () => daysIn(location.hash), withSeries: true }, show);
followPage(counts);

function followWindow(): void {
  for (const days of WINDOWS) byId(`days-${days}`, HTMLInputElement).checked = days === daysIn(location.hash);
}

function changeWindow(): void {
  if (latest) show(latest); // says at once that the figures are still those of the other window
  counts.now();
}

for (const days of WINDOWS) {
  byId(`days-${days}`, HTMLInputElement).addEventListener("change", () => {
    history.replaceState(null, "", `#days=${days}`);
    changeWindow();
  });
}
addEventListener("hashchange", () => {
  followWindow();
  changeWindow();
});
download.addEventListener("click", save);
followWindow();
