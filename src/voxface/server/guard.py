"""Who may ask a server on this machine. What a browser sends on behalf of another site is told apart by two headers."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_our_name(host: str, ours: Collection[str]) -> bool:
    """Whether the header `Host` names this server: a bare address, localhost, or one of our own names.

    Any other name may be one that somebody else's DNS points to this machine ("DNS rebinding"). The port does not
    matter, since it may be a forwarded one.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:  # brackets that are no address
        return False
    if name == "localhost" or name in {own.lower() for own in ours}:
        return bool(name)
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_foreign(origin: str | None, site: str | None, host: str) -> bool:
    """Whether a page of another site sends this.

    Browsers tell with `Origin` and `Sec-Fetch-Site`; programs such as curl send neither.
    """
    try:
        ours = origin is None or urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return True
    return not ours or (site or "same-origin") not in ("same-origin", "none")
