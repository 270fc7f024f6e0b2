// The three emitters of the product, without their screens: each action takes a state and returns the next one with
// what is emitted for it.

import type { TelemetryEvent } from "siddes-telemetry-sdk";

export interface Emission {
  readonly event: TelemetryEvent;
  readonly count: number;
}

export interface Outcome<S> {
  readonly state: S;
  readonly emitted: readonly Emission[];
}

export type Decision = "accepted" | "skipped";
const EVENT_OF = { accepted: "suggestion_accepted", skipped: "suggestion_skipped" } as const;

/** A suggestion of the review sheet: a group that is proposed, with members that may be removed. */
export interface Suggestion {
  readonly name: string;
  readonly members: readonly string[];
  readonly decision: Decision | undefined;
  readonly edited: boolean;
}
export type Sheet = readonly Suggestion[];

/** Opening shows every suggestion. */
export function openSheet(sizes: Readonly<Record<string, number>>): Outcome<Sheet> {
  const state = Object.entries(sizes).map(([name, size]) => ({
    name,
    members: Array.from({ length: size }, (_, index) => `Member ${index + 1}`),
    decision: undefined,
    edited: false,
  }));
  return { state, emitted: counted("suggestion_shown", state.length) };
}

export function decide(sheet: Sheet, index: number, decision: Decision): Outcome<Sheet> {
  return decideWhere(sheet, (at) => at === index, decision);
}

export function decideAll(sheet: Sheet, decision: Decision): Outcome<Sheet> {
  return decideWhere(sheet, () => true, decision);
}

/** What is decided stays decided. */
function decideWhere(sheet: Sheet, chosen: (index: number) => boolean, decision: Decision): Outcome<Sheet> {
  const state = sheet.map((one, index) => (chosen(index) && !one.decision ? { ...one, decision } : one));
  return { state, emitted: counted(EVENT_OF[decision], state.filter((one, index) => one !== sheet[index]).length) };
}

export function rename(sheet: Sheet, index: number, name: string): Outcome<Sheet> {
  return edit(sheet, index, (one) => (name === "" || name === one.name ? one : { ...one, name }));
}

export function removeMember(sheet: Sheet, index: number, member: string): Outcome<Sheet> {
  return edit(sheet, index, (one) =>
    one.members.includes(member) ? { ...one, members: one.members.filter((other) => other !== member) } : one,
  );
}

/** A suggestion counts as edited once, however often it is changed. */
function edit(sheet: Sheet, index: number, change: (one: Suggestion) => Suggestion): Outcome<Sheet> {
  const before = sheet[index];
  const after = before && !before.decision ? change(before) : before;
  if (!before || !after || after === before) return { state: sheet, emitted: [] };
  return {
    state: sheet.map((one, at) => (at === index ? { ...after, edited: true } : one)),
    emitted: before.edited ? [] : counted("suggestion_edited", 1),
  };
}

/** The tray: what waits, and what was decided, the last at the end. It emits nothing for showing. */
export interface Tray {
  readonly waiting: readonly string[];
  readonly decided: readonly string[];
}

export function decideInTray(tray: Tray, item: string, decision: Decision): Outcome<Tray> {
  if (!tray.waiting.includes(item)) return { state: tray, emitted: [] };
  const waiting = tray.waiting.filter((other) => other !== item);
  return { state: { waiting, decided: [...tray.decided, item] }, emitted: counted(EVENT_OF[decision], 1) };
}

/** Brings back what was decided last. */
export function undoInTray(tray: Tray): Outcome<Tray> {
  const restored = tray.decided.slice(-1);
  return {
    state: { waiting: [...restored, ...tray.waiting], decided: tray.decided.slice(0, -1) },
    emitted: counted("suggestion_undo", restored.length),
  };
}

/** Onboarding: every group is applied at once, which emits nothing; taking that back does. */
export interface Onboarding {
  readonly groups: number;
  readonly applied: boolean;
}

export function applyAll(onboarding: Onboarding): Outcome<Onboarding> {
  return { state: { ...onboarding, applied: true }, emitted: [] };
}

export function undoAll(onboarding: Onboarding): Outcome<Onboarding> {
  const restored = onboarding.applied ? onboarding.groups : 0;
  return { state: { ...onboarding, applied: false }, emitted: counted("suggestion_undo", restored) };
}

function counted(event: TelemetryEvent, count: number): readonly Emission[] {
  return count > 0 ? [{ event, count }] : [];
}
