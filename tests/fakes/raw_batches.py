"""Record batches byte by byte (KIP-98), as any producer may make them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

import cramjam
from aiokafka import TopicPartition
from aiokafka.codec import lz4_encode
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.produce_request import ProduceEncoder
from siddes_telemetry.schemas.record import Headers

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20
MAGIC_AT, CRC_AT, ATTRIBUTES_AT, LAST_DELTA_AT, MAX_TIME_AT, COUNT_AT = 16, 17, 21, 23, 35, 57


def batch(
    first: int = 0,
    values: Sequence[bytes] = (b"counts",),
    *,
    codec: int = NONE,
    flags: int = LOG_APPEND_TIME,
    at_ms: int = 7,
    headers: Headers = (("schema", b"2.1"),),
    body: Callable[[bytes], bytes] = lambda body: body,
) -> bytearray:
    """A whole batch of these values, as a broker gives it. `body`: what becomes of the records' bytes."""
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=10**8
    )
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=at_ms, key=None, value=value, headers=list(headers))
    built = bytes(builder.build())
    whole = bytearray(built[:61] + body(built[61:]))
    struct.pack_into(">q", whole, 0, first)
    struct.pack_into(">i", whole, 8, len(whole) - 12)
    struct.pack_into(">h", whole, ATTRIBUTES_AT, codec | flags)
    return sealed(whole)


def sealed(whole: bytearray) -> bytearray:
    """With the checksum of what it holds."""
    struct.pack_into(">I", whole, CRC_AT, calc_crc32c(bytes(whole[ATTRIBUTES_AT:])))
    return whole


def zlib_gzip(body: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=31)
    return deflate.compress(body) + deflate.flush()


def zstd(body: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(body))


def lz4(body: bytes) -> bytes:
    return bytes(lz4_encode(body))  # as a broker wants it: blocks that are not linked (KIP-57)


def snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


def xerial(body: bytes) -> bytes:
    """java-snappy's stream: blocks, each after its length."""
    size = max(40, len(body) // 100)
    blocks = [snappy(body[at : at + size]) for at in range(0, len(body), size)]
    return b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1) + b"".join(struct.pack(">i", len(b)) + b for b in blocks)


async def send(bootstrap: str, topic: str, *batches: bytes | bytearray, partition: int = 0) -> None:
    """Produce each in a request of its own, to a real broker."""
    client = KafkaConnection(bootstrap).producer_client(topic)
    await client.bootstrap()
    try:
        await client.force_metadata_update()
        form = ProduceEncoder(topic, 5000)
        for raw in batches:
            leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
            codes = await client.send(leader, form.request({partition: bytes(raw)}))
            assert codes == {partition: 0}, f"refused: {codes}"
    finally:
        await client.close()
