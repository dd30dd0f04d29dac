# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the measurement of health_check computes and draws, without measuring."""

from __future__ import annotations

import importlib
import sys
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("docker")
    monkeypatch.syspath_prepend(str(ROOT))
    yield importlib.import_module("tests.bench.health")
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        monkeypatch.delitem(sys.modules, name)


def test_the_delays_are_those_that_the_section_states(bench: Any) -> None:
    every = bench.delays()
    assert len(every) == 200 and every == sorted(every)
    assert (every[0], round(every[179], 3), every[-1]) == (0.02, 0.2, 2.0)
    assert bench.urls(1)[-1].endswith("/199/2000")


def figures(bench: Any, own: float, looped: float) -> Any:
    def run(seconds: float, alone: float) -> Any:
        return bench.Run(seconds, alone, 2.0, 80e6, 3)

    checked = [run(4.0, own), run(4.1, 2.2), run(4.2, 2.3)]
    loops = [run(looped, looped), run(120.0, 120.0), run(130.0, 130.0)]
    return bench.Figures([2.0, 2.0, 2.0], checked, loops, bench.Run(9.0, 5.0, 6.0, 120e6, 12))


def test_a_figure_is_kept_only_when_the_worst_run_keeps_it(bench: Any) -> None:
    pages = importlib.import_module("tests.bench.pages")
    kept, missed = (figures(bench, own, looped).figures() for own, looped in ((2.4, 110.0), (3.5, 79.0)))
    assert [verdict[3] for verdict in pages.health_verdicts(kept)] == [True, True, True, True]
    assert [verdict[3] for verdict in pages.health_verdicts(missed)] == [False, False, True, True]
    about = {
        "command": "bench",
        "date": "Monday",
        "machine": "1 CPU",
        "notes": [],
        "note": "",
        "before": "-",
        "after": "-",
    }
    text = pages.health_section(about | missed)
    assert text.count("MISSED") == 2 and text.startswith("## Health checks")


def test_the_chart_is_drawn_to_one_scale(bench: Any) -> None:
    tree = ET.fromstring(importlib.import_module("tests.bench.charts").chart([("a & b", 1.0), ("loop", 100.0)]))
    bars = [float(bar.get("width", 0)) for bar in tree.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert bars[1] == pytest.approx(100 * bars[0], rel=0.05)
    assert "1 min 40 s" in "".join(tree.itertext())


def test_the_endpoints_answer_after_their_delay(bench: Any) -> None:
    with bench.endpoints() as port:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/0/30", timeout=20) as answer:
            assert answer.read() == b'{"status": "ok"}'
