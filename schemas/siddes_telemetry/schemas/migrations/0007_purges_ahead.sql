-- Purges of rows dated in the future by a wrong clock. Later rows may rightly have such times one day, so a time alone is
-- not enough: a purge removed the rows of a partition up to an offset. Inserted before the rows are removed.
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
