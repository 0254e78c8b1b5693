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
    connections:  open at a time; beyond that those that ask for nothing are closed, the oldest first
    body_bytes:   of one request; held_bytes: in memory, of all requests together; disk_bytes: in files, of all
    header_s:     for a request's head. body_s: for its whole body
    silence_s:    without a byte of a body that comes, or of an answer that goes
    work_s:       for the work on one request, waiting included
    linger_s:     for the rest of a body that is refused, so that its sender sees the answer
    drain_s:      for what is being worked on when the server is told to end
    notice_s:     of these, so long it still listens, not ready any more, so that a balancer sees it
    origins:      of pages of other sites that may open a WebSocket, such as https://game.example
    calls_per_s:  of one address, 0: any number. calls_at_once: before that counts
    sessions:     WebSockets at a time
    late_s:       frames that come so late mean that no more sessions are taken in for a while
    deadline_ms:  that a session's frames may wait for those of others, with which they are computed
    hello_s:      for the first message of a session. idle_s: without a message, then it is closed
    messages_per_s: of one session; more are left unread, as is sound beyond `ahead_s` that waits to be shown
    behind_s:     frames that a client has not taken for so long are dropped; for stuck_s, and it is closed
    bundles:      what sessions and /v1/animate may ask for by name; each is opened when the server starts
    """

    host: str = "127.0.0.1"
    port: int = 5000
    token: str = ""
    insecure: bool = False
    names: tuple[str, ...] = ()
    workers: int = 0
    waiting: int = 64
    connections: int = 1024
    body_bytes: int = 64 * MIB
    held_bytes: int = 512 * MIB
    disk_bytes: int = 4096 * MIB
    header_s: float = 10.0
    silence_s: float = 15.0
    body_s: float = 120.0
    work_s: float = 120.0
    linger_s: float = 2.0
    drain_s: float = 10.0
    notice_s: float = 1.0
    origins: tuple[str, ...] = ()
    calls_per_s: float = 32.0
    calls_at_once: float = 256.0
    sessions: int = 64
    late_s: float = 2.0
    deadline_ms: float = 10.0
    hello_s: float = 10.0
    idle_s: float = 30.0
    messages_per_s: float = 400.0
    ahead_s: float = 10.0
    behind_s: float = 2.0
    stuck_s: float = 10.0
    bundles: tuple[str, ...] = ("default", "live")

    def __post_init__(self) -> None:
        if not self.workers:
            object.__setattr__(self, "workers", usable_cores())
        if not (self.token.isascii() and self.token.isprintable()) or len(self.token) > 500:
            raise UsageError("a token is up to 500 printable ASCII letters, since it travels in a header.")
        if not (is_loopback(self.host) or self.token or self.insecure):
            raise UsageError(
                f"--host {self.host} lets other machines in, and anybody there could use this one.",
                hint="Give a secret with --token or in the environment, or say --insecure if the network is yours.",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server at this address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
