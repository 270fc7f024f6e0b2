// The window that the dashboard looks at, kept in the address so that it survives a reload and can be linked to.

export const WINDOWS = [7, 30] as const; // days
export type Days = (typeof WINDOWS)[number];

/** The window in a location's hash, as in "#days=30"; 7 where there is none. */
export function daysIn(hash: string): Days {
  return hash === "#days=30" ? 30 : 7;
}

/** Which window figures are of, and which one is on its way. */
export function periodOf(shown: number, wanted: number): string {
  return shown === wanted ? `Last ${shown} days` : `Last ${shown} days, asking for ${wanted}`;
}
