-- How rows lie on disk. No row is touched: new parts are written so, and old ones when they are merged. T64 keeps the
-- bits that tell a part's values apart, whether or not neighbours are alike; its rows are sorted by viewer.
ALTER TABLE ${stored_counts}${on_cluster}
MODIFY COLUMN viewer_id CODEC(ZSTD(3)),
MODIFY COLUMN event CODEC(ZSTD(1)),
MODIFY COLUMN count CODEC(T64, ZSTD(1)),
MODIFY COLUMN created_at CODEC(T64, ZSTD(1)),
MODIFY COLUMN log_id CODEC(ZSTD(1)),
MODIFY COLUMN log_partition CODEC(T64);

-- A summary pays for each part it opens: one file a part (compact), below the size at which the marks of all columns in
-- one would weigh more; and one part a day, as soon as nothing came to it for an hour. A statement of its own, since
-- replicas do not pass settings on to one another.
ALTER TABLE ${stored_counts}${on_cluster}
MODIFY SETTING
    min_bytes_for_wide_part = ${max_compact_part_bytes},
    min_age_to_force_merge_seconds = ${day_closes_after_s},
    min_age_to_force_merge_on_partition_only = 1;
