# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container engine's start changes of the machine's network, and how that is taken back. Private to the collection."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import typing as t

IP_FORWARD = pathlib.Path("/proc/sys/net/ipv4/ip_forward")


class EngineError(Exception):
    """No engine can be had, or not be taken away; the text says why and what to do."""


def network_settings() -> dict[str, str]:
    """What an engine's start changes of the machine's network: whether it forwards, and what becomes of the rest."""
    settings = {"ip_forward": IP_FORWARD.read_text(encoding="ascii").strip()}
    for line in _table("filter"):
        if line.startswith(":FORWARD "):
            settings["forward_policy"] = line.split()[1]
    return settings


def restore_network(before: t.Mapping[str, str]) -> None:
    """Take back what a stopped engine left of its network; rules of others stay as they are. Raises EngineError."""
    if os.path.isdir("/sys/class/net/docker0"):
        _run(["ip", "link", "delete", "docker0"])
    for name in ("filter", "nat", "raw"):
        lines = _table(name)
        kept = without_engine_rules(lines, before.get("forward_policy", "ACCEPT"))
        if kept != lines:
            _run(["iptables-restore", "--table", name], "\n".join(kept) + "\n")
    IP_FORWARD.write_text(before["ip_forward"] + "\n", encoding="ascii")


def without_engine_rules(table: t.Sequence[str], forward_policy: str) -> list[str]:
    """One table in the format of iptables-save(8) without the engine's chains and rules.

    The engine's chains begin with DOCKER, and a rule is its own when it names one of them or the bridge docker0.
    """
    kept = []
    for line in table:
        if line.startswith(":DOCKER") or (line.startswith("-") and re.search(r"\b(DOCKER\S*|docker0)\b", line)):
            continue
        kept.append(re.sub(r"^:FORWARD \S+", f":FORWARD {forward_policy}", line))
    return kept


def _table(name: str) -> list[str]:
    """A table's lines as iptables-save prints them, without comments; none where there is no such table."""
    if shutil.which("iptables-save") is None:
        return []
    saved = _run(["iptables-save", "--table", name])
    return [line for line in saved.splitlines() if not line.startswith("#")]


def _run(command: list[str], text: str | None = None) -> str:
    run = subprocess.run(command, input=text or "", capture_output=True, text=True)
    if run.returncode:
        raise EngineError(f"'{' '.join(command)}' failed: {run.stderr.strip()[-400:]}")
    return run.stdout
