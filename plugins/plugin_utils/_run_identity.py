# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs a playbook, and whether that run is still there. Private to the collection.

An identity is ``user@host/place-process-start``: the place tells kernels and process name spaces apart, the start tells
processes apart that had the same number one after the other.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from datetime import datetime, timezone
from pathlib import Path


def identity(process: int, root: Path = Path("/proc")) -> str:
    """Return the identity of a run by its process on this machine."""
    return f"{_user()}@{socket.gethostname()}/{_place(root)}-{process}-{_start(process, root)}"


def is_gone(holder: str, renewed: str, root: Path = Path("/proc")) -> bool:
    """Tell whether a run is known to be gone; C(renewed), an RFC 3339 time, is the last sign of life.

    Of a run on another machine nothing is known.
    """
    who, _slash, where = holder.partition("/")
    place, _dash, rest = where.partition("-")
    process, _dash, start = rest.partition("-")
    if who.rpartition("@")[2] != socket.gethostname() or not process.isdigit():
        return False
    if place == _place(root):
        return _start(int(process), root) != start
    booted = _booted(root)
    return booted is not None and _before(renewed, booted)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # a user that no database knows, as in a container


def _place(root: Path) -> str:
    parts = []
    try:
        parts.append((root / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str((root / "self/ns/pid").readlink()))
    except OSError:
        parts.append(socket.gethostname())  # no Linux: the host's name has to do
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]


def _start(process: int, root: Path) -> str:
    """Return when a process began, in ticks since the machine did; empty when there is none, C(0) where nothing tells."""
    try:
        # The name in parentheses may hold anything; the 22nd field counts from after it.
        return (
            (root / str(process) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
    except (OSError, IndexError):
        pass
    if (root / "self").exists():
        return ""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass  # it is there, and somebody else's
    return "0"


def _booted(root: Path) -> datetime | None:
    try:
        lines = (root / "stat").read_text(encoding="ascii").splitlines()
        return datetime.fromtimestamp(
            int(next(line.split()[1] for line in lines if line.startswith("btime "))), timezone.utc
        )
    except (OSError, StopIteration, ValueError):
        return None


def _before(text: str, moment: datetime) -> bool:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")) < moment
    except (TypeError, ValueError):
        return False
