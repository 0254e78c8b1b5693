"""HTML from nested calls. Text is escaped unless it was made here, so that no file name can become markup."""

from __future__ import annotations

from html import escape


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, *inside: str, **attributes: object) -> Html:
    """An element: tag("td", "a < b", class_="x") is <td class="x">a &lt; b</td>.

    Args:
        inside: Html stands as it is, other text is escaped.
        attributes: a trailing _ is dropped, other _ become -; those that are None or False are left out.
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{shown}>{join(*inside)}</{name}>")


def join(*parts: str) -> Html:
    """One after the other; text is escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))
