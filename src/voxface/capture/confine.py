"""What a worker process gives up before it touches a video: its orphan's life, memory without end, the network."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from pathlib import Path

from voxface.errors import MissingDependencyError, VoxfaceError

_PARENT_DEATH_SIGNAL = 1  # prctl(2)
_NEW_USERS, _NEW_NETWORK = 0x10000000, 0x40000000  # unshare(2)


@dataclass(frozen=True, slots=True)
class Confines:
    """memory_bytes: address space that a worker may have (None: no limit). network: whether it keeps the network."""

    memory_bytes: int | None = None
    network: bool = True


def confine(confines: Confines) -> None:
    """Apply to this process, for good. Call it first: leaving the network needs a process of one thread.

    Raises: MissingDependencyError: this system cannot do what is asked for.
    """
    if not confines.network:
        _leave_network()
    if confines.memory_bytes is not None:
        _limit_memory(confines.memory_bytes)
    _die_with_parent()


def _die_with_parent() -> None:
    """End with the parent, however it ends: at once on Linux, elsewhere as soon as native code lets a thread run."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError as error:
        raise _cannot("--memory-limit", "a system with RLIMIT_AS (Linux, macOS)") from error
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _leave_network() -> None:
    """Go where there is only a loopback that is down. Root needs nothing else; others become their own user's root."""
    flag = "--no-network-worker"
    if sys.platform != "linux":
        raise _cannot(flag, "Linux")
    library, user, group = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    if library.unshare(_NEW_NETWORK) == 0:
        return
    if library.unshare(_NEW_USERS | _NEW_NETWORK) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise _cannot(flag, f"a Linux that lets users make network namespaces ({reason})")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _cannot(flag: str, needed: str) -> VoxfaceError:
    return MissingDependencyError(f"{flag} needs {needed}.", hint=f"Run without {flag}.")
