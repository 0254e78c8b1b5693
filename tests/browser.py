"""A browser for the tests of pages: Chromium, driven by scripts in web/tests."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import ROOT

WEB = ROOT / "web"


def chromium(what: str) -> str:
    """Where the browser is; the test is skipped, by what it would try, where it or what drives it is missing."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    for there, name in (
        (browser, "Chromium (tools/system-packages.sh)"),
        (shutil.which("node"), "node"),
        ((WEB / "node_modules" / "playwright-core").is_dir(), "playwright-core (npm ci in web/)"),
    ):
        if not there:
            pytest.skip(f"{what}: {name} is missing")
    return str(browser)
