// The demo: three emitters that send through the built SDK, beside the counts that come of it.

import { reset, sdTelemetry } from "siddes-telemetry-sdk";
import { browser, followPage } from "./browser";
import { paintCounts } from "./counts-view";
import { byId, el, setAttributes, setHidden, setText } from "./elements";
import type { Emission } from "./emitters";
import { live } from "./live";
import { sheetView } from "./sheet-view";
import { wordsFor } from "./standing";
import { onboardingView, trayView } from "./tray-view";
import { viewerView } from "./viewer-view";

const MAX_LOG = 50; // entries: enough to see cause and effect, and a page left open does not grow
const DAYS = 7;

const log = byId("log", HTMLOListElement);
const noFigures = byId("no-figures", HTMLElement);
const logEmpty = byId("log-empty", HTMLElement);

function emit(emitted: readonly Emission[]): void {
  for (const { event, count } of emitted) {
    sdTelemetry(event, count);
    log.prepend(el("li", {}, `${event} ${count}`));
    setHidden(logEmpty, true);
  }
  while (log.childElementCount > MAX_LOG) log.lastElementChild?.remove();
}

const paintViewer = viewerView(byId("who", HTMLElement), "Sign out", {
  leave: reset, // before the cookie goes: what is queued is this viewer's
  changed: () => counts.viewerChanged(),
});
const counts = live(browser, { daysWanted: () => DAYS, withSeries: false }, (snapshot) => {
  const { standing, registry, figures } = snapshot;
  paintViewer(snapshot);
  setAttributes(document.documentElement, { "data-standing": standing.kind });
  setHidden(byId("figures", HTMLElement), !figures);
  setHidden(noFigures, figures !== undefined);
  setText(noFigures, `${wordsFor(standing, undefined).title}.`);
  if (figures) paintCounts(byId("counts", HTMLTableSectionElement), registry, figures.counts);
});
followPage(counts);
setHidden(
  byId("private", HTMLElement),
  !("globalPrivacyControl" in navigator && navigator.globalPrivacyControl === true),
);
sheetView(emit);
trayView(emit);
onboardingView(emit);
