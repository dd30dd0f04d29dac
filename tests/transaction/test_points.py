# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run may be interrupted before each of its writes and programs: the next plain one ends in the declared state.

The points are counted in a run that nothing interrupts, by points/sitecustomize.py. What comes after a point is what comes before the next.
Each point takes one of the faults that its kind can meet, in turn; SLIPWAY_NIGHT, a number, begins the turn elsewhere, so that a week of
nights meets all of them. By default a few points are taken, and only faults that the tests beside these do not notice; SLIPWAY_KILLS=all takes
every point and every fault.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker

from .conftest import Run, Shop

ALL = os.environ.get("SLIPWAY_KILLS") == "all"
NIGHT = int(os.environ.get("SLIPWAY_NIGHT", "0"))
SAMPLE = {"file": 4, "program": 1, "request": 2}
LEAST = 150
FAULTS = {
    "file": ["killed", "full disk", "interrupted", "read-only file system"],
    "program": ["killed", "interrupted"],
    "request": ["interrupted", "killed"],
}
# They stop what everybody uses.
SHARED_FAULTS = {"program": ["no engine"], "request": ["no API server"]}
# Begun files and directories, by the names that the collection gives them.
LEFTOVERS = (".making-*", ".unpacking-*", "*.new")


# Number, kind and words, as sitecustomize.py writes them.
Counted = tuple[int, str, str]


@dataclass(frozen=True)
class Point:
    """A place in a run: its number, and what is about to happen."""

    number: int
    kind: str
    words: str
    fault: str

    def __str__(self) -> str:
        return f"{self.fault} at point {self.number}, {self.kind}: {self.words}"


def chosen(counted: Sequence[Counted]) -> list[Counted]:
    """All points, or some of each kind from the whole length of the run."""
    if ALL:
        return list(counted)
    found = []
    for kind, share in SAMPLE.items():
        of_kind = [point for point in counted if point[1] == kind]
        found += [of_kind[(2 * place + 1) * len(of_kind) // (2 * share)] for place in range(share)]
    return sorted(found)


def with_faults(counted: Sequence[Counted]) -> list[Point]:
    """The points, each with the fault whose turn it is."""
    turns = {kind: faults + (SHARED_FAULTS.get(kind, []) if ALL else []) for kind, faults in FAULTS.items()}
    seen = dict.fromkeys(FAULTS, NIGHT)
    points = []
    for number, kind, words in counted:
        points.append(Point(number, kind, words, turns[kind][seen[kind] % len(turns[kind])]))
        seen[kind] += 1
    return points


class Points:
    """What a run that is watched and a test tell each other."""

    def __init__(self, shop: Shop, place: Path) -> None:
        self._shop = shop
        self._place = place

    def start(self, point: Point | None = None, **settings: str) -> Run:
        """Start a run that stops at a point, or at none."""
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir()
        if point:
            (self._place / "wanted").write_text(json.dumps({"number": point.number, "fault": point.fault}))
        modules = str(Path(__file__).parent / "points")
        environment = {"SLIPWAY_POINTS": str(self._place), "PYTHONPATH": modules}
        return self._shop.start(whole=True, environment=environment, **settings)

    def counted(self) -> list[Counted]:
        """The points that the last run came to."""
        return [tuple(json.loads(line)) for line in (self._place / "points").read_text(encoding="utf-8").splitlines()]

    def wait(self, run: Run) -> bool:
        """Wait until the run has come to its point; returns False when it has ended without."""
        while not (self._place / "reached").exists():
            if run.process.poll() is not None:
                return (self._place / "reached").exists()
            time.sleep(0.01)
        return True

    def go_on(self) -> None:
        """Let the run go on."""
        (self._place / "go").touch()


def inflict(fault: str, run: Run, shop: Shop) -> None:
    """Do to a run that waits at a point what the fault says; the disk's faults need no doing."""
    if fault == "killed":
        run.kill()
    elif fault == "interrupted":
        run.send(signal.SIGINT)
    elif fault == "no API server":
        node = docker.DockerClient(base_url=shop.facts["docker_host"], timeout=60).containers.get(shop.facts["profile"])
        code, output = node.exec_run(["pkill", "--exact", "kube-apiserver"])
        assert code == 0, output
    elif fault == "no engine":
        os.kill(listener(shop.facts["docker_host"].removeprefix("unix://")), signal.SIGTERM)


def listener(path: str) -> int:
    """The process that listens on a Unix socket (SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def leftovers(places: Sequence[Path]) -> Iterator[Path]:
    """What interrupted runs have begun and nobody has removed."""
    for place in places:
        for pattern in LEFTOVERS:
            yield from place.rglob(pattern)


def generated(shop: Shop) -> str:
    """The value of a Secret that was generated once."""
    return shop.kubectl("get", "secret", "shop-api", "--output=jsonpath={.data.MADE}")


def change(shop: Shop, turn: str) -> str:
    """Change the sources and the charts, beside the Secret that a run with this C(turn) changes; returns the tag."""
    shop.change_charts(turn)
    return shop.version(delivered=False)


def count(shop: Shop, points: Points, turn: str) -> list[Counted]:
    """The points of a run that deploys a change and is not interrupted."""
    change(shop, turn)
    run = points.start(turn=turn).wait()
    assert run.code == 0, run.output
    return points.counted()


def test_run_interrupted_at_any_point_is_made_whole_by_a_plain_one(shop: Shop, tmp_path: Path) -> None:
    first = shop.run(whole=True)
    assert first.code == 0, first.output
    made = generated(shop)
    points = Points(shop, tmp_path / "points")
    count(shop, points, "counted")
    # What is made once for all runs is there now.
    counted = count(shop, points, "counted again")
    assert len(counted) >= LEAST, "\n".join(map(str, counted))
    wrong, reached = [], 0
    for number, point in enumerate(with_faults(chosen(counted)), start=1):
        turn = f"turn {number}"
        print(f"{time.strftime('%H:%M:%S')}  {point}", flush=True)
        tag = change(shop, turn)
        run = points.start(point, turn=turn)
        came = points.wait(run)
        reached += came
        if came:
            inflict(point.fault, run, shop)
            points.go_on()
        broken = run.wait()
        again = shop.run(whole=True, turn=turn)
        left = [str(path) for path in leftovers([shop.place, Path(shop.facts["state_dir"])])]
        found = {
            "the run showed a traceback": "Traceback" in broken.output,
            f"the next run ended with {again.code}": again.code != 0,
            "a value was generated anew": again.code == 0 and generated(shop) != made,
            f"left {left}": bool(left),
        }
        if again.code == 0:
            shop.assert_serves(tag)
        wrong += [f"{point}: {words}\n{broken.output}\n{again.output}" for words, is_so in found.items() if is_so]
    assert not wrong, f"{len(wrong)} faults\n" + "\n\n".join(wrong)
    # How often a lease is renewed and progress is read depends on the time a run takes, so that some are over before their point.
    assert reached >= 0.7 * number
