-- What a purge removed that lay ahead of now, where a clock had been wrong. Rows will rightly have such times one day, so
-- a time alone would not do: what went are the rows of a log's partition up to an offset. Written before the rows go.
CREATE TABLE IF NOT EXISTS ${purges_ahead}${on_cluster}
(
    log_id        UInt32,
    log_partition UInt16,
    up_to_offset  UInt64,
    ahead_ms      Int64,
    purged_at     DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ${purges_ahead_engine}
ORDER BY (log_id, log_partition)
SETTINGS ${bookkeeping_settings};
