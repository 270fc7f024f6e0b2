-- Records that an operator does not want to be counted or waited for: what was asked for (until_offset 0), and what an
-- owner of the partition took up: the offsets from log_offset to until_offset, exclusive.
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
