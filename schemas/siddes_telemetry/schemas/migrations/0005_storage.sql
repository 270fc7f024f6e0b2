-- Compression. No row is rewritten now: new parts use these codecs, and old parts once they are merged. T64 keeps only
-- the bits in which a part's values differ, even if neighbouring values do not; rows are sorted by viewer.
ALTER TABLE ${stored_counts}${on_cluster}
MODIFY COLUMN viewer_id CODEC(ZSTD(3)),
MODIFY COLUMN event CODEC(ZSTD(1)),
MODIFY COLUMN count CODEC(T64, ZSTD(1)),
MODIFY COLUMN created_at CODEC(T64, ZSTD(1)),
MODIFY COLUMN log_id CODEC(ZSTD(1)),
MODIFY COLUMN log_partition CODEC(T64);

-- A summary's cost grows with the parts it opens. So a part is one file (compact), up to the size at which the marks of
-- all columns in one file would cost more, and a day is merged into one part once it had no insert for an hour. A separate
-- statement, because replicas do not replicate settings.
ALTER TABLE ${stored_counts}${on_cluster}
MODIFY SETTING
    min_bytes_for_wide_part = ${max_compact_part_bytes},
    min_age_to_force_merge_seconds = ${day_closes_after_s},
    min_age_to_force_merge_on_partition_only = 1;
