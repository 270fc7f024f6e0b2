// The developer dashboard: one viewer's counts, rates and chart by day, updated by polling.

import { reset } from "siddes-telemetry-sdk";
import { browserEnvironment, followPageEvents } from "./browser-environment";
import { chartSeries, huesOf } from "./chart-series";
import { chartView, paintDays } from "./chart-view";
import { type Snapshot, startCountsFeed } from "./counts-feed";
import { paintCounts } from "./counts-view";
import { csvFileName, toCsv } from "./csv";
import { byId, el, setAttributes, setHidden, setText } from "./dom";
import { rates } from "./rates";
import { paintRates } from "./rates-view";
import { shownEvents } from "./registry";
import { searchView } from "./search-view";
import { WINDOW_DAYS, windowFromHash, windowLabel } from "./time-window";
import { viewerView } from "./viewer-view";

let latest: Snapshot | undefined;

const resultsPart = byId("results", HTMLElement);
const windowLabels = document.querySelectorAll(".period");
const download = byId("csv", HTMLButtonElement);
const paintChart = chartView();
const search = searchView(() => {
  if (latest) show(latest);
});
const paintViewer = viewerView(byId("who", HTMLElement), "Clear", {
  beforeChange: reset, // counts queued in other tabs must not go to the next viewer
  changed: () => feed.viewerChanged(),
});

function show(snapshot: Snapshot): void {
  latest = snapshot;
  const { status, registry, result } = snapshot;
  paintViewer(snapshot);
  setAttributes(document.documentElement, { "data-status": status.kind });
  setHidden(resultsPart, !result);
  download.disabled = !result;
  if (!registry || !result) return;
  const { counts, steps } = result;
  const events = shownEvents(registry, counts, steps);
  setHidden(byId("nothing", HTMLElement), Object.keys(counts).length > 0);
  for (const label of windowLabels) setText(label, windowLabel(result.days, windowFromHash(location.hash)));
  const shownRates = rates(registry.rates, events, counts);
  setHidden(byId("rates-part", HTMLElement), shownRates.length === 0);
  paintRates(byId("rates", HTMLElement), shownRates);
  const series = chartSeries(events, steps);
  const hues = huesOf(series);
  paintChart(series, steps);
  const counted = events.filter((event) => hues.has(event.name));
  setHidden(byId("days-part", HTMLElement), counted.length === 0);
  paintDays(counted, steps);
  paintCounts(byId("counts", HTMLTableSectionElement), events, counts, {
    hueOf: (event) => hues.get(event.name) ?? "",
    search: search(events),
  });
}

function downloadCsv(): void {
  if (!latest?.registry || !latest.result) return;
  const { days, readAt, counts, steps } = latest.result;
  const address = URL.createObjectURL(
    new Blob([toCsv(latest.registry, counts, steps)], { type: "text/csv;charset=utf-8" }),
  );
  el("a", { href: address, download: csvFileName(days, readAt) }).click();
  setTimeout(() => URL.revokeObjectURL(address), 0); // the download has started by then
}

const feed = startCountsFeed(
  browserEnvironment,
  { windowDays: () => windowFromHash(location.hash), withSeries: true },
  show,
);
followPageEvents(feed);

function checkWindowButton(): void {
  for (const days of WINDOW_DAYS)
    byId(`days-${days}`, HTMLInputElement).checked = days === windowFromHash(location.hash);
}

function changeWindow(): void {
  if (latest) show(latest); // labels the counts at once as those of the other window
  feed.pollNow();
}

for (const days of WINDOW_DAYS) {
  byId(`days-${days}`, HTMLInputElement).addEventListener("change", () => {
    history.replaceState(null, "", `#days=${days}`);
    changeWindow();
  });
}
addEventListener("hashchange", () => {
  checkWindowButton();
  changeWindow();
});
download.addEventListener("click", downloadCsv);
checkWindowButton();
