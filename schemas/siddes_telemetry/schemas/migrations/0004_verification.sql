-- What `verify` needs: counts that were purged are not missing; and the rows of a stretch of a log are found without
-- reading every day. Rows of one part lie by viewer, so a granule spans the offsets of its whole part: days are told
-- apart, and what was stored just now from all that is older. GRANULARITY: an entry for each 131,072 rows.
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
