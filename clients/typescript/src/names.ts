// What the SDK is known by outside. In a file without imports, as limits.ts is.
export const DEFAULT_URL = "/api/telemetry/batch";
export const KEY = "sd_telemetry"; // in sessionStorage; for another address, that address follows
export const SIGNED_OUT = "sd_telemetry_reset"; // in localStorage: when a viewer signed out last, in ms since 1970
export const ROLL_CALL = "sd_telemetry"; // an event of the window that every queue of the page hears
