// The time window of the dashboard. It is kept in the URL's hash, so that it survives a reload and can be linked to.

export const WINDOW_DAYS = [7, 30] as const;
export type WindowDays = (typeof WINDOW_DAYS)[number];

/** The window in a location's hash, as in "#days=30"; 7 where there is none. */
export function windowFromHash(hash: string): WindowDays {
  return hash === "#days=30" ? 30 : 7;
}

/** The window that the counts on the page are of, and the one that was chosen, while they differ. */
export function windowLabel(shown: number, wanted: number): string {
  return shown === wanted ? `Last ${shown} days` : `Last ${shown} days, asking for ${wanted}`;
}
