# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs a playbook, and whether that run is still there. Private to the collection.

An identity is ``user@host/place-process-start-part``. The place stands for the machine, its boot and the process name space; the start
tells processes apart that had the same number one after the other; the part tells the inventory hosts of one run apart.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_MACHINE = Path("/etc/machine-id")
_FORM = re.compile(
    r"(?P<user>.+)@(?P<host>[^@/]+)/(?P<place>[0-9a-f]+)-(?P<process>[0-9]+)-(?P<start>[0-9]*)(-[0-9a-f]+)?"
)


@dataclass(frozen=True)
class Identity:
    """The parts of an identity that tell whether its process is still there."""

    user: str
    host: str
    place: str
    process: int
    start: str


def identity(process: int, part: str = "", root: Path = _PROC, machine: Path = _MACHINE) -> str:
    """Return the identity of a run by its process on this machine, for C(part) of its inventory."""
    name = f"{_user()}@{socket.gethostname()}/{place(root, machine)}-{process}-{start_of(process, root)}"
    return f"{name}-{_digest(part)[:8]}" if part else name


def place(root: Path = _PROC, machine: Path = _MACHINE) -> str:
    """Return what stands for this machine, its boot and the process name space."""
    return _places(root, machine)[0]


def parse(holder: str) -> Identity | None:
    """Read an identity, also one without machine and part as Slipway 0.1 wrote it; None when it is something else."""
    found = _FORM.fullmatch(holder)
    return (
        Identity(found["user"], found["host"], found["place"], int(found["process"]), found["start"]) if found else None
    )


def is_here(holder: str, root: Path = _PROC, machine: Path = _MACHINE) -> bool:
    """Tell whether the process of an identity can be seen from here."""
    found = parse(holder)
    return bool(found and found.host == socket.gethostname() and found.place in _places(root, machine))


def has_ended(holder: str, root: Path = _PROC, machine: Path = _MACHINE) -> bool:
    """Tell whether the process of a run is known to have ended. Of a run on another machine or boot nothing is known."""
    found = parse(holder)
    return bool(found and is_here(holder, root, machine) and process_has_ended(found.process, found.start, root))


def is_gone(holder: str, root: Path = _PROC, machine: Path = _MACHINE) -> bool:
    """Tell whether a run is known to have ended, and what it has started can be seen: that of another user only root sees."""
    found = parse(holder)
    visible = found and (found.user == _user() or os.geteuid() == 0)
    return bool(visible) and has_ended(holder, root, machine)


def process_has_ended(process: int, start: str, root: Path = _PROC) -> bool:
    """Tell whether a process that began at C(start) is known to have ended.

    With C(hidepid) /proc does not show the processes of others, so what is missing there may be there.
    """
    state, began = _stat(process, root)
    if began:
        return began != start or state in ("Z", "X")
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is there, and somebody else's
    return False


def start_of(process: int, root: Path = _PROC) -> str:
    """Return when a process of this machine began, in ticks since the machine did; empty when there is none."""
    return _stat(process, root)[1]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # a user that no database knows, as in a container


def _places(root: Path, machine: Path) -> tuple[str, str]:
    """Return this place, and as Slipway 0.1 named it."""
    try:
        boot = f"{(root / 'sys/kernel/random/boot_id').read_text(encoding='ascii').strip()} {(root / 'self/ns/pid').readlink()}"
    except OSError:
        boot = socket.gethostname()  # no Linux: the host's name has to do
    try:
        name = machine.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        name = ""
    # A digest, because the number of a machine is not to be told to others (machine-id(5)).
    return _digest(f"slipway {name} {boot}")[:16], _digest(boot)[:8]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _stat(process: int, root: Path) -> tuple[str, str]:
    """Return state and start of a process, both empty where they cannot be read."""
    try:
        # The name in parentheses may hold anything; state and start are the 3rd and the 22nd field.
        text = (root / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
