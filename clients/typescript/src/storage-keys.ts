export const BATCHES_KEY = "sd_telemetry"; // in sessionStorage: unacknowledged batches; other addresses append the URL
export const SIGN_OUT_KEY = "sd_telemetry_reset"; // in localStorage: when reset() was last called, in ms since 1970
