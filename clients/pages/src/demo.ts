// The demo page: each event of the registry can be counted with the built SDK, by hand or by what an app would do.

import { reset, sdTelemetry } from "siddes-telemetry-sdk";
import { explain } from "siddes-telemetry-sdk/debug";
import { browserEnvironment, followPageEvents } from "./browser-environment";
import { hue } from "./chart-series";
import { countControls } from "./count-stepper";
import { type Snapshot, startCountsFeed } from "./counts-feed";
import { paintCounts } from "./counts-view";
import { byId, el, setAttributes, setHidden, setText } from "./dom";
import { type Emission, SOURCE_EVENTS } from "./emitters";
import { acceptsAll, shownEvents } from "./registry";
import { searchView } from "./search-view";
import { describeStatus } from "./session-status";
import { sheetView } from "./sheet-view";
import { onboardingView, trayView } from "./tray-view";
import { viewerView } from "./viewer-view";

const MAX_LOG_ENTRIES = 50; // a page that is left open does not grow
const DAYS = 7;

let latest: Snapshot | undefined;

const log = byId("log", HTMLOListElement);
const noResults = byId("no-results", HTMLElement);
const logEmpty = byId("log-empty", HTMLElement);
const sources = Object.entries(SOURCE_EVENTS).map(([name, events]) => ({
  card: byId(`${name}-source`, HTMLElement),
  events,
}));
const search = searchView(() => {
  if (latest) show(latest);
});
const controls = countControls((event, count) => emit([{ event, count }]));

explain();

function emit(emitted: readonly Emission[]): void {
  for (const { event, count } of emitted) {
    sdTelemetry(event, count);
    log.prepend(el("li", {}, `${event} ${count}`));
    setHidden(logEmpty, true);
  }
  while (log.childElementCount > MAX_LOG_ENTRIES) log.lastElementChild?.remove();
}

function show(snapshot: Snapshot): void {
  latest = snapshot;
  const { status, registry, result } = snapshot;
  paintViewer(snapshot);
  setAttributes(document.documentElement, { "data-status": status.kind });
  setHidden(noResults, result !== undefined);
  setText(noResults, `${describeStatus(status, undefined).title}.`);
  setHidden(byId("results", HTMLElement), !registry);
  for (const { card, events } of sources) setHidden(card, !registry || !acceptsAll(registry, events));
  if (!registry) return;
  const events = shownEvents(registry, result?.counts ?? {}, []);
  paintCounts(byId("counts", HTMLTableSectionElement), events, result?.counts, {
    hueOf: (_, index) => hue(index),
    search: search(events),
    controls,
  });
}

const paintViewer = viewerView(byId("who", HTMLElement), "Sign out", {
  beforeChange: reset, // queued counts are this viewer's
  changed: () => feed.viewerChanged(),
});
const feed = startCountsFeed(browserEnvironment, { windowDays: () => DAYS, withSeries: false }, show);
followPageEvents(feed);
setHidden(
  byId("private", HTMLElement),
  !("globalPrivacyControl" in navigator && navigator.globalPrivacyControl === true),
);
sheetView(emit);
trayView(emit);
onboardingView(emit);
