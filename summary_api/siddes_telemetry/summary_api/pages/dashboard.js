// pages/src/dashboard.ts
import { reset } from "/developer/telemetry/sdk.js";

// pages/src/answers.ts
var AWAY = { kind: "away", retryAfterS: 0 };
var MAX_RETRY_AFTER_S = 600;
var PARTS = ["shown", "accept", "skip", "edit", "undo", "none"];
function sortAnswer(status, retryAfter, body) {
  if (status === 200 && isObject(body)) return { kind: "ok", body };
  if (status === 401) return { kind: "unauthenticated" };
  if (status === 404 && isObject(body) && body.error === "telemetry_disabled") return { kind: "disabled" };
  return {
    kind: status === 429 ? "limited" : "away",
    retryAfterS: /^\d{1,9}$/.test(retryAfter ?? "") ? Math.min(Number(retryAfter), MAX_RETRY_AFTER_S) : 0
  };
}
function readViewer(body) {
  return isObject(body) && typeof body.viewer_id === "string" ? body.viewer_id : void 0;
}
function readRegistry(body) {
  if (!isObject(body) || !Array.isArray(body.events)) return void 0;
  return body.events.every(isEventInfo) ? body.events : void 0;
}
function readCounts(body) {
  return isObject(body) && isCounts(body.counts) ? body.counts : void 0;
}
function readSeries(body) {
  if (!isObject(body) || !Array.isArray(body.series)) return void 0;
  return body.series.every(isStep) ? body.series : void 0;
}
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function isEventInfo(value) {
  return isObject(value) && typeof value.name === "string" && typeof value.meaning === "string" && typeof value.part === "string" && PARTS.includes(value.part);
}
function isCounts(value) {
  return isObject(value) && Object.values(value).every((count) => Number.isSafeInteger(count) && Number(count) >= 0);
}
function isStep(value) {
  return isObject(value) && typeof value.start === "string" && !Number.isNaN(Date.parse(value.start)) && isCounts(value.counts);
}

// pages/src/viewer.ts
var COOKIE = "sd_viewer";
var MAX_AGE_S = 30 * 24 * 3600;
var VIEWER_ID = /^[A-Za-z0-9._:@|+/=~-]{1,64}$/;
function problemOf(id) {
  if (id === "") return "Type an id first.";
  if (id.length > 64) return `At most 64 characters; this has ${id.length}.`;
  return VIEWER_ID.test(id) ? void 0 : "Only letters A–Z and a–z, digits and . _ : @ | + / = ~ - can be in an id.";
}
function viewerIn(cookies) {
  const found = cookies.split("; ").find((pair) => pair.startsWith(`${COOKIE}=`));
  const id = found?.slice(COOKIE.length + 1) ?? "";
  return VIEWER_ID.test(id) ? id : void 0;
}
var cookieFor = (id) => `${COOKIE}=${id}; path=/; SameSite=Strict; max-age=${MAX_AGE_S}`;
var EXPIRED_COOKIE = `${COOKIE}=; path=/; SameSite=Strict; max-age=0`;

// pages/src/browser.ts
var TIMEOUT_MS = 15e3;
var browser = {
  async get(path, signal) {
    try {
      const response = await fetch(path, {
        cache: "no-cache",
        // asks with If-None-Match: an answer that has not changed costs no body
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
      });
      return sortAnswer(response.status, response.headers.get("retry-after"), await response.json());
    } catch {
      return AWAY;
    }
  },
  setTimer(callback, ms) {
    const id = setTimeout(callback, ms);
    return () => clearTimeout(id);
  },
  now: Date.now,
  random: Math.random,
  visible: () => document.visibilityState === "visible",
  cookieViewer: () => viewerIn(document.cookie)
};
function followPage(live2) {
  document.addEventListener("visibilitychange", live2.visibilityChanged);
  addEventListener("online", live2.now);
}

// pages/src/wording.ts
var WHOLE = new Intl.NumberFormat("en");
var PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
var DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
var CLOCK = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23"
});
var number = (value) => WHOLE.format(value);
var percent = (fraction2) => PERCENT.format(fraction2);
var dayOf = (step) => DAY.format(new Date(step.start));
var clock = (moment) => CLOCK.format(moment);
function headlineOf(rate2) {
  return rate2.kind === "too few" ? "–" : percent(rate2.value);
}
function fractionOf(rate2) {
  return `${number(rate2.numerator)} / ${number(rate2.denominator)} shown`;
}
function certaintyOf(rate2) {
  switch (rate2.kind) {
    case "too few":
      return "Not enough data: fewer than 5 shown";
    case "beyond one":
      return "No interval: more than were shown, as a tray acts without showing";
    case "interval":
      return `95% interval: ${percent(rate2.low)} to ${percent(rate2.high)}`;
  }
}
function summaryOf(steps, names) {
  const totals = steps.map((step) => totalOf(step.counts, names));
  const all = totals.reduce((sum, total) => sum + total, 0);
  if (all === 0) return `Bar chart by day: no counts in ${steps.length} days.`;
  const most = totals.indexOf(Math.max(...totals));
  const last = totals.at(-1) ?? 0;
  const top = steps[most];
  return `Bar chart by day, ${steps.length} days: ${number(all)} in all${top ? `, most on ${dayOf(top)} (${number(totals[most] ?? 0)})` : ""}, ${number(last)} today so far. The table below has each day.`;
}
function totalOf(counts2, names) {
  return names.reduce((total, name) => total + (counts2[name] ?? 0), 0);
}

// pages/src/chart.ts
var CHART_HEIGHT = 240;
var TOP = 12;
var BOTTOM = 28;
var RIGHT = 16;
var DIGIT = 7.5;
var LABEL = 52;
var MAX_BAR = 44;
var TICKS = 4;
var SEAM = 1;
function ticks(max) {
  const rough = Math.max(max, 1) / TICKS;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const steps = [1, 2, 2.5, 5, 10].map((factor) => factor * power).filter(Number.isInteger);
  const step = steps.find((candidate) => candidate >= rough) ?? 10 * power;
  return Array.from({ length: Math.ceil(Math.max(max, 1) / step) + 1 }, (_, index) => index * step);
}
function layOut(steps, names, width) {
  const values = ticks(Math.max(0, ...steps.map((step) => totalOf(step.counts, names))));
  const highest = values.at(-1) ?? 1;
  const left = Math.ceil(number(highest).length * DIGIT) + 14;
  const right = Math.max(width - RIGHT, left + 1);
  const base = CHART_HEIGHT - BOTTOM;
  const y = (value) => base - value / highest * (base - TOP);
  const slot = (right - left) / Math.max(steps.length, 1);
  const barWidth = Math.min(MAX_BAR, slot * 0.7);
  const every = Math.max(1, Math.ceil(LABEL / slot));
  const bars = steps.map((step, index) => {
    const fromLast = steps.length - 1 - index;
    const x = left + slot * index;
    return {
      step,
      x: x + (slot - barWidth) / 2,
      width: barWidth,
      slot: { x, width: slot },
      label: fromLast % every > 0 ? void 0 : fromLast === 0 ? "Today" : dayOf(step),
      notOver: fromLast === 0,
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

// pages/src/elements.ts
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
function keep(parent, count, make) {
  while (parent.childElementCount > count) parent.lastElementChild?.remove();
  while (parent.childElementCount < count) parent.append(make());
  return Array.from(parent.children);
}

// pages/src/counts-view.ts
var HUES = 8;
var hue = (index) => String(index % HUES);
function paintCounts(body, registry, counts2) {
  const highest = Math.max(1, ...registry.map((event) => counts2[event.name] ?? 0));
  const rows = keep(body, registry.length, makeRow);
  registry.forEach((event, index) => {
    const [name, meaning, bar, figure] = rows[index]?.querySelectorAll(".name, .meaning, .bar, .figure") ?? [];
    if (!name || !meaning || !bar || !figure) return;
    const count = counts2[event.name] ?? 0;
    setText(name, event.name);
    setText(meaning, event.meaning);
    setAttributes(bar, { "data-hue": hue(index) });
    setProperty(bar, "--share", count / highest);
    setText(figure, number(count));
  });
}
function makeRow() {
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      el("span", { class: "name" }),
      el("span", { class: "meaning" }),
      el("span", { class: "bar", "aria-hidden": "true" })
    ),
    el("td", { class: "figure" })
  );
}

// pages/src/chart-view.ts
function chartView() {
  const picture = byId("chart", SVGSVGElement);
  const legend = byId("legend", HTMLUListElement);
  const [grid, columns, axis] = [svg("g", { class: "grid" }), svg("g"), svg("g", { class: "axis" })];
  picture.append(grid, columns, axis);
  const off = /* @__PURE__ */ new Set();
  let latest2 = { registry: [], steps: [] };
  function draw() {
    const { registry, steps } = latest2;
    const names = registry.map((event) => event.name).filter((name) => !off.has(name));
    const width = Math.floor(picture.parentElement?.clientWidth ?? 0);
    const layout = layOut(steps, names, width);
    setAttributes(picture, { viewBox: `0 0 ${width} ${CHART_HEIGHT}`, width, height: CHART_HEIGHT });
    setAttributes(picture, { "aria-label": summaryOf(steps, names) });
    paintGrid(grid, axis, layout);
    const hues = new Map(registry.map((event, index) => [event.name, hue(index)]));
    const groups = keep(columns, layout.bars.length, makeColumn);
    layout.bars.forEach((bar, index) => {
      const group = groups[index];
      if (group) paintColumn(group, bar, layout, hues);
    });
  }
  function paintLegend() {
    const items = keep(legend, latest2.registry.length, () => {
      const item = el(
        "li",
        {},
        button("", () => toggle(item.textContent ?? ""), { class: "chip" })
      );
      return item;
    });
    latest2.registry.forEach(({ name }, index) => {
      const chip = items[index]?.firstElementChild;
      if (!chip) return;
      setText(chip, name);
      setAttributes(chip, { "data-hue": hue(index), "aria-pressed": String(!off.has(name)) });
    });
  }
  function toggle(name) {
    if (!off.delete(name)) off.add(name);
    paintLegend();
    draw();
  }
  if (picture.parentElement) new ResizeObserver(draw).observe(picture.parentElement);
  return (registry, steps) => {
    latest2 = { registry, steps };
    paintLegend();
    draw();
    paintTable(registry, steps);
  };
}
function paintGrid(grid, axis, layout) {
  const lines = keep(grid, layout.ticks.length, () => svg("line"));
  const values = keep(axis, layout.ticks.length, () => svg("text", { "text-anchor": "end", dy: "0.32em" }));
  layout.ticks.forEach(({ value, y }, index) => {
    const [line, text] = [lines[index], values[index]];
    if (!line || !text) return;
    setAttributes(line, { x1: layout.left, x2: layout.right, y1: y, y2: y });
    setAttributes(text, { x: layout.left - 8, y });
    setText(text, number(value));
  });
}
function makeColumn() {
  const ground = svg("rect", { class: "ground" }, svg("title"));
  return svg("g", {}, ground, svg("text", { "text-anchor": "middle" }), svg("g"));
}
function paintColumn(group, bar, layout, hues) {
  const [ground, label, stack2] = Array.from(group.children);
  const title = ground?.firstElementChild;
  if (!ground || !label || !stack2 || !title) return;
  setAttributes(group, { class: bar.notOver ? "column not-over" : "column" });
  setAttributes(ground, { x: bar.slot.x, y: 0, width: bar.slot.width, height: layout.base });
  const said = Object.entries(bar.step.counts).map(([name, count]) => `
${name} ${number(count)}`);
  setText(
    title,
    `${dayOf(bar.step)}${bar.notOver ? ", not over yet" : ""}${said.length > 0 ? said.join("") : "\nno counts"}`
  );
  setAttributes(label, { x: bar.x + bar.width / 2, y: CHART_HEIGHT - 8 });
  setText(label, bar.label ?? "");
  const parts = keep(stack2, bar.segments.length, () => svg("rect", { class: "segment" }));
  bar.segments.forEach(({ name, y, height }, index) => {
    const part = parts[index];
    if (part) setAttributes(part, { x: bar.x, y, width: bar.width, height, "data-hue": hues.get(name) ?? "" });
  });
}
function paintTable(registry, steps) {
  const names = keep(byId("days-head", HTMLTableRowElement), registry.length + 1, () => el("th", { scope: "col" }));
  ["Day (UTC)", ...registry.map((event) => event.name)].forEach((text, index) => {
    const name = names[index];
    if (name) setText(name, text);
  });
  const rows = keep(
    byId("days", HTMLTableSectionElement),
    steps.length,
    () => el("tr", {}, el("th", { scope: "row" }))
  );
  [...steps].reverse().forEach((step, index) => {
    const [day, ...cells] = keep(rows[index], registry.length + 1, () => el("td"));
    if (day) setText(day, index === 0 ? `${dayOf(step)}, not over` : dayOf(step));
    registry.forEach((event, column) => {
      const cell2 = cells[column];
      if (cell2) setText(cell2, number(step.counts[event.name] ?? 0));
    });
  });
}

// pages/src/rates.ts
var RATE_PARTS = ["accept", "skip", "edit", "undo"];
var MIN_SHOWN = 5;
var Z95 = 1.959963984540054;
function rates(registry, counts2) {
  const has = (part) => registry.some((event) => event.part === part);
  const sum = (part) => registry.filter((event) => event.part === part).reduce((total, event) => total + (counts2[event.name] ?? 0), 0);
  const denominator = sum("shown");
  return RATE_PARTS.filter((part) => has("shown") && has(part)).map((part) => rate(part, sum(part), denominator));
}
function rate(part, numerator, denominator) {
  const of = { part, numerator, denominator };
  if (denominator < MIN_SHOWN) return { ...of, kind: "too few" };
  const value = numerator / denominator;
  if (value > 1) return { ...of, kind: "beyond one", value };
  return { ...of, kind: "interval", value, ...wilson(numerator, denominator) };
}
function wilson(numerator, denominator) {
  const p = numerator / denominator;
  const scale = 1 + Z95 ** 2 / denominator;
  const centre = (p + Z95 ** 2 / (2 * denominator)) / scale;
  const half = Z95 / scale * Math.sqrt(p * (1 - p) / denominator + Z95 ** 2 / (4 * denominator ** 2));
  return { low: numerator === 0 ? 0 : centre - half, high: numerator === denominator ? 1 : centre + half };
}

// pages/src/csv.ts
var HEADER = ["kind", "day", "name", "value", "numerator", "denominator", "low_95", "high_95"];
function csv(registry, counts2, steps) {
  const names = registry.map((event) => event.name);
  const lines = [
    HEADER,
    ...names.map((name) => ["count", "", name, counts2[name] ?? 0, "", "", "", ""]),
    ...rates(registry, counts2).map((rate2) => {
      const [low, high] = rate2.kind === "interval" ? [fraction(rate2.low), fraction(rate2.high)] : ["", ""];
      const value = rate2.kind === "too few" ? "" : fraction(rate2.value);
      return ["rate", "", rate2.part, value, rate2.numerator, rate2.denominator, low, high];
    }),
    ...steps.flatMap(
      (step) => names.map((name) => ["day", step.start.slice(0, 10), name, step.counts[name] ?? 0, "", "", "", ""])
    )
  ];
  return lines.map((line) => `${line.map(cell).join(",")}\r
`).join("");
}
function fileName(days, at) {
  return `siddes-telemetry-${days}d-${at.toISOString().slice(0, 10)}.csv`;
}
var fraction = (value) => value.toFixed(4);
function cell(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// pages/src/pace.ts
var BEAT_MS = 2e3;
var MAX_BACKOFF_MS = 3e4;
function waitMs(failures, retryAfterS, random) {
  if (failures === 0) return BEAT_MS;
  const backoff = Math.min(BEAT_MS * 2 ** (failures - 1), MAX_BACKOFF_MS);
  return Math.max(backoff * (0.5 + random / 2), retryAfterS * 1e3 * (1 + random / 10));
}
function keepAsking(ask, world) {
  let underWay;
  let cancelTimer = () => {
  };
  let dueAt = world.now();
  async function run() {
    cancelTimer();
    underWay?.abort();
    const mine = new AbortController();
    underWay = mine;
    const wait = await ask(mine.signal);
    if (underWay !== mine) return;
    underWay = void 0;
    dueAt = world.now() + wait;
    schedule();
  }
  function schedule() {
    cancelTimer();
    if (world.visible() && !underWay) cancelTimer = world.setTimer(() => void run(), Math.max(0, dueAt - world.now()));
  }
  schedule();
  return { now: () => void run(), visibilityChanged: schedule };
}

// pages/src/standing.ts
function standing(me, summary, cookie) {
  if (me.kind === "disabled" || summary.kind === "disabled") return { kind: "disabled" };
  if (me.kind === "away" || summary.kind === "away") return { kind: "away" };
  if (me.kind === "limited" || summary.kind === "limited") return { kind: "limited" };
  if (summary.kind === "unauthenticated") return { kind: "nobody", refused: cookie };
  if (me.kind === "unauthenticated") return { kind: "dev viewer", viewer: cookie };
  const viewer = readViewer(me.body);
  return viewer === void 0 ? { kind: "away" } : { kind: "session", viewer, ignored: cookie };
}
function wordsFor(now, stampedAt) {
  switch (now.kind) {
    case "waiting":
      return { title: "Asking who is signed in", advice: "" };
    case "session":
      return {
        title: `Signed in as ${now.viewer}`,
        advice: now.ignored ? `The session goes before the dev viewer: ${now.ignored} is not used.` : "By the app's own session; only the app can end it."
      };
    case "dev viewer":
      return {
        title: now.viewer ? `Dev viewer ${now.viewer}` : "Dev viewer",
        advice: "Dev viewer (sd_viewer), not a signed-in session. It works in debug only."
      };
    case "nobody":
      return {
        title: "Nobody is signed in",
        advice: now.refused ? `The server does not take ${now.refused} as a viewer. Ids that look like an e-mail address are refused: choose another.` : "Nothing is counted until you choose a dev viewer with the field here (any name will do) or sign in to the app."
      };
    case "disabled":
      return {
        title: "Telemetry is switched off",
        advice: "The server's kill switch is on: nothing is counted or read. This page looks again by itself."
      };
    case "limited":
      return { title: "Too many requests for this viewer", advice: adviceWhileWaiting(stampedAt) };
    case "away":
      return { title: "The server is away", advice: adviceWhileWaiting(stampedAt) };
  }
}
function adviceWhileWaiting(stampedAt) {
  const have = stampedAt ? `These are the figures of ${clock(stampedAt)}.` : "There are no figures yet.";
  return `${have} Trying again by itself.`;
}

// pages/src/live.ts
var NOBODY_TRUST_MS = 3e4;
var ME_URL = "/api/auth/me";
var EVENTS_URL = "/developer/telemetry/events.json";
function live(sources, { daysWanted, withSeries }, show2) {
  let snapshot = { standing: { kind: "waiting" }, registry: [], figures: void 0 };
  let failures = 0;
  let nobody;
  async function round(signal) {
    const days = daysWanted();
    const trusted = nobody && sources.now() - nobody.at < NOBODY_TRUST_MS ? nobody : void 0;
    let me = trusted?.me ?? await sources.get(ME_URL, signal);
    const ask = (path) => refused(me) ? me : sources.get(path, signal);
    const [summary, series, events] = await Promise.all([
      ask(`/api/telemetry/summary?days=${days}`),
      withSeries ? ask(`/api/telemetry/series?days=${days}&interval=day`) : void 0,
      snapshot.registry.length === 0 ? ask(EVENTS_URL) : void 0
    ]);
    const isNews = trusted && trusted.summary !== summary.kind;
    if (isNews) me = await sources.get(ME_URL, signal);
    if (signal.aborted) return 0;
    const at = trusted && !isNews ? trusted.at : sources.now();
    nobody = me.kind === "unauthenticated" ? { me, at, summary: summary.kind } : void 0;
    const registry = events?.kind === "ok" ? readRegistry(events.body) ?? [] : snapshot.registry;
    const found = standing(me, summary, sources.cookieViewer());
    const figures = figuresOf(days, new Date(sources.now()), summary, series);
    const known = found.kind === "session" || found.kind === "dev viewer";
    if (known && figures && registry.length > 0) {
      failures = 0;
      snapshot = { standing: found, registry, figures };
    } else if (known || found.kind === "away" || found.kind === "limited") {
      failures += 1;
      const kind = found.kind === "limited" || series?.kind === "limited" ? "limited" : "away";
      snapshot = { standing: { kind }, registry, figures: snapshot.figures };
    } else {
      failures = 0;
      snapshot = { standing: found, registry, figures: void 0 };
    }
    show2(snapshot);
    const wishes = [me, summary, series, events].map((answer) => answer && refused(answer) ? answer.retryAfterS : 0);
    return waitMs(failures, Math.max(...wishes), sources.random());
  }
  show2(snapshot);
  const pace = keepAsking(round, sources);
  return {
    now: pace.now,
    visibilityChanged() {
      nobody = void 0;
      pace.visibilityChanged();
    },
    viewerChanged() {
      nobody = void 0;
      snapshot = { ...snapshot, standing: { kind: "waiting" }, figures: void 0 };
      show2(snapshot);
      pace.now();
    }
  };
}
function refused(answer) {
  return answer.kind === "away" || answer.kind === "limited";
}
function figuresOf(days, at, summary, series) {
  const counts2 = summary.kind === "ok" ? readCounts(summary.body) : void 0;
  const steps = series === void 0 ? [] : series.kind === "ok" ? readSeries(series.body) : void 0;
  return counts2 && steps ? { days, at, counts: counts2, steps } : void 0;
}

// pages/src/rates-view.ts
var TITLES = { accept: "Accept rate", skip: "Skip rate", edit: "Edit rate", undo: "Undo rate" };
function paintRates(parent, rates2) {
  const cards = keep(parent, rates2.length, makeCard);
  rates2.forEach((rate2, index) => {
    const card = cards[index];
    const [title, value, fraction2, range, words] = Array.from(card?.children ?? []);
    if (!card || !title || !value || !fraction2 || !(range instanceof HTMLElement) || !words) return;
    setText(title, TITLES[rate2.part]);
    setText(value, headlineOf(rate2));
    setText(fraction2, fractionOf(rate2));
    setText(words, certaintyOf(rate2));
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
    el("div", { class: "range", "aria-hidden": "true" }, el("span", { class: "band" }), el("span", { class: "point" })),
    el("p", { class: "certainty" })
  );
}

// pages/src/viewer-view.ts
function viewerView(section, clearLabel, actions) {
  const title = el("h2", { id: "standing", class: "standing" });
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
  field.value = viewerIn(document.cookie) ?? "";
  async function change(cookie) {
    await actions.leave();
    document.cookie = cookie;
    if (cookie === EXPIRED_COOKIE) field.value = "";
    complain(void 0);
    actions.changed();
  }
  function complain(what) {
    setText(problem, what ?? "");
    setAttributes(field, { "aria-invalid": String(what !== void 0) });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = field.value.trim();
    const wrong = problemOf(id);
    complain(wrong);
    if (wrong === void 0) void change(cookieFor(id));
    else field.focus();
  });
  return ({ standing: standing2, figures }) => {
    const words = wordsFor(standing2, figures?.at);
    setText(title, words.title);
    setText(advice, words.advice);
    setAttributes(section, { "data-standing": standing2.kind });
  };
}

// pages/src/window.ts
var WINDOWS = [7, 30];
function daysIn(hash) {
  return hash === "#days=30" ? 30 : 7;
}
function periodOf(shown, wanted) {
  return shown === wanted ? `Last ${shown} days` : `Last ${shown} days, asking for ${wanted}`;
}

// pages/src/dashboard.ts
var latest;
var figuresPart = byId("figures", HTMLElement);
var periods = document.querySelectorAll(".period");
var download = byId("csv", HTMLButtonElement);
var paintChart = chartView();
var paintViewer = viewerView(byId("who", HTMLElement), "Clear", {
  leave: reset,
  // other tabs' counts must not go to the viewer who comes
  changed: () => counts.viewerChanged()
});
function show(snapshot) {
  latest = snapshot;
  const { standing: standing2, registry, figures } = snapshot;
  paintViewer(snapshot);
  setAttributes(document.documentElement, { "data-standing": standing2.kind });
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
function save() {
  if (!latest?.figures) return;
  const { days, at, counts: totals, steps } = latest.figures;
  const address = URL.createObjectURL(
    new Blob([csv(latest.registry, totals, steps)], { type: "text/csv;charset=utf-8" })
  );
  el("a", { href: address, download: fileName(days, at) }).click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}
var counts = live(browser, { daysWanted: () => daysIn(location.hash), withSeries: true }, show);
followPage(counts);
function followWindow() {
  for (const days of WINDOWS) byId(`days-${days}`, HTMLInputElement).checked = days === daysIn(location.hash);
}
function changeWindow() {
  if (latest) show(latest);
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
