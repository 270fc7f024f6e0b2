-- For `verify`: purged counts are not missing, and the rows of an offset range are found without reading every day.
-- Rows of a part are sorted by viewer, so each granule spans all offsets of its part: the index can tell days apart, and
-- recent inserts from older ones. GRANULARITY: one entry for each 131,072 rows.
CREATE TABLE IF NOT EXISTS ${purges}${on_cluster}
(
    before_ms Int64,
    purged_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ${purges_engine}
ORDER BY before_ms
SETTINGS ${bookkeeping_settings};

ALTER TABLE ${stored_counts}${on_cluster}
ADD INDEX IF NOT EXISTS log_offsets log_offset TYPE minmax GRANULARITY 64;

ALTER TABLE ${stored_counts}${on_cluster}
MATERIALIZE INDEX log_offsets;
