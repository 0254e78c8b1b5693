"""The page as it ships: files that npm built from web/, found by exact name, and the mark of their sources."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from voxface.errors import MissingDependencyError
from voxface.head.shipped import HEAD_FILE

PAGE = Path(__file__).parent / "page"
MARK = "built.txt"
"""In PAGE: the `source_mark` of the sources that the page was built from."""

_SOURCES = ("package-lock.json", "*.html", "*.ts", "public/**/*", "src/**/*")


@lru_cache(maxsize=1)
def page_files() -> dict[str, Path]:
    """Address -> file, for all that may be asked for by name; nothing else is ever opened.

    Raises: MissingDependencyError: the page was not built.
    """
    files = {f"/{path.relative_to(PAGE).as_posix()}": path for path in sorted(PAGE.rglob("*")) if path.is_file()}
    if "/index.html" not in files:
        hint = "In a checkout: cd web && npm ci && npm run build."
        raise MissingDependencyError(f"the viewer's page is not in {PAGE}.", hint=hint)
    files["/"] = files.pop("/index.html")
    files.pop(f"/{MARK}", None)
    return files | {"/head.glb": HEAD_FILE}


def source_mark(web: Path) -> str:
    """SHA-256 over names and bytes of everything the page is built from; web/mark.ts computes the same.

    Args: web: the folder web/ of a checkout.
    """
    found = {path for pattern in _SOURCES for path in web.glob(pattern) if path.is_file()}
    names = {path.relative_to(web).as_posix(): path for path in found}
    mark = hashlib.sha256()
    for name in sorted(names):
        mark.update(f"{name}\n{hashlib.sha256(names[name].read_bytes()).hexdigest()}\n".encode())
    return mark.hexdigest()
