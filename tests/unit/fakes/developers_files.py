# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps tests from writing to what the developer's own deploys have: caches, and the state of their clusters."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

HOME = Path.home()
PLACES = (f"{HOME}/.cache/slipway/", f"{HOME}/.local/state/slipway/")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.utime"}


def keep_out(places: tuple[str, ...] = PLACES) -> None:
    """Let each attempt of this process, or of a fork of it, to change something there fail, for as long as the process lives."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and arguments[2] & _WRITING):
            for path in arguments[:2]:
                if isinstance(path, str) and path.startswith(places):
                    raise PermissionError(f"A unit test changes the developer's own {path}.")

    sys.addaudithook(refuse)
