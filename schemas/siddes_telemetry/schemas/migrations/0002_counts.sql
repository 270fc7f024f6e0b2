-- The counts, and the log offset that each row came from. The deduplication window counts parts: one for each day of a
-- block. TTL: a part has the rows of one day, and is dropped as a whole within an hour of its last row's expiry. Granules
-- are small because a viewer has few rows a day, and a summary reads whole granules. A table keeps the granularity it was
-- created with.
CREATE TABLE IF NOT EXISTS ${stored_counts}${on_cluster}
(
    viewer_id     String CODEC(ZSTD(1)),
    event         ${event_type} COMMENT ${event_comment},
    count         UInt16,
    created_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    log_id        UInt32,
    log_partition UInt16,
    log_offset    UInt64 CODEC(T64, ZSTD(1)),
    CONSTRAINT count_in_bounds CHECK count BETWEEN 1 AND ${max_count},
    CONSTRAINT viewer_id_in_bounds CHECK length(viewer_id) BETWEEN 1 AND ${max_viewer_id}
)
ENGINE = ${counts_engine}
PARTITION BY toDate(created_at)
ORDER BY (viewer_id, event, created_at)
TTL ${ttl}
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, ${counts_settings};
