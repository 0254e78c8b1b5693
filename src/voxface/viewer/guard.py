"""Who may ask: the page itself, on this machine. A page of another site must not reach the server through a browser."""

from __future__ import annotations

from email.message import Message
from ipaddress import ip_address
from urllib.parse import urlsplit

from voxface.viewer.answers import Answer, problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}  # fmt: skip
"""Of every answer: no code or request but the page's own, nothing guessed, nothing kept."""


def refused(headers: Message, method: str, served_as: str) -> Answer | None:
    """An answer to who may not ask, else None.

    `Host` must be a bare address, localhost or the name given with --host: a name that somebody else's DNS points to
    this machine is turned away ("DNS rebinding"). Its port does not matter, since it may be a forwarded one. What
    changes something must come from our own page: browsers tell with `Origin`, programs such as curl send none.
    """
    host = ", ".join(headers.get_all("Host", []))
    if not _is_here(host, served_as):
        return problem(403, f"{host[:80]!r} is not a name of this server.", "E-HOST")
    origin = headers.get("Origin")
    ours = origin is None or urlsplit(origin).netloc.lower() == host.lower()
    foreign = headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    if method == "POST" and (foreign or not ours):
        return problem(403, "only the viewer's own page may send files.", "E-ORIGIN")
    return None


def _is_here(host: str, served_as: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:  # brackets that are no address
        return False
    if name in ("localhost", served_as.lower()):
        return bool(name)
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
