"""Who may ask: the page itself, on this machine. A page of another site must not reach the server through a browser."""

from __future__ import annotations

from email.message import Message

from voxface.server.guard import is_foreign, is_our_name
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

    Only this machine, by address or by the name given with --host, may be meant, and what changes something must come
    from our own page.
    """
    host = ", ".join(headers.get_all("Host", []))
    if not is_our_name(host, [served_as]):
        return problem(403, f"{host[:80]!r} is not a name of this server.", "E-HOST")
    if method == "POST" and is_foreign(headers.get("Origin"), headers.get("Sec-Fetch-Site"), host):
        return problem(403, "only the viewer's own page may send files.", "E-ORIGIN")
    return None
