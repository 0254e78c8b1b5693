"""A Ray cluster of two nodes on this machine, of which one can be killed while it works. Linux only."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import wait_for

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads these when it is imported
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
QUICK = {
    "health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3,
    "worker_niceness": 0,
}  # fmt: skip
"""A dead node is missed within seconds; workers are not put behind all other processes, as Ray does by itself."""


@contextmanager
def two_nodes() -> Iterator[Any]:
    """A head and one more node, a CPU each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False, "_system_config": QUICK})
    try:
        made.add_node(**NODE)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()


def workers(node: Any) -> list[int]:
    """Processes of a node that have a video at hand."""
    raylet, found = node.all_processes["raylet"][0].process.pid, []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended while we looked
            continue
        if parent == raylet and _at_work(int(entry.name)):
            found.append(int(entry.name))
    return found


def _at_work(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::_work")
    except OSError:
        return False


def _frozen_at_work(node: Any) -> int | None:
    """A process of a node, stopped while it has a video at hand, so that it cannot finish in the last instant."""
    for process in workers(node):
        os.kill(process, signal.SIGSTOP)
        if _at_work(process):
            return process
        os.kill(process, signal.SIGCONT)
    return None


def kill_at_work(cluster: Any) -> None:
    """Kill the second node, without a chance to say goodbye, while it has a video at hand."""
    node = next(iter(cluster.worker_nodes))
    victim = until(lambda: _frozen_at_work(node))
    cluster.remove_node(node, allow_graceful=False)
    os.kill(victim, signal.SIGKILL)


def until(ready: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait for something; its value."""
    return wait_for(ready, seconds)
