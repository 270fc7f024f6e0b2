// The viewer panel: the session status, and the form that sets the dev viewer.

import type { Snapshot } from "./counts-feed";
import { EXPIRED_COOKIE, viewerCookie, viewerFromCookies, viewerIdProblem } from "./dev-viewer";
import { button, el, setAttributes, setText } from "./dom";
import { describeStatus } from "./session-status";

/** `beforeChange` is awaited before the cookie changes: queued counts belong to the previous viewer. */
export interface ViewerActions {
  beforeChange(): Promise<void>;
  changed(): void;
}

/** Builds the panel in `section` and returns a function that paints a snapshot. `clearLabel` labels the sign-out button. */
export function viewerView(
  section: HTMLElement,
  clearLabel: string,
  actions: ViewerActions,
): (snapshot: Snapshot) => void {
  const title = el("h2", { id: "status", class: "status" });
  const advice = el("p", { class: "advice" });
  const field = el("input", {
    id: "viewer",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    placeholder: "alice",
    "aria-describedby": "viewer-problem",
  });
  const problem = el("p", { id: "viewer-problem", class: "problem", role: "alert" });
  const clear = button(clearLabel, () => void change(EXPIRED_COOKIE));
  const form = el(
    "form",
    { class: "viewer-form", novalidate: "" },
    el("label", { for: "viewer" }, "Dev viewer"),
    el("div", { class: "field" }, field, el("button", { type: "submit", class: "primary" }, "Use"), clear),
    problem,
  );
  section.append(el("div", { role: "status", class: "who" }, title, advice), form);
  field.value = viewerFromCookies(document.cookie) ?? "";

  async function change(cookie: string): Promise<void> {
    await actions.beforeChange();
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API exists on secure origins only, and not everywhere
    document.cookie = cookie;
    if (cookie === EXPIRED_COOKIE) field.value = "";
    showProblem(undefined);
    actions.changed();
  }

  function showProblem(message: string | undefined): void {
    setText(problem, message ?? "");
    setAttributes(field, { "aria-invalid": String(message !== undefined) });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = field.value.trim();
    const message = viewerIdProblem(id);
    showProblem(message);
    if (message === undefined) void change(viewerCookie(id));
    else field.focus();
  });

  return ({ status, result }) => {
    const { title: heading, advice: text } = describeStatus(status, result?.readAt);
    setText(title, heading);
    setText(advice, text);
    setAttributes(section, { "data-status": status.kind });
  };
}
