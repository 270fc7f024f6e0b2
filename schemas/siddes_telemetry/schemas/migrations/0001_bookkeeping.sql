-- Bookkeeping: which migrations ran, and the id of each log.
-- Each row is inserted under its own deduplication token: if several processes migrate at once, one row is kept.
CREATE TABLE IF NOT EXISTS ${migrations}${on_cluster}
(
    number     UInt16,
    name       String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ${migrations_engine}
ORDER BY number
SETTINGS ${bookkeeping_settings};

CREATE TABLE IF NOT EXISTS ${logs}${on_cluster}
(
    log_name   String,
    generation UInt32,
    log_id     UInt32,
    adopted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ${logs_engine}
ORDER BY (log_name, generation)
SETTINGS ${bookkeeping_settings};
