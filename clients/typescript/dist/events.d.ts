export type TelemetryEvent = "suggestion_shown" | "suggestion_accepted" | "suggestion_skipped" | "suggestion_edited" | "suggestion_undo" | "embeddings_opt_in" | "embeddings_opt_out";
