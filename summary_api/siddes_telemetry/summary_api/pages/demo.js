// pages/src/demo.ts
import { reset, sdTelemetry } from "/developer/telemetry/sdk.js";
import { explain } from "/developer/telemetry/sdk-debug.js";

// pages/src/api.ts
var UNAVAILABLE = { kind: "unavailable", retryAfterS: 0 };
var MAX_RETRY_AFTER_S = 600;
function classifyResponse(status, retryAfter, body) {
  if (status === 200 && isObject(body)) return { kind: "ok", body };
  if (status === 401) return { kind: "unauthenticated" };
  if (status === 404 && isObject(body) && body.error === "telemetry_disabled") return { kind: "disabled" };
  return {
    kind: status === 429 ? "rate-limited" : "unavailable",
    retryAfterS: /^\d{1,9}$/.test(retryAfter ?? "") ? Math.min(Number(retryAfter), MAX_RETRY_AFTER_S) : 0
  };
}
function parseViewer(body) {
  return isObject(body) && typeof body.viewer_id === "string" ? body.viewer_id : void 0;
}
function parseRegistry(body) {
  if (!isObject(body) || !Array.isArray(body.events) || !Array.isArray(body.rates)) return void 0;
  const { events, rates } = body;
  return events.length > 0 && events.every(isEventInfo) && rates.every(isRateInfo) ? { events: withDistinctLabels(events), rates } : void 0;
}
function withDistinctLabels(events) {
  const isShared = ({ label }) => events.filter((other) => other.label === label).length > 1;
  return events.map((event) => isShared(event) ? { ...event, label: `${event.label} (${event.name})` } : event);
}
function parseCounts(body) {
  return isObject(body) && isCounts(body.counts) ? body.counts : void 0;
}
function parseSeries(body) {
  if (!isObject(body) || !Array.isArray(body.series)) return void 0;
  return body.series.every(isStep) ? body.series : void 0;
}
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function isEventInfo(value) {
  return isObject(value) && areStrings(value.name, value.label, value.meaning) && typeof value.retired === "boolean";
}
function isRateInfo(value) {
  return isObject(value) && areStrings(value.name, value.label, value.numerator, value.denominator);
}
function areStrings(...values) {
  return values.every((value) => typeof value === "string");
}
function isCounts(value) {
  return isObject(value) && Object.values(value).every((count) => Number.isSafeInteger(count) && Number(count) >= 0);
}
function isStep(value) {
  return isObject(value) && typeof value.start === "string" && !Number.isNaN(Date.parse(value.start)) && isCounts(value.counts);
}

// pages/src/dev-viewer.ts
var DEV_VIEWER_COOKIE = "sd_viewer";
var MAX_AGE_S = 30 * 24 * 3600;
var VIEWER_ID = /^[A-Za-z0-9._:@|+/=~-]{1,64}$/;
function viewerIdProblem(id) {
  if (id === "") return "Type an id first.";
  if (id.length > 64) return `At most 64 characters; this has ${id.length}.`;
  return VIEWER_ID.test(id) ? void 0 : "Only letters A–Z and a–z, digits and . _ : @ | + / = ~ - can be in an id.";
}
function viewerFromCookies(cookies) {
  const found = cookies.split("; ").find((pair) => pair.startsWith(`${DEV_VIEWER_COOKIE}=`));
  const id = found?.slice(DEV_VIEWER_COOKIE.length + 1) ?? "";
  return VIEWER_ID.test(id) ? id : void 0;
}
var viewerCookie = (id) => `${DEV_VIEWER_COOKIE}=${id}; path=/; SameSite=Strict; max-age=${MAX_AGE_S}`;
var EXPIRED_COOKIE = `${DEV_VIEWER_COOKIE}=; path=/; SameSite=Strict; max-age=0`;

// pages/src/browser-environment.ts
var TIMEOUT_MS = 15e3;
var browserEnvironment = {
  async get(path, signal) {
    try {
      const response = await fetch(path, {
        cache: "no-cache",
        // revalidates with If-None-Match: an unchanged answer costs no body
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
      });
      return classifyResponse(response.status, response.headers.get("retry-after"), await response.json());
    } catch {
      return UNAVAILABLE;
    }
  },
  setTimer(callback, ms) {
    const id = setTimeout(callback, ms);
    return () => clearTimeout(id);
  },
  now: Date.now,
  random: Math.random,
  isVisible: () => document.visibilityState === "visible",
  devViewer: () => viewerFromCookies(document.cookie)
};
function followPageEvents(feed2) {
  document.addEventListener("visibilitychange", feed2.visibilityChanged);
  addEventListener("online", feed2.pollNow);
}

// pages/src/format.ts
var WHOLE = new Intl.NumberFormat("en");
var PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
var DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
var CLOCK = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23"
});
var formatNumber = (value) => WHOLE.format(value);
var formatTime = (moment) => CLOCK.format(moment);

// pages/src/registry.ts
function shownEvents(registry, counts, steps) {
  const counted2 = (name) => [counts, ...steps.map((step) => step.counts)].some((each) => (each[name] ?? 0) > 0);
  return registry.events.filter((event) => !event.retired || counted2(event.name));
}
function acceptsAll(registry, names) {
  return names.every((name) => registry.events.some((event) => event.name === name && !event.retired));
}
function isSought(event, text) {
  const sought = text.trim().toLowerCase();
  return [event.name, event.label].some((words) => words.toLowerCase().includes(sought));
}

// pages/src/chart-series.ts
var HUES = 8;
var OTHERS_HUE = String(HUES - 1);
var hue = (index) => String(index % HUES);

// pages/src/dom.ts
function byId(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`no ${type.name} #${id}`);
}
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
function button(label, onClick, attributes = {}) {
  const made = el("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", onClick);
  return made;
}
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}
function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
  }
}
function setProperty(element, name, value) {
  if (element.style.getPropertyValue(name) !== String(value)) element.style.setProperty(name, String(value));
}
function ensureChildren(parent, count, make) {
  while (parent.childElementCount > count) parent.lastElementChild?.remove();
  while (parent.childElementCount < count) parent.append(make());
  return Array.from(parent.children);
}

// pages/src/count-stepper.ts
var MAX_COUNT = 50;
function stepperCount(text) {
  return Math.min(Math.max(Math.trunc(Number(text)) || 1, 1), MAX_COUNT);
}
function countControls(count) {
  function make() {
    const field = el("input", { type: "number", min: "1", max: String(MAX_COUNT), value: "1", autocomplete: "off" });
    const step = (by) => {
      field.value = String(stepperCount(String(stepperCount(field.value) + by)));
    };
    const less = button("−", () => step(-1), { class: "less", tabindex: "-1" });
    const more = button("+", () => step(1), { class: "more", tabindex: "-1" });
    const form = el(
      "form",
      { novalidate: "" },
      el("span", { class: "stepper" }, less, field, more),
      el("button", { type: "submit" }, "Count")
    );
    field.addEventListener("change", () => step(0));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      step(0);
      count(form.dataset.event ?? "", stepperCount(field.value));
    });
    return el("td", { class: "controls" }, form);
  }
  function paint(cell, { name, label, retired }) {
    const form = cell.firstElementChild;
    const [less, field, more, submit] = form?.querySelectorAll("button, input") ?? [];
    if (!(form instanceof HTMLFormElement) || !less || !field || !more || !submit) return;
    setHidden(form, retired);
    setAttributes(form, { "data-event": name });
    setAttributes(less, { "aria-label": `Less of ${label}` });
    setAttributes(field, { "aria-label": `How many of ${label}` });
    setAttributes(more, { "aria-label": `More of ${label}` });
    setAttributes(submit, { "aria-label": `Count ${label}` });
  }
  return { make, paint };
}

// pages/src/polling.ts
var POLL_INTERVAL_MS = 2e3;
var MAX_BACKOFF_MS = 3e4;
function pollDelayMs(failures, retryAfterS, random) {
  if (failures === 0) return POLL_INTERVAL_MS;
  const backoff = Math.min(POLL_INTERVAL_MS * 2 ** (failures - 1), MAX_BACKOFF_MS);
  return Math.max(backoff * (0.5 + random / 2), retryAfterS * 1e3 * (1 + random / 10));
}
function startPolling(poll, environment) {
  let inFlight;
  let cancelTimer = () => {
  };
  let dueAt = environment.now();
  async function run() {
    cancelTimer();
    inFlight?.abort();
    const controller = new AbortController();
    inFlight = controller;
    const wait = await poll(controller.signal);
    if (inFlight !== controller) return;
    inFlight = void 0;
    dueAt = environment.now() + wait;
    schedule();
  }
  function schedule() {
    cancelTimer();
    if (!environment.isVisible() || inFlight) return;
    cancelTimer = environment.setTimer(() => void run(), Math.max(0, dueAt - environment.now()));
  }
  schedule();
  return { pollNow: () => void run(), visibilityChanged: schedule };
}

// pages/src/session-status.ts
function sessionStatus(me, summary, cookie) {
  if (me.kind === "disabled" || summary.kind === "disabled") return { kind: "disabled" };
  if (me.kind === "unavailable" || summary.kind === "unavailable") return { kind: "unavailable" };
  if (me.kind === "rate-limited" || summary.kind === "rate-limited") return { kind: "rate-limited" };
  if (summary.kind === "unauthenticated") return { kind: "signed-out", refused: cookie };
  if (me.kind === "unauthenticated") return { kind: "dev-viewer", viewer: cookie };
  const viewer = parseViewer(me.body);
  return viewer === void 0 ? { kind: "unavailable" } : { kind: "session", viewer, ignored: cookie };
}
function describeStatus(status, readAt) {
  switch (status.kind) {
    case "loading":
      return { title: "Asking who is signed in", advice: "" };
    case "session":
      return {
        title: `Signed in as ${status.viewer}`,
        advice: status.ignored ? `The session goes before the dev viewer: ${status.ignored} is not used.` : "By the app's own session; only the app can end it."
      };
    case "dev-viewer":
      return {
        title: status.viewer ? `Dev viewer ${status.viewer}` : "Dev viewer",
        advice: "Dev viewer (sd_viewer), not a signed-in session. It works in debug only."
      };
    case "signed-out":
      return {
        title: "Nobody is signed in",
        advice: status.refused ? `The server does not take ${status.refused} as a viewer. Ids that look like an e-mail address are refused: choose another.` : "Nothing is counted until you choose a dev viewer with the field here (any name will do) or sign in to the app."
      };
    case "disabled":
      return {
        title: "Telemetry is switched off",
        advice: "The server's kill switch is on: nothing is counted or read. This page looks again by itself."
      };
    case "rate-limited":
      return { title: "Too many requests for this viewer", advice: adviceWhileWaiting(readAt) };
    case "unavailable":
      return { title: "The server is away", advice: adviceWhileWaiting(readAt) };
  }
}
function adviceWhileWaiting(readAt) {
  const have = readAt ? `These are the figures of ${formatTime(readAt)}.` : "There are no figures yet.";
  return `${have} Trying again by itself.`;
}

// pages/src/counts-feed.ts
var SIGNED_OUT_TTL_MS = 3e4;
var ME_URL = "/api/auth/me";
var SUMMARY_URL = "/api/telemetry/summary";
var SERIES_URL = "/api/telemetry/series";
var EVENTS_URL = "/developer/telemetry/events.json";
function startCountsFeed(environment, { windowDays, withSeries }, show2) {
  let snapshot = { status: { kind: "loading" }, registry: void 0, result: void 0 };
  let failures = 0;
  let signedOut;
  async function poll(signal) {
    const days = windowDays();
    const cached = signedOut && environment.now() - signedOut.at < SIGNED_OUT_TTL_MS ? signedOut : void 0;
    let me = cached?.me ?? await environment.get(ME_URL, signal);
    const getUnlessRefused = (path) => isRetriable(me) ? me : environment.get(path, signal);
    const [summary, series, events] = await Promise.all([
      getUnlessRefused(`${SUMMARY_URL}?days=${days}`),
      withSeries ? getUnlessRefused(`${SERIES_URL}?days=${days}&interval=day`) : void 0,
      // after an outage too: the server may have come back with another registry
      !snapshot.registry || failures > 0 ? getUnlessRefused(EVENTS_URL) : void 0
    ]);
    const isStale = cached && cached.summary !== summary.kind;
    if (isStale) me = await environment.get(ME_URL, signal);
    if (signal.aborted) return 0;
    const at = cached && !isStale ? cached.at : environment.now();
    signedOut = me.kind === "unauthenticated" ? { me, at, summary: summary.kind } : void 0;
    const registry = events?.kind === "ok" ? parseRegistry(events.body) : snapshot.registry;
    const status = sessionStatus(me, summary, environment.devViewer());
    const result = queryResult(days, new Date(environment.now()), summary, series);
    const hasViewer = status.kind === "session" || status.kind === "dev-viewer";
    if (hasViewer && result && registry) {
      failures = 0;
      snapshot = { status, registry, result };
    } else if (hasViewer || status.kind === "unavailable" || status.kind === "rate-limited") {
      failures += 1;
      const kind = status.kind === "rate-limited" || series?.kind === "rate-limited" ? "rate-limited" : "unavailable";
      snapshot = { status: { kind }, registry, result: snapshot.result };
    } else {
      failures = 0;
      snapshot = { status, registry, result: void 0 };
    }
    show2(snapshot);
    const retryAfters = [me, summary, series, events].map((each) => each && isRetriable(each) ? each.retryAfterS : 0);
    return pollDelayMs(failures, Math.max(...retryAfters), environment.random());
  }
  show2(snapshot);
  const poller = startPolling(poll, environment);
  return {
    pollNow: poller.pollNow,
    visibilityChanged() {
      signedOut = void 0;
      poller.visibilityChanged();
    },
    viewerChanged() {
      signedOut = void 0;
      snapshot = { ...snapshot, status: { kind: "loading" }, result: void 0 };
      show2(snapshot);
      poller.pollNow();
    }
  };
}
function isRetriable(result) {
  return result.kind === "unavailable" || result.kind === "rate-limited";
}
function queryResult(days, readAt, summary, series) {
  const counts = summary.kind === "ok" ? parseCounts(summary.body) : void 0;
  const steps = series === void 0 ? [] : series.kind === "ok" ? parseSeries(series.body) : void 0;
  return counts && steps ? { days, readAt, counts, steps } : void 0;
}

// pages/src/counts-view.ts
function paintCounts(body, events, counts, { hueOf, search: search2, controls: controls2 }) {
  const highest = Math.max(1, ...events.map((event) => counts?.[event.name] ?? 0));
  const rows = ensureChildren(body, events.length, () => makeRow(controls2));
  events.forEach((event, index) => {
    const row = rows[index];
    const parts = row?.querySelectorAll(".label, .name, .retired, .meaning, .bar, .figure");
    const [label, name, retired, meaning, bar, figure] = parts ?? [];
    if (!row || !label || !name || !retired || !meaning || !bar || !figure) return;
    const count = counts?.[event.name] ?? 0;
    setHidden(row, !isSought(event, search2));
    setText(label, event.label);
    setText(name, event.name);
    setHidden(retired, !event.retired);
    setText(meaning, event.meaning);
    setAttributes(bar, { "data-hue": hueOf(event, index) });
    setProperty(bar, "--share", count / highest);
    setText(figure, counts ? formatNumber(count) : "–");
    const cell = row.querySelector(".controls");
    if (cell) controls2?.paint(cell, event);
  });
}
function makeRow(controls2) {
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      el("span", { class: "label" }),
      " ",
      el("code", { class: "name" }),
      " ",
      el("span", { class: "retired mark" }, "retired"),
      el("span", { class: "meaning" }),
      el("span", { class: "bar", "aria-hidden": "true" })
    ),
    ...controls2 ? [controls2.make()] : [],
    el("td", { class: "figure" })
  );
}

// pages/src/emitters.ts
var [SHOWN, ACCEPTED, SKIPPED] = ["suggestion_shown", "suggestion_accepted", "suggestion_skipped"];
var [EDITED, UNDO] = ["suggestion_edited", "suggestion_undo"];
var SOURCE_EVENTS = {
  sheet: [SHOWN, ACCEPTED, SKIPPED, EDITED],
  tray: [ACCEPTED, SKIPPED, UNDO],
  onboarding: [UNDO]
};
var EVENT_OF = { accepted: ACCEPTED, skipped: SKIPPED };
function openSheet(sizes) {
  const state = Object.entries(sizes).map(([name, size]) => ({
    name,
    members: Array.from({ length: size }, (_, index) => `Member ${index + 1}`),
    decision: void 0,
    edited: false
  }));
  return { state, emitted: counted(SHOWN, state.length) };
}
function decide(sheet, index, decision) {
  return decideWhere(sheet, (at) => at === index, decision);
}
function decideAll(sheet, decision) {
  return decideWhere(sheet, () => true, decision);
}
function decideWhere(sheet, chosen, decision) {
  const state = sheet.map((one, index) => chosen(index) && !one.decision ? { ...one, decision } : one);
  return { state, emitted: counted(EVENT_OF[decision], state.filter((one, index) => one !== sheet[index]).length) };
}
function rename(sheet, index, name) {
  return edit(sheet, index, (one) => name === "" || name === one.name ? one : { ...one, name });
}
function removeMember(sheet, index, member) {
  return edit(
    sheet,
    index,
    (one) => one.members.includes(member) ? { ...one, members: one.members.filter((other) => other !== member) } : one
  );
}
function edit(sheet, index, change) {
  const before = sheet[index];
  const after = before && !before.decision ? change(before) : before;
  if (!before || !after || after === before) return { state: sheet, emitted: [] };
  return {
    state: sheet.map((one, at) => at === index ? { ...after, edited: true } : one),
    emitted: before.edited ? [] : counted(EDITED, 1)
  };
}
function decideInTray(tray, item, decision) {
  if (!tray.waiting.includes(item)) return { state: tray, emitted: [] };
  const waiting = tray.waiting.filter((other) => other !== item);
  return { state: { waiting, decided: [...tray.decided, item] }, emitted: counted(EVENT_OF[decision], 1) };
}
function undoInTray(tray) {
  const restored = tray.decided.slice(-1);
  return {
    state: { waiting: [...restored, ...tray.waiting], decided: tray.decided.slice(0, -1) },
    emitted: counted(UNDO, restored.length)
  };
}
function applyAll(onboarding) {
  return { state: { ...onboarding, applied: true }, emitted: [] };
}
function undoAll(onboarding) {
  const restored = onboarding.applied ? onboarding.groups : 0;
  return { state: { ...onboarding, applied: false }, emitted: counted(UNDO, restored) };
}
function counted(event, count) {
  return count > 0 ? [{ event, count }] : [];
}

// pages/src/search-view.ts
var MAX_AT_A_GLANCE = 12;
function searchView(changed) {
  const field = byId("search", HTMLInputElement);
  field.addEventListener("input", changed);
  return (events) => {
    const isNeeded = events.length > MAX_AT_A_GLANCE;
    setHidden(field, !isNeeded);
    return isNeeded ? field.value : "";
  };
}

// pages/src/sheet-view.ts
var GROUPS = { "Group A": 5, "Group B": 3, "Group C": 8, "Group D": 2 };
function sheetView(emit2) {
  const dialog = byId("sheet", HTMLDialogElement);
  const list = byId("suggestions", HTMLUListElement);
  const left = byId("sheet-left", HTMLElement);
  const done = byId("sheet-done", HTMLButtonElement);
  const acceptAll = byId("accept-all", HTMLButtonElement);
  const skipAll = byId("skip-all", HTMLButtonElement);
  let sheet = [];
  let rows = [];
  function take({ state, emitted }) {
    sheet = state;
    emit2(emitted);
    rows.forEach((row, index) => {
      const one = sheet[index];
      if (one) row.paint(one);
    });
    const open = sheet.filter((one) => !one.decision).length;
    setText(left, open === 0 ? "All are decided." : `${open} of ${sheet.length} left to decide.`);
    acceptAll.disabled = open === 0;
    skipAll.disabled = open === 0;
  }
  function takeDecision(outcome) {
    take(outcome);
    (rows[sheet.findIndex((one) => !one.decision)]?.accept ?? done).focus();
  }
  function actionsOn(index) {
    return {
      accept: () => takeDecision(decide(sheet, index, "accepted")),
      skip: () => takeDecision(decide(sheet, index, "skipped")),
      rename: (name) => take(rename(sheet, index, name)),
      remove: (member) => take(removeMember(sheet, index, member))
    };
  }
  byId("open-sheet", HTMLButtonElement).addEventListener("click", () => {
    const opened = openSheet(GROUPS);
    rows = opened.state.map((one, index) => suggestionView(one, actionsOn(index)));
    list.replaceChildren(...rows.map((row) => row.item));
    take(opened);
    dialog.showModal();
  });
  acceptAll.addEventListener("click", () => takeDecision(decideAll(sheet, "accepted")));
  skipAll.addEventListener("click", () => takeDecision(decideAll(sheet, "skipped")));
  done.addEventListener("click", () => dialog.close());
}
function suggestionView(first, actions) {
  const title = el("h3");
  const edited = el("span", { class: "mark" }, "edited");
  const decision = el("span", { class: "mark" });
  const name = el("input", { value: first.name, maxlength: "40", autocomplete: "off" });
  const members = el("ul", { class: "chips" });
  const accept = button("Accept", actions.accept);
  const skip = button("Skip", actions.skip);
  const open = el("div", { class: "open" }, members, el("div", { class: "field" }, name, accept, skip));
  const item = el(
    "li",
    { class: "suggestion" },
    el("div", { class: "suggestion-head" }, title, edited, decision),
    open
  );
  name.addEventListener("change", () => actions.rename(name.value.trim()));
  function memberChip() {
    const chip = button(
      "",
      () => {
        actions.remove(chip.value);
        if (!chip.isConnected) name.focus();
      },
      { class: "chip" }
    );
    return el("li", {}, chip);
  }
  function paint(one) {
    setText(title, `${one.name}: ${one.members.length} ${one.members.length === 1 ? "member" : "members"}`);
    setHidden(edited, !one.edited);
    setText(decision, one.decision ?? "");
    setHidden(decision, !one.decision);
    setHidden(open, one.decision !== void 0);
    setAttributes(item, { class: one.decision ? "suggestion decided" : "suggestion" });
    setAttributes(name, { "aria-label": `Name of ${one.name}` });
    setAttributes(accept, { "aria-label": `Accept ${one.name}` });
    setAttributes(skip, { "aria-label": `Skip ${one.name}` });
    ensureChildren(members, one.members.length, memberChip).forEach((place, index) => {
      const [chip, member] = [place.firstElementChild, one.members[index]];
      if (!chip || member === void 0) return;
      setText(chip, `${member} ×`);
      setAttributes(chip, { value: member, "aria-label": `Remove ${member} from ${one.name}` });
    });
  }
  return { item, accept, paint };
}

// pages/src/tray-view.ts
function trayView(emit2) {
  const list = byId("tray", HTMLUListElement);
  const undo = byId("undo-tray", HTMLButtonElement);
  const note = byId("tray-note", HTMLElement);
  let tray = { waiting: ["Group E: 4 members", "Group F: 6 members", "Group G: 2 members"], decided: [] };
  function paint() {
    list.replaceChildren(...tray.waiting.map(row));
    undo.disabled = tray.decided.length === 0;
    setText(note, tray.waiting.length === 0 ? "The tray is empty." : `${tray.waiting.length} waiting.`);
  }
  function take({ state, emitted }) {
    tray = state;
    emit2(emitted);
    paint();
    (list.querySelector("button") ?? undo).focus();
  }
  function row(item) {
    const name = item.replace(/:.*/, "");
    return el(
      "li",
      { class: "tray-item" },
      el("span", {}, item),
      button("Accept", () => take(decideInTray(tray, item, "accepted")), { "aria-label": `Accept ${name}` }),
      button("Skip", () => take(decideInTray(tray, item, "skipped")), { "aria-label": `Skip ${name}` })
    );
  }
  undo.addEventListener("click", () => take(undoInTray(tray)));
  paint();
}
function onboardingView(emit2) {
  const apply = byId("apply-all", HTMLButtonElement);
  const undo = byId("undo-all", HTMLButtonElement);
  const note = byId("onboarding-note", HTMLElement);
  let onboarding = { groups: 6, applied: false };
  function take({ state, emitted }) {
    onboarding = state;
    emit2(emitted);
    apply.disabled = state.applied;
    undo.disabled = !state.applied;
    setText(note, state.applied ? `${state.groups} groups applied.` : `${state.groups} groups found.`);
  }
  apply.addEventListener("click", () => {
    take(applyAll(onboarding));
    undo.focus();
  });
  undo.addEventListener("click", () => {
    take(undoAll(onboarding));
    apply.focus();
  });
  take({ state: onboarding, emitted: [] });
}

// pages/src/viewer-view.ts
function viewerView(section, clearLabel, actions) {
  const title = el("h2", { id: "status", class: "status" });
  const advice = el("p", { class: "advice" });
  const field = el("input", {
    id: "viewer",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    placeholder: "alice",
    "aria-describedby": "viewer-problem"
  });
  const problem = el("p", { id: "viewer-problem", class: "problem", role: "alert" });
  const clear = button(clearLabel, () => void change(EXPIRED_COOKIE));
  const form = el(
    "form",
    { class: "viewer-form", novalidate: "" },
    el("label", { for: "viewer" }, "Dev viewer"),
    el("div", { class: "field" }, field, el("button", { type: "submit", class: "primary" }, "Use"), clear),
    problem
  );
  section.append(el("div", { role: "status", class: "who" }, title, advice), form);
  field.value = viewerFromCookies(document.cookie) ?? "";
  async function change(cookie) {
    await actions.beforeChange();
    document.cookie = cookie;
    if (cookie === EXPIRED_COOKIE) field.value = "";
    showProblem(void 0);
    actions.changed();
  }
  function showProblem(message) {
    setText(problem, message ?? "");
    setAttributes(field, { "aria-invalid": String(message !== void 0) });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = field.value.trim();
    const message = viewerIdProblem(id);
    showProblem(message);
    if (message === void 0) void change(viewerCookie(id));
    else field.focus();
  });
  return ({ status, result }) => {
    const { title: heading, advice: text } = describeStatus(status, result?.readAt);
    setText(title, heading);
    setText(advice, text);
    setAttributes(section, { "data-status": status.kind });
  };
}

// pages/src/demo.ts
var MAX_LOG_ENTRIES = 50;
var DAYS = 7;
var latest;
var log = byId("log", HTMLOListElement);
var noResults = byId("no-results", HTMLElement);
var logEmpty = byId("log-empty", HTMLElement);
var sources = Object.entries(SOURCE_EVENTS).map(([name, events]) => ({
  card: byId(`${name}-source`, HTMLElement),
  events
}));
var search = searchView(() => {
  if (latest) show(latest);
});
var controls = countControls((event, count) => emit([{ event, count }]));
explain();
function emit(emitted) {
  for (const { event, count } of emitted) {
    sdTelemetry(event, count);
    log.prepend(el("li", {}, `${event} ${count}`));
    setHidden(logEmpty, true);
  }
  while (log.childElementCount > MAX_LOG_ENTRIES) log.lastElementChild?.remove();
}
function show(snapshot) {
  latest = snapshot;
  const { status, registry, result } = snapshot;
  paintViewer(snapshot);
  setAttributes(document.documentElement, { "data-status": status.kind });
  setHidden(noResults, result !== void 0);
  setText(noResults, `${describeStatus(status, void 0).title}.`);
  setHidden(byId("results", HTMLElement), !registry);
  for (const { card, events: events2 } of sources) setHidden(card, !registry || !acceptsAll(registry, events2));
  if (!registry) return;
  const events = shownEvents(registry, result?.counts ?? {}, []);
  paintCounts(byId("counts", HTMLTableSectionElement), events, result?.counts, {
    hueOf: (_, index) => hue(index),
    search: search(events),
    controls
  });
}
var paintViewer = viewerView(byId("who", HTMLElement), "Sign out", {
  beforeChange: reset,
  // queued counts are this viewer's
  changed: () => feed.viewerChanged()
});
var feed = startCountsFeed(browserEnvironment, { windowDays: () => DAYS, withSeries: false }, show);
followPageEvents(feed);
setHidden(
  byId("private", HTMLElement),
  !("globalPrivacyControl" in navigator && navigator.globalPrivacyControl === true)
);
sheetView(emit);
trayView(emit);
onboardingView(emit);
