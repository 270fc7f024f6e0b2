// pages/src/dashboard.ts
import { reset } from "/developer/telemetry/sdk.js";

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
  const { events, rates: rates2 } = body;
  return events.length > 0 && events.every(isEventInfo) && rates2.every(isRateInfo) ? { events: withDistinctLabels(events), rates: rates2 } : void 0;
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
var formatPercent = (fraction2) => PERCENT.format(fraction2);
var formatDay = (step) => DAY.format(new Date(step.start));
var formatTime = (moment) => CLOCK.format(moment);
function rateHeadline(rate2) {
  return rate2.kind === "too-few" ? "–" : formatPercent(rate2.value);
}
function rateFraction(rate2) {
  return `${formatNumber(rate2.numerator)} / ${formatNumber(rate2.denominator)}`;
}
function rateEvents({ events }) {
  return `${events.numerator} / ${events.denominator}`;
}
function rateCertainty(rate2) {
  switch (rate2.kind) {
    case "too-few":
      return "Not enough data: the denominator is below 5";
    case "above-one":
      return "No interval: the numerator is the larger one";
    case "interval":
      return `95% interval: ${formatPercent(rate2.low)} to ${formatPercent(rate2.high)}`;
  }
}
function chartSummary(steps, names) {
  const totals = steps.map((step) => totalCount(step.counts, names));
  const all = totals.reduce((sum, total) => sum + total, 0);
  if (all === 0) return `Bar chart by day: no counts in ${steps.length} days.`;
  const most = totals.indexOf(Math.max(...totals));
  const last = totals.at(-1) ?? 0;
  const top = steps[most];
  return `Bar chart by day, ${steps.length} days: ${formatNumber(all)} in all${top ? `, most on ${formatDay(top)} (${formatNumber(totals[most] ?? 0)})` : ""}, ${formatNumber(last)} today so far. The table below has each day.`;
}
function totalCount(counts, names) {
  return names.reduce((total, name) => total + (counts[name] ?? 0), 0);
}

// pages/src/registry.ts
function shownEvents(registry, counts, steps) {
  const counted = (name) => [counts, ...steps.map((step) => step.counts)].some((each) => (each[name] ?? 0) > 0);
  return registry.events.filter((event) => !event.retired || counted(event.name));
}
function markedLabel({ label, retired }) {
  return retired ? `${label} (retired)` : label;
}
function isSought(event, text) {
  const sought = text.trim().toLowerCase();
  return [event.name, event.label].some((words) => words.toLowerCase().includes(sought));
}

// pages/src/chart-series.ts
var HUES = 8;
var OTHERS_HUE = String(HUES - 1);
var OTHERS = "";
var hue = (index) => String(index % HUES);
function chartSeries(events, steps) {
  const totals = new Map(events.map(({ name }) => [name, steps.reduce((sum, step) => sum + at(step, name), 0)]));
  const total = ({ name }) => totals.get(name) ?? 0;
  const counted = events.filter((event) => total(event) > 0);
  if (events.length <= HUES) return counted.map((event) => series(event, hue(events.indexOf(event))));
  if (counted.length <= HUES) return counted.map((event, index) => series(event, hue(index)));
  const most = new Set([...counted].sort((one, other) => total(other) - total(one)).slice(0, HUES - 1));
  const own = counted.filter((event) => most.has(event)).map((event, index) => series(event, hue(index)));
  const names = counted.filter((event) => !most.has(event)).map((event) => event.name);
  return [...own, { key: OTHERS, label: `${names.length} other events`, hue: OTHERS_HUE, names }];
}
function stepsBySeries(steps, all) {
  return steps.map(({ start, counts }) => ({
    start,
    counts: Object.fromEntries(all.map(({ key, names }) => [key, totalCount(counts, names)]))
  }));
}
function huesOf(all) {
  return new Map(all.flatMap(({ names, hue: hue2 }) => names.map((name) => [name, hue2])));
}
function series(event, hue2) {
  return { key: event.name, label: markedLabel(event), hue: hue2, names: [event.name] };
}
function at(step, name) {
  return step.counts[name] ?? 0;
}

// pages/src/chart-layout.ts
var CHART_HEIGHT = 240;
var TOP = 12;
var BOTTOM = 28;
var RIGHT = 16;
var DIGIT_WIDTH = 7.5;
var LABEL_WIDTH = 52;
var MAX_BAR_WIDTH = 44;
var MAX_TICK_INTERVALS = 4;
var SEAM = 1;
function ticks(max) {
  const rough = Math.max(max, 1) / MAX_TICK_INTERVALS;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const steps = [1, 2, 2.5, 5, 10].map((factor) => factor * power).filter(Number.isInteger);
  const step = steps.find((candidate) => candidate >= rough) ?? 10 * power;
  return Array.from({ length: Math.ceil(Math.max(max, 1) / step) + 1 }, (_, index) => index * step);
}
function layoutChart(steps, names, width) {
  const values = ticks(Math.max(0, ...steps.map((step) => totalCount(step.counts, names))));
  const highest = values.at(-1) ?? 1;
  const left = Math.ceil(formatNumber(highest).length * DIGIT_WIDTH) + 14;
  const right = Math.max(width - RIGHT, left + 1);
  const base = CHART_HEIGHT - BOTTOM;
  const y = (value) => base - value / highest * (base - TOP);
  const slot = (right - left) / Math.max(steps.length, 1);
  const barWidth = Math.min(MAX_BAR_WIDTH, slot * 0.7);
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / slot));
  const bars = steps.map((step, index) => {
    const fromLast = steps.length - 1 - index;
    const x = left + slot * index;
    return {
      step,
      x: x + (slot - barWidth) / 2,
      width: barWidth,
      slot: { x, width: slot },
      label: fromLast % every > 0 ? void 0 : fromLast === 0 ? "Today" : formatDay(step),
      inProgress: fromLast === 0,
      segments: stack(step, names, y)
    };
  });
  return { left, right, base, ticks: values.map((value) => ({ value, y: y(value) })), bars };
}
function stack(step, names, y) {
  const segments = [];
  let below = 0;
  for (const name of names) {
    const count = step.counts[name] ?? 0;
    if (count === 0) continue;
    const top = y(below + count);
    segments.push({ name, y: top, height: Math.max(y(below) - top - (below > 0 ? SEAM : 0), 0.5) });
    below += count;
  }
  return segments;
}

// pages/src/dom.ts
var SVG = "http://www.w3.org/2000/svg";
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
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
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

// pages/src/chart-view.ts
function chartView() {
  const picture = byId("chart", SVGSVGElement);
  const legend = byId("legend", HTMLUListElement);
  const [grid, columns, axis] = [svg("g", { class: "grid" }), svg("g"), svg("g", { class: "axis" })];
  picture.append(grid, columns, axis);
  const off = /* @__PURE__ */ new Set();
  let latest2 = { series: [], steps: [] };
  function draw() {
    const { series: series2, steps } = latest2;
    const keys = series2.map(({ key }) => key).filter((key) => !off.has(key));
    const width = Math.floor(picture.parentElement?.clientWidth ?? 0);
    const layout = layoutChart(steps, keys, width);
    setAttributes(picture, { viewBox: `0 0 ${width} ${CHART_HEIGHT}`, width, height: CHART_HEIGHT });
    setAttributes(picture, { "aria-label": chartSummary(steps, keys) });
    paintGrid(grid, axis, layout);
    const groups = ensureChildren(columns, layout.bars.length, makeColumn);
    layout.bars.forEach((bar, index) => {
      const group = groups[index];
      if (group) paintColumn(group, bar, layout, series2);
    });
  }
  function paintLegend() {
    const chips = ensureChildren(legend, latest2.series.length, makeChip);
    latest2.series.forEach(({ key, label, hue: hue2 }, index) => {
      const chip = chips[index]?.firstElementChild;
      if (!chip) return;
      setText(chip, label);
      setAttributes(chip, { value: key, "data-hue": hue2, "aria-pressed": String(!off.has(key)) });
    });
  }
  function makeChip() {
    const chip = button("", () => toggle(chip.value), { class: "chip" });
    return el("li", {}, chip);
  }
  function toggle(key) {
    if (!off.delete(key)) off.add(key);
    paintLegend();
    draw();
  }
  if (picture.parentElement) new ResizeObserver(draw).observe(picture.parentElement);
  return (series2, steps) => {
    latest2 = { series: series2, steps: stepsBySeries(steps, series2) };
    paintLegend();
    draw();
  };
}
function paintGrid(grid, axis, layout) {
  const lines = ensureChildren(grid, layout.ticks.length, () => svg("line"));
  const values = ensureChildren(axis, layout.ticks.length, () => svg("text", { "text-anchor": "end", dy: "0.32em" }));
  layout.ticks.forEach(({ value, y }, index) => {
    const [line, text] = [lines[index], values[index]];
    if (!line || !text) return;
    setAttributes(line, { x1: layout.left, x2: layout.right, y1: y, y2: y });
    setAttributes(text, { x: layout.left - 8, y });
    setText(text, formatNumber(value));
  });
}
function makeColumn() {
  const ground = svg("rect", { class: "ground" }, svg("title"));
  return svg("g", {}, ground, svg("text", { "text-anchor": "middle" }), svg("g"));
}
function paintColumn(group, bar, layout, series2) {
  const [ground, label, stack2] = Array.from(group.children);
  const title = ground?.firstElementChild;
  if (!ground || !label || !stack2 || !title) return;
  setAttributes(group, { class: bar.inProgress ? "column in-progress" : "column" });
  setAttributes(ground, { x: bar.slot.x, y: 0, width: bar.slot.width, height: layout.base });
  const counted = series2.filter(({ key }) => (bar.step.counts[key] ?? 0) > 0);
  const said = counted.map(({ key, label: label2 }) => `
${label2} ${formatNumber(bar.step.counts[key] ?? 0)}`);
  setText(
    title,
    `${formatDay(bar.step)}${bar.inProgress ? ", not over yet" : ""}${said.length > 0 ? said.join("") : "\nno counts"}`
  );
  setAttributes(label, { x: bar.x + bar.width / 2, y: CHART_HEIGHT - 8 });
  setText(label, bar.label ?? "");
  const hues = new Map(series2.map(({ key, hue: hue2 }) => [key, hue2]));
  const parts = ensureChildren(stack2, bar.segments.length, () => svg("rect", { class: "segment" }));
  bar.segments.forEach(({ name, y, height }, index) => {
    const part = parts[index];
    if (part) setAttributes(part, { x: bar.x, y, width: bar.width, height, "data-hue": hues.get(name) ?? "" });
  });
}
function paintDays(events, steps) {
  const heads = ensureChildren(
    byId("days-head", HTMLTableRowElement),
    events.length + 1,
    () => el("th", { scope: "col" })
  );
  ["Day (UTC)", ...events.map(markedLabel)].forEach((text, index) => {
    const head = heads[index];
    if (head) setText(head, text);
  });
  const rows = ensureChildren(
    byId("days", HTMLTableSectionElement),
    steps.length,
    () => el("tr", {}, el("th", { scope: "row" }))
  );
  [...steps].reverse().forEach((step, index) => {
    const [day, ...cells] = ensureChildren(rows[index], events.length + 1, () => el("td"));
    if (day) setText(day, index === 0 ? `${formatDay(step)}, not over` : formatDay(step));
    events.forEach((event, column) => {
      const cell = cells[column];
      if (cell) setText(cell, formatNumber(step.counts[event.name] ?? 0));
    });
  });
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
    const [summary, series2, events] = await Promise.all([
      getUnlessRefused(`${SUMMARY_URL}?days=${days}`),
      withSeries ? getUnlessRefused(`${SERIES_URL}?days=${days}&interval=day`) : void 0,
      // after an outage too: the server may have come back with another registry
      !snapshot.registry || failures > 0 ? getUnlessRefused(EVENTS_URL) : void 0
    ]);
    const isStale = cached && cached.summary !== summary.kind;
    if (isStale) me = await environment.get(ME_URL, signal);
    if (signal.aborted) return 0;
    const at2 = cached && !isStale ? cached.at : environment.now();
    signedOut = me.kind === "unauthenticated" ? { me, at: at2, summary: summary.kind } : void 0;
    const registry = events?.kind === "ok" ? parseRegistry(events.body) : snapshot.registry;
    const status = sessionStatus(me, summary, environment.devViewer());
    const result = queryResult(days, new Date(environment.now()), summary, series2);
    const hasViewer = status.kind === "session" || status.kind === "dev-viewer";
    if (hasViewer && result && registry) {
      failures = 0;
      snapshot = { status, registry, result };
    } else if (hasViewer || status.kind === "unavailable" || status.kind === "rate-limited") {
      failures += 1;
      const kind = status.kind === "rate-limited" || series2?.kind === "rate-limited" ? "rate-limited" : "unavailable";
      snapshot = { status: { kind }, registry, result: snapshot.result };
    } else {
      failures = 0;
      snapshot = { status, registry, result: void 0 };
    }
    show2(snapshot);
    const retryAfters = [me, summary, series2, events].map((each) => each && isRetriable(each) ? each.retryAfterS : 0);
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
function queryResult(days, readAt, summary, series2) {
  const counts = summary.kind === "ok" ? parseCounts(summary.body) : void 0;
  const steps = series2 === void 0 ? [] : series2.kind === "ok" ? parseSeries(series2.body) : void 0;
  return counts && steps ? { days, readAt, counts, steps } : void 0;
}

// pages/src/counts-view.ts
function paintCounts(body, events, counts, { hueOf, search: search2, controls }) {
  const highest = Math.max(1, ...events.map((event) => counts?.[event.name] ?? 0));
  const rows = ensureChildren(body, events.length, () => makeRow(controls));
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
    if (cell) controls?.paint(cell, event);
  });
}
function makeRow(controls) {
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
    ...controls ? [controls.make()] : [],
    el("td", { class: "figure" })
  );
}

// pages/src/wilson-interval.ts
var Z95 = 1.959963984540054;
function wilsonInterval(numerator, denominator) {
  const p = numerator / denominator;
  const scale = 1 + Z95 ** 2 / denominator;
  const centre = (p + Z95 ** 2 / (2 * denominator)) / scale;
  const half = Z95 / scale * Math.sqrt(p * (1 - p) / denominator + Z95 ** 2 / (4 * denominator ** 2));
  return { low: numerator === 0 ? 0 : centre - half, high: numerator === denominator ? 1 : centre + half };
}

// pages/src/rates.ts
var MIN_DENOMINATOR = 5;
function rates(infos, events, counts) {
  const labels = new Map(events.map((event) => [event.name, markedLabel(event)]));
  return infos.flatMap((info) => {
    const [numerator, denominator] = [labels.get(info.numerator), labels.get(info.denominator)];
    return numerator === void 0 || denominator === void 0 ? [] : [rate(info, { numerator, denominator }, counts[info.numerator] ?? 0, counts[info.denominator] ?? 0)];
  });
}
function rate({ name, label }, events, numerator, denominator) {
  const base = { name, label, events, numerator, denominator };
  if (denominator < MIN_DENOMINATOR) return { ...base, kind: "too-few" };
  const value = numerator / denominator;
  if (value > 1) return { ...base, kind: "above-one", value };
  return { ...base, kind: "interval", value, ...wilsonInterval(numerator, denominator) };
}

// pages/src/csv.ts
var HEADER = ["kind", "day", "name", "value", "numerator", "denominator", "low_95", "high_95"];
function toCsv(registry, counts, steps) {
  const events = shownEvents(registry, counts, steps);
  const names = events.map((event) => event.name);
  const lines = [
    HEADER,
    ...names.map((name) => ["count", "", name, counts[name] ?? 0, "", "", "", ""]),
    ...rates(registry.rates, events, counts).map((rate2) => {
      const [low, high] = rate2.kind === "interval" ? [fraction(rate2.low), fraction(rate2.high)] : ["", ""];
      const value = rate2.kind === "too-few" ? "" : fraction(rate2.value);
      return ["rate", "", rate2.name, value, rate2.numerator, rate2.denominator, low, high];
    }),
    ...steps.flatMap(
      (step) => names.map((name) => ["day", step.start.slice(0, 10), name, step.counts[name] ?? 0, "", "", "", ""])
    )
  ];
  return lines.map((line) => `${line.map(csvCell).join(",")}\r
`).join("");
}
function csvFileName(days, at2) {
  return `siddes-telemetry-${days}d-${at2.toISOString().slice(0, 10)}.csv`;
}
var fraction = (value) => value.toFixed(4);
function csvCell(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// pages/src/rates-view.ts
function paintRates(parent, rates2) {
  const cards = ensureChildren(parent, rates2.length, makeCard);
  rates2.forEach((rate2, index) => {
    const card = cards[index];
    const [title, value, fraction2, events, range, words] = Array.from(card?.children ?? []);
    if (!card || !title || !value || !fraction2 || !events || !(range instanceof HTMLElement) || !words) return;
    setText(title, rate2.label);
    setText(value, rateHeadline(rate2));
    setText(fraction2, rateFraction(rate2));
    setText(events, rateEvents(rate2));
    setText(words, rateCertainty(rate2));
    setAttributes(card, { "data-kind": rate2.kind });
    if (rate2.kind !== "interval") return;
    setProperty(range, "--low", rate2.low);
    setProperty(range, "--high", rate2.high);
    setProperty(range, "--value", rate2.value);
  });
}
function makeCard() {
  return el(
    "article",
    { class: "card rate" },
    el("h3"),
    el("p", { class: "value" }),
    el("p", { class: "fraction" }),
    el("p", { class: "divided" }),
    el("div", { class: "range", "aria-hidden": "true" }, el("span", { class: "band" }), el("span", { class: "point" })),
    el("p", { class: "certainty" })
  );
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

// pages/src/time-window.ts
var WINDOW_DAYS = [7, 30];
function windowFromHash(hash) {
  return hash === "#days=30" ? 30 : 7;
}
function windowLabel(shown, wanted) {
  return shown === wanted ? `Last ${shown} days` : `Last ${shown} days, asking for ${wanted}`;
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

// pages/src/dashboard.ts
var latest;
var resultsPart = byId("results", HTMLElement);
var windowLabels = document.querySelectorAll(".period");
var download = byId("csv", HTMLButtonElement);
var paintChart = chartView();
var search = searchView(() => {
  if (latest) show(latest);
});
var paintViewer = viewerView(byId("who", HTMLElement), "Clear", {
  beforeChange: reset,
  // counts queued in other tabs must not go to the next viewer
  changed: () => feed.viewerChanged()
});
function show(snapshot) {
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
  const series2 = chartSeries(events, steps);
  const hues = huesOf(series2);
  paintChart(series2, steps);
  const counted = events.filter((event) => hues.has(event.name));
  setHidden(byId("days-part", HTMLElement), counted.length === 0);
  paintDays(counted, steps);
  paintCounts(byId("counts", HTMLTableSectionElement), events, counts, {
    hueOf: (event) => hues.get(event.name) ?? "",
    search: search(events)
  });
}
function downloadCsv() {
  if (!latest?.registry || !latest.result) return;
  const { days, readAt, counts, steps } = latest.result;
  const address = URL.createObjectURL(
    new Blob([toCsv(latest.registry, counts, steps)], { type: "text/csv;charset=utf-8" })
  );
  el("a", { href: address, download: csvFileName(days, readAt) }).click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}
var feed = startCountsFeed(
  browserEnvironment,
  { windowDays: () => windowFromHash(location.hash), withSeries: true },
  show
);
followPageEvents(feed);
function checkWindowButton() {
  for (const days of WINDOW_DAYS)
    byId(`days-${days}`, HTMLInputElement).checked = days === windowFromHash(location.hash);
}
function changeWindow() {
  if (latest) show(latest);
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
