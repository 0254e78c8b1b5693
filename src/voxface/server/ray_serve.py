"""Ray Serve (extra `ray`): the server as replicas on the machines of a Ray cluster, for those who outgrow one machine.

On a cluster: serve run voxface.server.ray_serve:application replicas=8. On this machine: python -m
voxface.server.ray_serve --replicas 2. docs/serving.md says what differs from `voxface serve`.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported

import ray
from ray import serve

from voxface.errors import UsageError
from voxface.server.settings import Settings
from voxface.server.signals import stopped_by_signals

NAME = "voxface"
_STORE_BYTES = 80_000_000  # of memory that replicas share; nothing of ours goes through it


def application(arguments: Mapping[str, str] | None = None) -> Any:
    """What Ray Serve runs.

    Args:
        arguments: as `serve run` and a config file give them: replicas (default 1), sessions (per replica, 64), cpus
            (per replica, 1), token (default: VOXFACE_SERVE_TOKEN), name (under which callers know it).
    Raises: UsageError: an argument that is not known, or no number.
    """
    known = {"replicas": "1", "sessions": "64", "cpus": "1", "token": _token(), "name": ""}
    if unknown := sorted(set(arguments or {}) - set(known)):
        raise UsageError(f"{unknown[0]!r} is no argument of it.", hint=f"Known: {', '.join(known)}.")
    given = known | {name: str(value) for name, value in (arguments or {}).items()}
    try:
        replicas, sessions, cpus = int(given["replicas"]), int(given["sessions"]), float(given["cpus"])
    except ValueError as error:
        raise UsageError(f"replicas, sessions and cpus are numbers: {error}.") from error
    names = (given["name"],) if given["name"] else ()
    return deployed(Settings(token=given["token"], names=names, sessions=sessions, calls_per_s=0), replicas, cpus)


def deployed(settings: Settings, replicas: int, cpus: float = 1.0) -> Any:
    """The server with these settings, so many times; each replica has them for itself."""

    def build() -> Any:  # in each replica, once
        from voxface.neurosync.order import order_named
        from voxface.neurosync.process import Wanted, open_bundle
        from voxface.neurosync.routes import Talker
        from voxface.server.asgi import Whole
        from voxface.server.hall import Hall

        talker = Talker(open_bundle("neurosync-small"), None, Wanted(order_named("csv"), False, None))
        hall = Hall(settings, logging.getLogger("ray.serve").info)
        return Whole(hall, talker, str(serve.get_replica_context().replica_id.unique_id))

    class Replica:
        """Ray asks it now and then how it is, and starts another one in its place when it has broken."""

        app: Any

        def check_health(self) -> None:
            if self.app.hall.state == "broken":
                raise RuntimeError(self.app.hall.crash)

    kept = serve.deployment(
        name=NAME, num_replicas=replicas, max_ongoing_requests=settings.sessions + settings.waiting,
        ray_actor_options={"num_cpus": cpus},
        graceful_shutdown_timeout_s=settings.drain_s, graceful_shutdown_wait_loop_s=0.2,
    )  # fmt: skip
    return kept(serve.ingress(build)(Replica)).bind()


@contextmanager
def local(settings: Settings, replicas: int, cpus: float = 1.0) -> Iterator[str]:
    """A Ray on this machine alone with the replicas on it, while the block runs; its address.

    No dashboard, no usage statistics; only this machine is listened to, unless the settings name another host.
    """
    ray.init(
        "local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
        num_cpus=math.ceil(replicas * cpus), object_store_memory=_STORE_BYTES,
    )  # fmt: skip
    try:
        quiet = {"log_level": "ERROR"}
        serve.start("HeadOnly", {"host": settings.host, "port": settings.port}, logging_config=quiet)
        serve.run(deployed(settings, replicas, cpus), name=NAME, logging_config={"log_level": "INFO"})
        yield f"http://{settings.host}:{settings.port}"
    finally:
        serve.delete(NAME)
        ray.shutdown()


def _token() -> str:
    return os.environ.get("VOXFACE_SERVE_TOKEN", "")


def main() -> None:
    """Until Ctrl-C or SIGTERM."""
    flags = argparse.ArgumentParser(prog="python -m voxface.server.ray_serve", description=__doc__.partition("\n")[0])
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--port", type=int, default=8000)
    flags.add_argument("--replicas", type=int, default=2)
    flags.add_argument("--sessions", type=int, default=64, help="of each replica")
    flags.add_argument("--cpus", type=float, default=1.0, help="of each replica, as Ray counts them")
    given = flags.parse_args()
    settings = Settings(given.host, given.port, _token(), sessions=given.sessions, calls_per_s=0)
    with local(settings, given.replicas, given.cpus) as address, stopped_by_signals():  # Ray has a handler, too
        print(f"voxface on Ray Serve: {address}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
