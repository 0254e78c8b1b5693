"""What a server allows and for how long: one value, valid from birth. docs/reliability.md promises these limits."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from voxface.errors import UsageError
from voxface.runtime.threads import usable_cores

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a server listens, who may ask, and how much.

    host, port:   where it listens; port 0: any free one
    token:        what callers must show; "": nothing. insecure: other machines may ask without one
    names:        under which it is known, beside localhost, `host` and bare addresses
    workers:      requests worked on at a time; 0: as many as there are cores. waiting: how many more may wait for that
    connections:  open at a time
    body_bytes:   of one request; held_bytes: of all requests together
    header_s:     for a request's head. silence_s: without a byte of its body. body_s: for the whole body
    work_s:       for the work on one request, waiting included
    linger_s:     for the rest of a body that is refused, so that its sender sees the answer
    drain_s:      for what is being worked on when the server is told to end
    """

    host: str = "127.0.0.1"
    port: int = 5000
    token: str = ""
    insecure: bool = False
    names: tuple[str, ...] = ()
    workers: int = 0
    waiting: int = 64
    connections: int = 512
    body_bytes: int = 64 * MIB
    held_bytes: int = 512 * MIB
    header_s: float = 10.0
    silence_s: float = 15.0
    body_s: float = 120.0
    work_s: float = 120.0
    linger_s: float = 2.0
    drain_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.workers:
            object.__setattr__(self, "workers", usable_cores())
        if not (self.token.isascii() and self.token.isprintable()) or len(self.token) > 500:
            raise UsageError("a token is up to 500 printable ASCII letters, since it travels in a header.")
        if not (is_loopback(self.host) or self.token or self.insecure):
            raise UsageError(
                f"--host {self.host} lets other machines in, and anybody there could use this one.",
                hint="Give a secret with VOXFACE_SERVE_TOKEN or --token, or say --insecure if the network is yours.",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server at this address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
