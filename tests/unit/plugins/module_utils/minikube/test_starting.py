# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A start that is watched: its steps, its failures, a kubelet that does not stay up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._minikube import starting
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError
from minikube_objects import ERROR, STEP


class Node:
    """What a node answers: the kubelet's count of restarts, one a look and the last one repeatedly, and its journal."""

    def __init__(self, restarts: Iterable[str] = ("0",), journal: str = "") -> None:
        self._restarts = list(restarts)
        self._journal = journal

    def __call__(self, command: list[str]) -> str:
        if command[0] == "journalctl":
            return self._journal
        assert command == ["sh", "-c", starting.COUNT_RESTARTS]
        return self._restarts.pop(0) if len(self._restarts) > 1 else self._restarts[0]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Start a shell script in place of Minikube, and return what is said meanwhile."""
    monkeypatch.setattr(starting, "WATCH_INTERVAL", 0.01)

    def go(script: str, node: Callable[[list[str]], str] | None = None) -> list[str]:
        said: list[str] = []
        starting.StartWatcher(node or Node(), said.append).run(["sh", "-c", script], os.environ, ())
        return said

    return go


def test_steps_are_said(start: Callable[..., list[str]]) -> None:
    assert start(f"printf '%s\\n' '{STEP}'") == ["Starting Node: Starting it"]


def test_what_is_said_last_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "WATCH_INTERVAL", 0.01)
    reader, writer = os.pipe()
    said: list[str] = []

    def say(text: str) -> None:
        os.close(writer)
        os.read(reader, 1)  # ends when the start has ended
        said.append(text)

    starting.StartWatcher(Node(), say).run(["sh", "-c", f"printf '%s\\n' '{STEP}'"], os.environ, (writer,))
    os.close(reader)
    assert said == ["Starting Node: Starting it"]


def test_failed_start_is_told_with_its_words(start: Callable[..., list[str]]) -> None:
    with pytest.raises(MinikubeError, match=r"(?s)did not start the cluster: .*no space Free some") as caught:
        start(
            f"echo '{ERROR}'; echo 'E1121 10:00:00.1 7 start.go:1] driver gone' >&2; echo 'I1121 7 x.go:1] all is well' >&2; exit 80",
            Node(journal="panic: x"),
        )
    assert "all is well" not in str(caught.value)
    assert "driver gone" in str(caught.value) and "The kubelet's last errors:\npanic: x" in str(caught.value)


def test_kubelet_that_does_not_stay_up_ends_the_start_at_once(start: Callable[..., list[str]]) -> None:
    journal = "E1121 10:00:00.000000 7 run.go:72] failed to run Kubelet: no cgroup"
    with pytest.raises(MinikubeError, match=r"(?s)does not stay up.*failed to run Kubelet: no cgroup"):
        start("exec sleep 60", Node(["", "30", "42"], journal))


def test_start_that_does_not_end_by_itself_is_killed(
    start: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "END_PATIENCE", 0.01)
    with pytest.raises(MinikubeError, match="does not stay up"):
        start("trap '' TERM; while :; do sleep 0.01; done", Node(["0", "12"]))


def test_restarts_before_the_kubelet_is_configured_are_no_trouble(
    start: Callable[..., list[str]], tmp_path: Path
) -> None:
    node = Node(["", "30", "41"], "no such file or directory")
    looked = tmp_path / "looked"

    def look(command: list[str]) -> str:
        answer = node(command)
        if answer == "41":
            looked.touch()
        return answer

    assert start(f"until test -e {looked}; do sleep 0.01; done", look) == []


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (STEP, ("step", "Starting Node: Starting it")),
        (ERROR, ("error", "no space Free some")),
        ('{"type":"io.k8s.sigs.minikube.info","data":{"message":"x"}}', ("", "")),
        ('{"type":"io.k8s.sigs.minikube.step"}', ("step", ": ")),
        ("not JSON", ("", "")),
        ("", ("", "")),
    ],
)
def test_read_event(line: str, event: tuple[str, str]) -> None:
    assert starting.read_event(line) == event


def test_last_errors_are_the_last_different_ones_without_prefix() -> None:
    journal = "\n".join(
        [
            'E1121 10:00:00.000000     700 run.go:72] "command failed" err="no cgroup"',
            "I1121 10:00:00.000000     700 server.go:1] all is well",
            "kubelet.service: Main process exited",
            "F1121 10:00:01.000000     701 server.go:2] second",
            'E1121 10:00:02.000000     702 run.go:72] "command failed" err="no cgroup"',
            "panic: third",
        ]
    )
    assert starting.last_errors(journal) == ["second", '"command failed" err="no cgroup"', "panic: third"]
    assert starting.last_errors(journal, most=1) == ["panic: third"]
    assert starting.last_errors("") == []
