// The demo page: three event sources that count with the built SDK, beside the resulting counts.

import { reset, sdTelemetry } from "siddes-telemetry-sdk";
import { browserEnvironment, followPageEvents } from "./browser-environment";
import { startCountsFeed } from "./counts-feed";
import { paintCounts } from "./counts-view";
import { byId, el, setAttributes, setHidden, setText } from "./dom";
import type { Emission } from "./emitters";
import { describeStatus } from "./session-status";
import { sheetView } from "./sheet-view";
import { onboardingView, trayView } from "./tray-view";
import { viewerView } from "./viewer-view";

const MAX_LOG_ENTRIES = 50; // a page that is left open does not grow
const DAYS = 7;

const log = byId("log", HTMLOListElement);
const noResults = byId("no-results", HTMLElement);
const logEmpty = byId("log-empty", HTMLElement);

function emit(emitted: readonly Emission[]): void {
  for (const { event, count } of emitted) {
    sdTelemetry(event, count);
    log.prepend(el("li", {}, `${event} ${count}`));
    setHidden(logEmpty, true);
  }
  while (log.childElementCount > MAX_LOG_ENTRIES) log.lastElementChild?.remove();
}

const paintViewer = viewerView(byId("who", HTMLElement), "Sign out", {
  beforeChange: reset, // queued counts are this viewer's
  changed: () => feed.viewerChanged(),
});
const feed = startCountsFeed(browserEnvironment, { windowDays: () => DAYS, withSeries: false }, (snapshot) => {
  const { status, registry, result } = snapshot;
  paintViewer(snapshot);
  setAttributes(document.documentElement, { "data-status": status.kind });
  setHidden(byId("results", HTMLElement), !result);
  setHidden(noResults, result !== undefined);
  setText(noResults, `${describeStatus(status, undefined).title}.`);
  if (result) paintCounts(byId("counts", HTMLTableSectionElement), registry, result.counts);
});
followPageEvents(feed);
setHidden(
  byId("private", HTMLElement),
  !("globalPrivacyControl" in navigator && navigator.globalPrivacyControl === true),
);
sheetView(emit);
trayView(emit);
onboardingView(emit);
