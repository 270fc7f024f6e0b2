-- With a cluster only: one table for the counts of all shards. All counts of a viewer are on one shard.
CREATE TABLE IF NOT EXISTS ${counts}${on_cluster}
AS ${stored_counts}
ENGINE = Distributed(${cluster_name}, ${database_name}, ${stored_counts_name}, cityHash64(viewer_id));
