# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``minikube start`` and watches over it: its steps, and a kubelet that does not stay up. Private to the collection."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError

WATCH_INTERVAL = 2.0  # seconds
END_PATIENCE = 20.0  # seconds in which a start that cannot end well may end by itself
# Until kubeadm has written the kubelet's configuration, it fails and is restarted, the longer the slower the machine is. As many
# restarts after that are a crash loop.
KUBELET_RESTARTS = 12
COUNT_RESTARTS = "test ! -e /var/lib/kubelet/config.yaml || systemctl show kubelet --property=NRestarts --value"


class StartWatcher:
    """Runs a start to its end, or to the point where it cannot end well.

    ``in_node`` gives the output of a command in the node, empty when it cannot be run or fails; ``say`` is told each step.
    """

    def __init__(self, in_node: t.Callable[[list[str]], str], say: t.Callable[[str], None]) -> None:
        self._in_node = in_node
        self._say = say
        self._errors: list[str] = []
        self._restarts: list[int] = []  # of the kubelet, from one look to the next

    def run(self, command: list[str], environment: t.Mapping[str, str], inherited: t.Sequence[int]) -> None:
        """Run the command; ``inherited`` are file descriptors that it keeps open. Raises MinikubeError."""
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=inherited,
        )
        readers = [
            threading.Thread(target=read, args=(stream,), daemon=True)
            for read, stream in ((self._read_steps, process.stdout), (self._read_log, process.stderr))
        ]
        for reader in readers:
            reader.start()
        cause = None
        while process.poll() is None and cause is None:
            time.sleep(WATCH_INTERVAL)
            cause = self._kubelet_trouble()
        if cause is not None and process.poll() is None:
            _end(process)
        process.wait()
        for reader in readers:
            reader.join(timeout=5)
        if cause is not None:
            raise MinikubeError(f"The node's kubelet does not stay up. Its own words:\n{cause}")
        if process.returncode:
            trouble = self._kubelet_words()
            what = "\n".join(dict.fromkeys(self._errors[-6:])) or f"exit code {process.returncode}"
            raise MinikubeError(
                f"Minikube did not start the cluster: {what}"
                + (f"\nThe kubelet's last errors:\n{trouble}" if trouble else "")
            )

    def _read_steps(self, stream: t.Iterable[str] | None) -> None:
        for line in stream or ():
            kind, text = read_event(line)
            if kind == "error":
                self._errors.append(text)
            elif text:
                self._say(text)

    def _read_log(self, stream: t.Iterable[str] | None) -> None:
        for line in stream or ():
            # klog's lines: E is an error of Minikube itself.
            if line.startswith("E") and "]" in line:
                self._errors.append(line.partition("] ")[2].strip())

    def _kubelet_trouble(self) -> str | None:
        """The kubelet's last words when systemd had to restart it over and over, otherwise None."""
        shown = self._in_node(["sh", "-c", COUNT_RESTARTS])
        if shown.isdigit():
            self._restarts.append(int(shown))
        if not self._restarts or self._restarts[-1] - self._restarts[0] < KUBELET_RESTARTS:
            return None
        return self._kubelet_words() or "(its journal is empty)"

    def _kubelet_words(self) -> str:
        journal = self._in_node(["journalctl", "--unit=kubelet", "--no-pager", "--output=cat", "--lines=200"])
        return "\n".join(last_errors(journal))


def _end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(END_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def read_event(line: str) -> tuple[str, str]:
    """Kind (step, error or empty) and text of one line of ``minikube --output=json``, a CloudEvent."""
    try:
        event = json.loads(line)
    except ValueError:
        return "", ""
    data = event.get("data") or {}
    kind = str(event.get("type", "")).rpartition(".")[2]
    if kind == "error":
        advice = data.get("advice", "")
        return "error", f"{data.get('message', '').strip()} {advice}".strip()
    if kind == "step":
        return "step", f"{data.get('name', '')}: {data.get('message', '').strip()}"
    return "", ""


def last_errors(journal: str, most: int = 6) -> list[str]:
    """The last different error lines of a kubelet's journal, without klog's prefix."""
    lines: dict[str, None] = {}
    for line in journal.splitlines():
        match = re.match(r"[EF]\d{4} [\d:.]+\s+\d+ (?P<text>.*)", line)
        text = (
            match["text"]
            if match
            else line
            if re.search(r"\b(error|failed|fatal|panic)\b", line, re.IGNORECASE)
            else ""
        )
        if text:
            text = re.sub(r"^\S+\.go:\d+\] ", "", text)
            lines.pop(text, None)
            lines[text] = None
    return list(lines)[-most:]
