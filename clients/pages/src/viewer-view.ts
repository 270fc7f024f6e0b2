// Who the counts belong to, and the field that says it in debug.

import { button, el, setAttributes, setText } from "./elements";
import type { Snapshot } from "./live";
import { wordsFor } from "./standing";
import { cookieFor, EXPIRED_COOKIE, problemOf, viewerIn } from "./viewer";

/** `leave` is awaited before the cookie changes: what waits to be sent belongs to the viewer who leaves. */
export interface ViewerActions {
  leave(): Promise<void>;
  changed(): void;
}

/** Builds the panel into `section`; what is returned paints a snapshot. `clearLabel` names the button that signs out. */
export function viewerView(
  section: HTMLElement,
  clearLabel: string,
  actions: ViewerActions,
): (snapshot: Snapshot) => void {
  const title = el("h2", { id: "standing", class: "standing" });
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
  field.value = viewerIn(document.cookie) ?? "";

  async function change(cookie: string): Promise<void> {
    await actions.leave();
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API exists on secure origins only, and not everywhere
    document.cookie = cookie;
    if (cookie === EXPIRED_COOKIE) field.value = "";
    complain(undefined);
    actions.changed();
  }

  function complain(what: string | undefined): void {
    setText(problem, what ?? "");
    setAttributes(field, { "aria-invalid": String(what !== undefined) });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = field.value.trim();
    const wrong = problemOf(id);
    complain(wrong);
    if (wrong === undefined) void change(cookieFor(id));
    else field.focus();
  });

  return ({ standing, figures }) => {
    const words = wordsFor(standing, figures?.at);
    setText(title, words.title);
    setText(advice, words.advice);
    setAttributes(section, { "data-standing": standing.kind });
  };
}
