import { describe, expect, test } from "vitest";
import {
  applyAll,
  decide,
  decideAll,
  decideInTray,
  openSheet,
  removeMember,
  rename,
  type Transition,
  undoAll,
  undoInTray,
} from "../src/emitters";

/** What a chain of actions emits, as "event count". */
function emitted<S>(first: Transition<S>, ...actions: ((state: S) => Transition<S>)[]): string[] {
  let outcome = first;
  const all = [...first.emitted];
  for (const action of actions) {
    outcome = action(outcome.state);
    all.push(...outcome.emitted);
  }
  return all.map(({ event, count }) => `${event} ${count}`);
}

describe("the review sheet", () => {
  const opened = openSheet({ A: 3, B: 2, C: 1 });

  test("shows all its suggestions when it opens", () => {
    expect(emitted(opened)).toEqual(["suggestion_shown 3"]);
  });

  test("counts a decision once, and all that are left at once", () => {
    expect(
      emitted(
        opened,
        (sheet) => decide(sheet, 0, "accepted"),
        (sheet) => decide(sheet, 0, "skipped"),
        (sheet) => decideAll(sheet, "skipped"),
        (sheet) => decideAll(sheet, "accepted"),
      ),
    ).toEqual(["suggestion_shown 3", "suggestion_accepted 1", "suggestion_skipped 2"]);
  });

  test("counts an edit once a suggestion, however often it is edited", () => {
    expect(
      emitted(
        opened,
        (sheet) => removeMember(sheet, 0, "Member 2"),
        (sheet) => removeMember(sheet, 0, "Member 1"),
        (sheet) => rename(sheet, 0, "New"),
        (sheet) => rename(sheet, 1, "Other"),
      ),
    ).toEqual(["suggestion_shown 3", "suggestion_edited 1", "suggestion_edited 1"]);
  });

  test("counts no edit that changes nothing, or comes after the decision", () => {
    expect(
      emitted(
        opened,
        (sheet) => rename(sheet, 0, "A"),
        (sheet) => rename(sheet, 0, ""),
        (sheet) => removeMember(sheet, 0, "Member 9"),
        (sheet) => decide(sheet, 0, "accepted"),
        (sheet) => rename(sheet, 0, "Late"),
      ),
    ).toEqual(["suggestion_shown 3", "suggestion_accepted 1"]);
  });
});

test("the tray emits decisions without showing, and takes them back from the last", () => {
  const tray = { state: { waiting: ["x", "y"], decided: [] }, emitted: [] };
  const decided = decideInTray(decideInTray(tray.state, "x", "accepted").state, "y", "skipped");
  expect(undoInTray(decided.state).state).toEqual({ waiting: ["y"], decided: ["x"] });
  expect(
    emitted(
      tray,
      (state) => decideInTray(state, "x", "accepted"),
      (state) => decideInTray(state, "x", "accepted"),
      (state) => decideInTray(state, "y", "skipped"),
      undoInTray,
      undoInTray,
      undoInTray,
    ),
  ).toEqual(["suggestion_accepted 1", "suggestion_skipped 1", "suggestion_undo 1", "suggestion_undo 1"]);
});

test("onboarding emits only the undo, with the number restored", () => {
  const start = { state: { groups: 6, applied: false }, emitted: [] };
  expect(emitted(start, applyAll, undoAll, undoAll)).toEqual(["suggestion_undo 6"]);
});
