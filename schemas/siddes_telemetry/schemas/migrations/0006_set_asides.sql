-- Records that an operator sets aside, so that they do not count and do not halt their partition: requests (until_offset
-- 0), and decisions, which the partition's owner made of them: the offsets from log_offset to until_offset, exclusive.
CREATE TABLE IF NOT EXISTS ${set_asides}${on_cluster}
(
    log_id        UInt32,
    log_partition UInt16,
    log_offset    UInt64,
    until_offset  UInt64,
    decided_at    DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ${set_asides_engine}
ORDER BY (log_id, log_partition, log_offset)
SETTINGS ${bookkeeping_settings};
