"""The private parts of aiokafka are as our modules named aiokafka_* expect, and no other module uses any."""

from __future__ import annotations

import ast
import inspect
import re
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaClient, AIOKafkaConsumer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.consumer import fetcher, group_coordinator
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from siddes_telemetry.backends.kafka import aiokafka_internals
from siddes_telemetry.backends.kafka.aiokafka_client import KafkaClient
from siddes_telemetry.backends.kafka.aiokafka_internals import DecodedRecords
from siddes_telemetry.backends.kafka.fetched_records import to_log_records
from siddes_telemetry.backends.kafka.record_batches import Records
from tests.fakes.garbage import uncollected

DOCUMENTED = re.compile(r"aiokafka(\.(abc|admin|errors|structs)(\..*)?)?")
MODULES = sorted(Path(aiokafka_internals.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_only_modules_named_so_use_undocumented_parts(module: Path) -> None:
    source = module.read_text()
    imported = {each.module or "" for each in ast.walk(ast.parse(source)) if isinstance(each, ast.ImportFrom)}
    undocumented = {name for name in imported if name.startswith("aiokafka") and not DOCUMENTED.fullmatch(name)}
    if module.stem.startswith("aiokafka_"):
        assert undocumented
    else:
        assert not undocumented
        assert "SLF001" not in source


def test_the_private_parts_have_the_names_and_shapes_that_are_used() -> None:
    """If this fails after an upgrade of aiokafka, adapt aiokafka_internals.py or produce_request.py."""
    source = inspect.getsource(GroupCoordinator)
    for name in (
        "self.generation =",
        "self.member_id =",
        "self.coordinator_id =",
        "self.group_id =",
        "def coordinator_dead(self)",
        "        await self._maybe_leave_group()\n\n",  # the end of close(); we replace that method
    ):
        assert name in source
    assert list(inspect.signature(LeaveGroupRequest).parameters) == ["group", "member_id"]
    assert list(inspect.signature(FindCoordinatorRequest).parameters) == ["coordinator_key", "coordinator_type"]
    for method in ("check_errors", "ensure_coordinator_known", "fetch_committed_offsets", "_send_req"):
        assert callable(getattr(GroupCoordinator, method))
    for task in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task"):
        assert f"self.{task} =" in inspect.getsource(group_coordinator)
    for name in ("self._fetch_task =", "self._pending_tasks =", "self._records =", "def error_future(self)"):
        assert name in inspect.getsource(Fetcher)
    for name in ("self._client =", "self._coordinator =", "self._fetcher ="):
        assert name in inspect.getsource(AIOKafkaConsumer)
    parameters = list(inspect.signature(OffsetCommitRequest).parameters)
    assert parameters == [
        "consumer_group",
        "consumer_group_generation_id",
        "consumer_id",
        "retention_time",
        "topics",
    ]
    for method, overridden in (
        (AIOKafkaClient._metadata_update, KafkaClient._metadata_update),
        (AIOKafkaClient._md_synchronizer, KafkaClient._md_synchronizer),
        (AIOKafkaClient._get_conn, KafkaClient._get_conn),
        (AIOKafkaClient.send, KafkaClient.send),
        (AIOKafkaClient.get_random_node, KafkaClient.get_random_node),
        (AIOKafkaClient.coordinator_lookup, KafkaClient.coordinator_lookup),
    ):
        assert list(inspect.signature(method).parameters) == list(inspect.signature(overridden).parameters)
    assert "self._partitions =" in inspect.getsource(ClusterMetadata)
    client = inspect.getsource(AIOKafkaClient)
    for name in (
        "self._conns =",
        "self._sync_task =",
        "self._topics =",
        "self._md_update_waiter.set_result(None)",
        "return asyncio.shield(self._md_update_fut)",
        "self._client_id =",
        "self._request_timeout_ms =",
    ):
        assert name in client
    for call in ("await self._metadata_update(self.cluster, topics)", "await self._get_conn(node_id, group=group)"):
        assert call in client  # what we override is what it calls
    assert "self._requests.append(\n            (correlation_id, request_struct, fut)," in inspect.getsource(
        AIOKafkaConnection
    )
    closing = inspect.getsource(AIOKafkaConnection.close)
    assert "error.__cause__ = exc" in closing  # why a connection broke: failures.py reads it
    assert "self._protocol = reader, writer, protocol" in inspect.getsource(AIOKafkaConnection.connect)
    assert list(inspect.signature(collect_hosts).parameters) == ["hosts", "randomize"]
    sending = inspect.getsource(AIOKafkaConnection.send) + inspect.getsource(AIOKafkaConnection._handle_frame)
    for call in (
        "request.prepare(self._versions)",
        "build_request_header(\n            correlation_id=correlation_id, client_id=self._client_id",
        "header.encode() + request_struct.encode()",
        "request.parse_response_header(resp)",
        "request.RESPONSE_TYPE",
        "resp_type.decode(resp)",
    ):
        assert call in sending, call


def _undecoded(key: TopicPartition) -> PartitionRecords:
    """Two records, as aiokafka has them before they are decoded."""
    batch = DefaultRecordBatchBuilder(2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
                                      batch_size=10_000)  # fmt: skip
    for offset in range(2):
        batch.append(offset, timestamp=7, key=None, value=b"counts", headers=[("a", b"b"), ("c", None)])
    return PartitionRecords(key, fetcher.MemoryRecords(bytes(batch.build())), [], 0, None, None, True, 0)


def _fetch_result(undecoded: PartitionRecords) -> FetchResult:
    assignment = SimpleNamespace(state_value=lambda _key: SimpleNamespace(highwater=2))
    return FetchResult(undecoded._tp, assignment=assignment, partition_records=undecoded, backoff=0)


def test_fetched_bytes_are_decoded_by_our_decoder() -> None:
    """If this fails after an upgrade of aiokafka, a record batch that it cannot read stops its partition."""
    assert "self._records = collections.OrderedDict()" in inspect.getsource(Fetcher.__init__)
    answered = inspect.getsource(Fetcher._proc_fetch_request)
    assert "self._records[tp] = FetchResult(" in answered
    assert "self._records_iterator = self._unpack_records()" in inspect.getsource(PartitionRecords)
    assert answered.index("tp_state.highwater = highwater") < answered.index("MemoryRecords(part_data[-1])")
    key = TopicPartition("topic", 0)
    parts = DecodedRecords(Records)
    parts[key] = _fetch_result(_undecoded(key))

    fetched = list(parts[key]._partition_records)

    first, second = to_log_records(fetched)
    assert (first.offset, first.appended_at_ms, first.value, first.headers) == (
        0,
        7,
        b"counts",
        (("a", b"b"), ("c", b"")),
    )
    assert second.headers is first.headers
    assert parts[key]._partition_records.next_fetch_offset == 2


def test_fetched_bytes_are_freed_without_a_garbage_collection() -> None:
    key, parts = TopicPartition("topic", 0), DecodedRecords(Records)
    with uncollected():
        undecoded = _undecoded(key)
        parts[key] = _fetch_result(undecoded)
        freed = [weakref.ref(undecoded)]
        del undecoded
        assert freed[0]() is None, "once it is decoded"

        records = parts[key]._partition_records
        next(iter(records))
        freed += [weakref.ref(records), weakref.ref(records._reader)]
        del records
        parts.clear()
        assert [each() for each in freed] == [None] * 3, "if the partition is revoked before all of it is read"
