// The rules of three event sources (review sheet, tray, onboarding), without their views: each action takes a state and
// returns the next state with the events to emit. They use events of the shipped registry.

const [SHOWN, ACCEPTED, SKIPPED] = ["suggestion_shown", "suggestion_accepted", "suggestion_skipped"] as const;
const [EDITED, UNDO] = ["suggestion_edited", "suggestion_undo"] as const;

/** What each source emits. */
export const SOURCE_EVENTS = {
  sheet: [SHOWN, ACCEPTED, SKIPPED, EDITED],
  tray: [ACCEPTED, SKIPPED, UNDO],
  onboarding: [UNDO],
} as const;

export interface Emission {
  readonly event: string;
  readonly count: number;
}

type SourceEvent = (typeof SOURCE_EVENTS)[keyof typeof SOURCE_EVENTS][number];

export interface Transition<S> {
  readonly state: S;
  readonly emitted: readonly Emission[];
}

export type Decision = "accepted" | "skipped";
const EVENT_OF = { accepted: ACCEPTED, skipped: SKIPPED } as const;

/** A suggestion of the review sheet: a proposed group, whose members can be removed. */
export interface Suggestion {
  readonly name: string;
  readonly members: readonly string[];
  readonly decision: Decision | undefined;
  readonly edited: boolean;
}
export type Sheet = readonly Suggestion[];

/** Opening shows every suggestion. */
export function openSheet(sizes: Readonly<Record<string, number>>): Transition<Sheet> {
  const state = Object.entries(sizes).map(([name, size]) => ({
    name,
    members: Array.from({ length: size }, (_, index) => `Member ${index + 1}`),
    decision: undefined,
    edited: false,
  }));
  return { state, emitted: counted(SHOWN, state.length) };
}

export function decide(sheet: Sheet, index: number, decision: Decision): Transition<Sheet> {
  return decideWhere(sheet, (at) => at === index, decision);
}

export function decideAll(sheet: Sheet, decision: Decision): Transition<Sheet> {
  return decideWhere(sheet, () => true, decision);
}

/** A decision is final. */
function decideWhere(sheet: Sheet, chosen: (index: number) => boolean, decision: Decision): Transition<Sheet> {
  const state = sheet.map((one, index) => (chosen(index) && !one.decision ? { ...one, decision } : one));
  return { state, emitted: counted(EVENT_OF[decision], state.filter((one, index) => one !== sheet[index]).length) };
}

export function rename(sheet: Sheet, index: number, name: string): Transition<Sheet> {
  return edit(sheet, index, (one) => (name === "" || name === one.name ? one : { ...one, name }));
}

export function removeMember(sheet: Sheet, index: number, member: string): Transition<Sheet> {
  return edit(sheet, index, (one) =>
    one.members.includes(member) ? { ...one, members: one.members.filter((other) => other !== member) } : one,
  );
}

/** A suggestion counts as edited once, however often it is changed. */
function edit(sheet: Sheet, index: number, change: (one: Suggestion) => Suggestion): Transition<Sheet> {
  const before = sheet[index];
  const after = before && !before.decision ? change(before) : before;
  if (!before || !after || after === before) return { state: sheet, emitted: [] };
  return {
    state: sheet.map((one, at) => (at === index ? { ...after, edited: true } : one)),
    emitted: before.edited ? [] : counted(EDITED, 1),
  };
}

/** The tray: items that wait, and decided ones, the latest last. It emits no `suggestion_shown`. */
export interface Tray {
  readonly waiting: readonly string[];
  readonly decided: readonly string[];
}

export function decideInTray(tray: Tray, item: string, decision: Decision): Transition<Tray> {
  if (!tray.waiting.includes(item)) return { state: tray, emitted: [] };
  const waiting = tray.waiting.filter((other) => other !== item);
  return { state: { waiting, decided: [...tray.decided, item] }, emitted: counted(EVENT_OF[decision], 1) };
}

/** Brings back the item that was decided last. */
export function undoInTray(tray: Tray): Transition<Tray> {
  const restored = tray.decided.slice(-1);
  return {
    state: { waiting: [...restored, ...tray.waiting], decided: tray.decided.slice(0, -1) },
    emitted: counted(UNDO, restored.length),
  };
}

/** Onboarding: all groups are applied at once, which emits nothing; undoing it emits. */
export interface Onboarding {
  readonly groups: number;
  readonly applied: boolean;
}

export function applyAll(onboarding: Onboarding): Transition<Onboarding> {
  return { state: { ...onboarding, applied: true }, emitted: [] };
}

export function undoAll(onboarding: Onboarding): Transition<Onboarding> {
  const restored = onboarding.applied ? onboarding.groups : 0;
  return { state: { ...onboarding, applied: false }, emitted: counted(UNDO, restored) };
}

function counted(event: SourceEvent, count: number): readonly Emission[] {
  return count > 0 ? [{ event, count }] : [];
}
