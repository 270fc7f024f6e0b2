// The tray, and the onboarding page's apply and undo buttons.

import { button, byId, el, setText } from "./dom";
import {
  applyAll,
  decideInTray,
  type Emission,
  type Onboarding,
  type Transition,
  type Tray,
  undoAll,
  undoInTray,
} from "./emitters";

type Emit = (emitted: readonly Emission[]) => void;

export function trayView(emit: Emit): void {
  const list = byId("tray", HTMLUListElement);
  const undo = byId("undo-tray", HTMLButtonElement);
  const note = byId("tray-note", HTMLElement);
  let tray: Tray = { waiting: ["Group E: 4 members", "Group F: 6 members", "Group G: 2 members"], decided: [] };

  function paint(): void {
    list.replaceChildren(...tray.waiting.map(row));
    undo.disabled = tray.decided.length === 0;
    setText(note, tray.waiting.length === 0 ? "The tray is empty." : `${tray.waiting.length} waiting.`);
  }

  function take({ state, emitted }: Transition<Tray>): void {
    tray = state;
    emit(emitted);
    paint();
    (list.querySelector("button") ?? undo).focus();
  }

  function row(item: string): HTMLLIElement {
    const name = item.replace(/:.*/, "");
    return el(
      "li",
      { class: "tray-item" },
      el("span", {}, item),
      button("Accept", () => take(decideInTray(tray, item, "accepted")), { "aria-label": `Accept ${name}` }),
      button("Skip", () => take(decideInTray(tray, item, "skipped")), { "aria-label": `Skip ${name}` }),
    );
  }

  undo.addEventListener("click", () => take(undoInTray(tray)));
  paint();
}

export function onboardingView(emit: Emit): void {
  const apply = byId("apply-all", HTMLButtonElement);
  const undo = byId("undo-all", HTMLButtonElement);
  const note = byId("onboarding-note", HTMLElement);
  let onboarding: Onboarding = { groups: 6, applied: false };

  function take({ state, emitted }: Transition<Onboarding>): void {
    onboarding = state;
    emit(emitted);
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
