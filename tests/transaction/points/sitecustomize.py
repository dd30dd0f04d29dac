# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the points of a run at which it could be interrupted, and stops it at one of them.

Python imports this module at its start where it is on PYTHONPATH. A point is right before a file is written, moved or removed, a program
is started, or an object of the cluster is written by the collection or by a module that its roles run. What the points of a run have in
common is in the directory that SLIPWAY_POINTS names: see test_points.py.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import tempfile
import threading
import time
from typing import Any

PLACE = os.environ["SLIPWAY_POINTS"]
CHANGES_OF_FILES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"
}  # fmt: skip
# What a full disk refuses of them.
NEEDS_SPACE = {"open", "os.mkdir", "os.link", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
WRITES = ("POST ", "PUT ", "PATCH ", "DELETE ")
# Where the kernel and Ansible keep their own.
NOT_OURS = ("/dev/", "/proc/", "/.ansible/", "/__pycache__/", "_payload_", "/ansible-local-")
ERRORS = {"full disk": errno.ENOSPC, "read-only file system": errno.EROFS}

_busy = threading.local()


def point_of(event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
    """Kind (file, program or request) and words of a point; None for an event that changes nothing."""
    if event == "open" or event in CHANGES_OF_FILES:
        path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
        changes = event != "open" or (isinstance(args[2], int) and args[2] & WRITING)
        return ("file", f"{event} {path}") if changes and path and not any(part in path for part in NOT_OURS) else None
    if event == "subprocess.Popen":
        return "program", " ".join(map(os.fsdecode, args[1]))[:200] if not isinstance(args[1], str) else args[1][:200]
    if event == "http.client.send":
        line = bytes(args[1][:200]).decode("latin-1") if isinstance(args[1], bytes | bytearray) else ""
        return ("request", line.partition(" HTTP/")[0]) if line.startswith(WRITES) else None
    return None


def is_ours() -> bool:
    """Whether code of a collection or of a module is what does it."""
    frame = sys._getframe(2)
    while frame is not None:
        if "ansible_collections/" in frame.f_code.co_filename or "_payload" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def count(kind: str, words: str) -> int:
    """The number of this point in the run, from 1."""
    with open(f"{PLACE}/points", "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        number = sum(1 for _line in file) + 1
        file.write(json.dumps([number, kind, words]) + "\n")
    return number


def is_refused(event: str, words: str, fault: str) -> bool:
    """Whether the disk refuses it. What is temporary is often elsewhere, which stays writable."""
    if fault == "full disk":
        return event in NEEDS_SPACE
    return fault == "read-only file system" and f" {tempfile.gettempdir()}/" not in f" {words.partition(' ')[2]}"


def at_point(event: str, kind: str, words: str) -> None:
    """Do what the test wants to happen here: wait for its end or for the signal to go on, or be refused by the disk."""
    number = count(kind, words)
    try:
        with open(f"{PLACE}/wanted", encoding="utf-8") as file:
            wanted = json.load(file)
    except FileNotFoundError:
        return  # the points are only counted
    if number == wanted["number"]:
        with open(f"{PLACE}/reached", "w", encoding="utf-8") as file:
            file.write(f"{kind}: {words}")
        while wanted["fault"] not in ERRORS and not os.path.exists(f"{PLACE}/go"):
            time.sleep(0.01)
    if number >= wanted["number"] and kind == "file" and is_refused(event, words, wanted["fault"]):
        code = ERRORS[wanted["fault"]]
        raise OSError(code, os.strerror(code), words.partition(" ")[2])


def hook(event: str, args: tuple[Any, ...]) -> None:
    """Called by Python for each of its audit events (PEP 578)."""
    if getattr(_busy, "now", False) or not (
        event in ("open", "subprocess.Popen", "http.client.send") or event in CHANGES_OF_FILES
    ):
        return
    _busy.now = True
    try:
        found = point_of(event, args)
        if found and is_ours():
            at_point(event, *found)
    finally:
        _busy.now = False


sys.addaudithook(hook)
