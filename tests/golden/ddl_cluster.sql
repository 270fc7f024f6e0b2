CREATE DATABASE IF NOT EXISTS `siddes` ON CLUSTER 'pair';

CREATE TABLE IF NOT EXISTS `siddes`.`telemetry_migrations` ON CLUSTER 'pair'
(
    number     UInt16,
    name       String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/everywhere/siddes/telemetry_migrations', '{shard}-{replica}')
ORDER BY number
SETTINGS replicated_deduplication_window = 20000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `siddes`.`telemetry_logs` ON CLUSTER 'pair'
(
    log_name   String,
    generation UInt32,
    log_id     UInt32,
    adopted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/everywhere/siddes/telemetry_logs', '{shard}-{replica}')
ORDER BY (log_name, generation)
SETTINGS replicated_deduplication_window = 20000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `siddes`.`telemetry_counts_local` ON CLUSTER 'pair'
(
    viewer_id     String CODEC(ZSTD(1)),
    event         Enum8('suggestion_shown' = 1, 'suggestion_accepted' = 2, 'suggestion_skipped' = 3, 'suggestion_edited' = 4, 'suggestion_undo' = 5, 'embeddings_opt_in' = 6, 'embeddings_opt_out' = 7) COMMENT 'registry revision 1',
    count         UInt16,
    created_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    log_id        UInt32,
    log_partition UInt16,
    log_offset    UInt64 CODEC(T64, ZSTD(1)),
    CONSTRAINT count_in_bounds CHECK count BETWEEN 1 AND 25000,
    CONSTRAINT viewer_id_in_bounds CHECK length(viewer_id) BETWEEN 1 AND 64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/siddes/telemetry_counts_local', '{replica}')
PARTITION BY toDate(created_at)
ORDER BY (viewer_id, event, created_at)
TTL toDateTime(created_at) + INTERVAL 30 DAY
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, replicated_deduplication_window = 20000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `siddes`.`telemetry_counts` ON CLUSTER 'pair'
AS `siddes`.`telemetry_counts_local`
ENGINE = Distributed('pair', 'siddes', 'telemetry_counts_local', cityHash64(viewer_id));

CREATE TABLE IF NOT EXISTS `siddes`.`telemetry_purges` ON CLUSTER 'pair'
(
    before_ms Int64,
    purged_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/everywhere/siddes/telemetry_purges', '{shard}-{replica}')
ORDER BY before_ms
SETTINGS replicated_deduplication_window = 20000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

ALTER TABLE `siddes`.`telemetry_counts_local` ON CLUSTER 'pair'
ADD INDEX IF NOT EXISTS log_offsets log_offset TYPE minmax GRANULARITY 64;

ALTER TABLE `siddes`.`telemetry_counts_local` ON CLUSTER 'pair'
MATERIALIZE INDEX log_offsets;

ALTER TABLE `siddes`.`telemetry_counts_local` ON CLUSTER 'pair'
MODIFY COLUMN viewer_id CODEC(ZSTD(3)),
MODIFY COLUMN event CODEC(ZSTD(1)),
MODIFY COLUMN count CODEC(T64, ZSTD(1)),
MODIFY COLUMN created_at CODEC(T64, ZSTD(1)),
MODIFY COLUMN log_id CODEC(ZSTD(1)),
MODIFY COLUMN log_partition CODEC(T64);

ALTER TABLE `siddes`.`telemetry_counts_local` ON CLUSTER 'pair'
MODIFY SETTING
    min_bytes_for_wide_part = 68719476736,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS `siddes`.`telemetry_set_asides` ON CLUSTER 'pair'
(
    log_id        UInt32,
    log_partition UInt16,
    log_offset    UInt64,
    until_offset  UInt64,
    decided_at    DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/everywhere/siddes/telemetry_set_asides', '{shard}-{replica}')
ORDER BY (log_id, log_partition, log_offset)
SETTINGS replicated_deduplication_window = 20000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `siddes`.`telemetry_purges_ahead` ON CLUSTER 'pair'
(
    log_id        UInt32,
    log_partition UInt16,
    up_to_offset  UInt64,
    ahead_ms      Int64,
    purged_at     DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/everywhere/siddes/telemetry_purges_ahead', '{shard}-{replica}')
ORDER BY (log_id, log_partition)
SETTINGS replicated_deduplication_window = 20000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

ALTER TABLE `siddes`.`telemetry_counts_local` ON CLUSTER 'pair' MODIFY COLUMN event Enum8('suggestion_shown' = 1, 'suggestion_accepted' = 2, 'suggestion_skipped' = 3, 'suggestion_edited' = 4, 'suggestion_undo' = 5, 'embeddings_opt_in' = 6, 'embeddings_opt_out' = 7) COMMENT 'registry revision 1';

ALTER TABLE `siddes`.`telemetry_counts_local` ON CLUSTER 'pair' MODIFY TTL toDateTime(created_at) + INTERVAL 30 DAY;

ALTER TABLE `siddes`.`telemetry_counts_local` ON CLUSTER 'pair' DELETE WHERE created_at < toDateTime64('2026-09-21 14:13:20.123', 3, 'UTC') OR (created_at >= toDateTime64('2026-09-21 15:13:20.123', 3, 'UTC') AND ((log_id = 7 AND log_partition = 0 AND log_offset <= 41) OR (log_id = 7 AND log_partition = 1 AND log_offset <= 9007199254740992)));

ALTER TABLE `siddes`.`telemetry_counts_local` ON CLUSTER 'pair' MODIFY SETTING replicated_deduplication_window = 524000;

SYSTEM SYNC REPLICA ON CLUSTER 'pair' `siddes`.`telemetry_counts_local` LIGHTWEIGHT;

SYSTEM SYNC REPLICA `siddes`.`telemetry_logs` LIGHTWEIGHT;

