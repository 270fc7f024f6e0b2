"""What each worker process uses, on the page of its parent: a worker's own figures, not their sum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import Metric, ProcessCollector
from prometheus_client.registry import Collector

_SHOWN = {
    "process_resident_memory_bytes": "siddes_gateway_worker_resident_memory_bytes",
    "process_cpu_seconds_total": "siddes_gateway_worker_cpu_seconds_total",
    "process_open_fds": "siddes_gateway_worker_open_fds",
    "process_max_fds": "siddes_gateway_worker_max_fds",
}


class WorkerProcessMetrics(Collector):
    """prometheus-client's process metrics of every worker, labelled with the worker's number."""

    def __init__(self, pids: Callable[[], Mapping[int, int]]) -> None:
        """`pids`: the process ids of the workers, by number."""
        self._pids = pids

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for number, pid in self._pids().items():
            for metric in _process_metrics(pid):
                for sample in metric.samples:
                    if name := _SHOWN.get(sample.name):
                        # a counter's family has no _total: its HELP and TYPE lines would have it twice
                        family_name = name.removesuffix("_total")
                        family = families.setdefault(name, Metric(family_name, metric.documentation, metric.type))
                        family.add_sample(name, {"worker": str(number)}, sample.value)
        return families.values()

    def describe(self) -> Iterable[Metric]:
        return ()


def _process_metrics(pid: int) -> Iterable[Metric]:
    """None for a process that has ended."""
    return ProcessCollector(pid=lambda: pid, registry=None).collect()
