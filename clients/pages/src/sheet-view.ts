// The review sheet: a dialog that lists suggestions.

import { button, byId, el, ensureChildren, setAttributes, setHidden, setText } from "./dom";
import {
  decide,
  decideAll,
  type Emission,
  openSheet,
  removeMember,
  rename,
  type Sheet,
  type Suggestion,
  type Transition,
} from "./emitters";

const GROUPS = { "Group A": 5, "Group B": 3, "Group C": 8, "Group D": 2 };

/** The actions on one suggestion. */
interface Actions {
  accept(): void;
  skip(): void;
  rename(name: string): void;
  remove(member: string): void;
}

export function sheetView(emit: (emitted: readonly Emission[]) => void): void {
  const dialog = byId("sheet", HTMLDialogElement);
  const list = byId("suggestions", HTMLUListElement);
  const left = byId("sheet-left", HTMLElement);
  const done = byId("sheet-done", HTMLButtonElement);
  const acceptAll = byId("accept-all", HTMLButtonElement);
  const skipAll = byId("skip-all", HTMLButtonElement);
  let sheet: Sheet = [];
  let rows: readonly ReturnType<typeof suggestionView>[] = [];

  function take({ state, emitted }: Transition<Sheet>): void {
    sheet = state;
    emit(emitted);
    rows.forEach((row, index) => {
      const one = sheet[index];
      if (one) row.paint(one);
    });
    const open = sheet.filter((one) => !one.decision).length;
    setText(left, open === 0 ? "All are decided." : `${open} of ${sheet.length} left to decide.`);
    acceptAll.disabled = open === 0;
    skipAll.disabled = open === 0;
  }

  /** Moves the focus to the next open suggestion. */
  function takeDecision(outcome: Transition<Sheet>): void {
    take(outcome);
    (rows[sheet.findIndex((one) => !one.decision)]?.accept ?? done).focus();
  }

  function actionsOn(index: number): Actions {
    return {
      accept: () => takeDecision(decide(sheet, index, "accepted")),
      skip: () => takeDecision(decide(sheet, index, "skipped")),
      rename: (name) => take(rename(sheet, index, name)),
      remove: (member) => take(removeMember(sheet, index, member)),
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

/** One suggestion. It is updated in place: a click that ends an edit must still find its button. */
function suggestionView(first: Suggestion, actions: Actions) {
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
    open,
  );
  name.addEventListener("change", () => actions.rename(name.value.trim()));

  function memberChip(): HTMLLIElement {
    const chip = button(
      "",
      () => {
        actions.remove(chip.value);
        if (!chip.isConnected) name.focus();
      },
      { class: "chip" },
    );
    return el("li", {}, chip);
  }

  function paint(one: Suggestion): void {
    setText(title, `${one.name}: ${one.members.length} ${one.members.length === 1 ? "member" : "members"}`);
    setHidden(edited, !one.edited);
    setText(decision, one.decision ?? "");
    setHidden(decision, !one.decision);
    setHidden(open, one.decision !== undefined);
    setAttributes(item, { class: one.decision ? "suggestion decided" : "suggestion" });
    setAttributes(name, { "aria-label": `Name of ${one.name}` });
    setAttributes(accept, { "aria-label": `Accept ${one.name}` });
    setAttributes(skip, { "aria-label": `Skip ${one.name}` });
    ensureChildren(members, one.members.length, memberChip).forEach((place, index) => {
      const [chip, member] = [place.firstElementChild, one.members[index]];
      if (!chip || member === undefined) return;
      setText(chip, `${member} ×`);
      setAttributes(chip, { value: member, "aria-label": `Remove ${member} from ${one.name}` });
    });
  }

  return { item, accept, paint };
}
