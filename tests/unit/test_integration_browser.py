# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests/integration/browser.py comes to its browser, with stand-ins for apt and Chromium."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
browser = importlib.import_module("tests.integration.browser")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH, empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser.os, "geteuid", lambda: 0)
    return tmp_path


def program(file: Path, text: str) -> None:
    """Write an executable shell script."""
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)


def test_chromium_that_is_there_is_used(programs: Path) -> None:
    program(programs / "chromium-browser", "exit 1")
    program(programs / "apt-get", "exit 1")
    assert browser.chromium() == str(programs / "chromium-browser")


def test_chromium_is_installed_where_it_is_missing(programs: Path) -> None:
    program(
        programs / "apt-get",
        f'echo "$*" >> {programs}/calls; [ "$1" = update ] || {{ : > {programs}/chromium; /bin/chmod +x {programs}/chromium; }}',
    )
    assert browser.chromium() == str(programs / "chromium")
    update, install = (programs / "calls").read_text(encoding="utf-8").splitlines()
    assert update.startswith("update")
    assert install.startswith("install") and " chromium" in install


def test_another_user_is_told_what_to_do(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(programs / "apt-get", "exit 1")
    monkeypatch.setattr(browser.os, "geteuid", lambda: 1000)
    with pytest.raises(browser.BrowserError, match="this user cannot install it here.*'apt-get install chromium"):
        browser.chromium()


def test_what_apt_said_is_told(programs: Path) -> None:
    program(programs / "apt-get", "echo 'E: Unable to locate package chromium' >&2; exit 100")
    with pytest.raises(browser.BrowserError, match="'apt-get update' failed: E: Unable to locate package chromium"):
        browser.chromium()
