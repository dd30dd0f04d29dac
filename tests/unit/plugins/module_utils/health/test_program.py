# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks from a file: what is refused and on which line, what is printed, and what ends up in the reports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._health import program
from ansible_collections.slipway.kube.plugins.module_utils._health.report import as_tap

ROOT = Path(__file__).resolve().parents[5]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Write a file of checks and run the program with it; return the exit code, the output and the errors."""

    def go(text: str, *arguments: str) -> tuple[int, str, str]:
        (tmp_path / "checks.yml").write_text(text, encoding="utf-8")
        code = program.main([str(tmp_path / "checks.yml"), *arguments])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return go


def test_checks_and_a_journey(call: Call, server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2-hunter2")
    text = f"""
variables: {{shop: "{server.url("")}"}}
secrets: {{password: {{env: SHOP_PASSWORD}}}}
deadline: 20
checks:
  - name: page
    url: ${{shop}}/
    follow_redirects: "2"
journey:
  - {{name: log in, url: "${{shop}}/echo", method: POST, body: {{password: "${{password}}"}}, expect: {{body_regex: [nothing]}}}}
  - {{name: after, url: "${{shop}}/"}}
"""
    paths = {name: tmp_path / f"health.{name}" for name in ("json", "junit", "tap")}
    code, out, _err = call(text, *(part for name, path in paths.items() for part in (f"--{name}", str(path))))
    assert code == program.UNHEALTHY
    assert out.startswith("1 of 3 checks failed, 1 was skipped")
    assert [seen.path for seen in server.seen] == ["/", "/echo"]
    result = json.loads(paths["json"].read_text())
    assert result["failed_checks"] == ["log in"] and result["summary"]["skipped"] == 1
    assert ET.parse(paths["junit"]).getroot().get("failures") == "1"
    tap = paths["tap"].read_text().splitlines()
    assert tap[:4] == ["TAP version 13", "1..3", "ok 1 - page", "not ok 2 - log in"]
    assert tap[-1].startswith("ok 3 - after # SKIP A check that this one depends on is not healthy.")
    assert not any("hunter2" in path.read_text() for path in paths.values()) and "hunter2" not in out


def test_a_report_may_be_the_output(call: Call, server: Any) -> None:
    text = f"checks: [{{name: a, url: '{server.url('/')}'}}]"
    assert call(text, "--tap", "-") == (program.HEALTHY, "TAP version 13\n1..1\nok 1 - a\n", "")
    code, out, _err = call(text, "--json", "-")
    assert code == program.HEALTHY and json.loads(out)["healthy"] is True


def test_a_plan_asks_nothing(call: Call, server: Any) -> None:
    code, out, _err = call(f"checks: [{{name: a, url: '{server.url('/')}'}}]", "--plan")
    assert (code, out) == (program.HEALTHY, f"a: GET {server.url('/')}, expecting status 200-299\n")
    assert server.seen == []


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("checks: [", [":1: it is not valid YAML: "]),
        ("- a", [":1: write a dictionary with the key checks."]),
        ("checkz: []\n", [":1: checkz: this key is unknown; did you mean checks."]),
        ("checks: {}\njourney: [7]\n", [":2: journey: write a list of checks."]),
        (
            "checks:\n  - name: a\n    url: http://a/\n  - name: a\n    url: http://a/\n",
            [":2: checks[0]: give each", ":4: checks[1]: give each"],
        ),
        (
            "checks:\n  - name: a\n    type: tcp\n    url: tcp://a:1\n    expect:\n      status: [200]\n      jsn: []\n",
            [
                ":7: checks[0].expect.jsn: this key is unknown; did you mean json.",
                ":6: checks[0].expect.status: type tcp has",
            ],
        ),
        (
            "checks:\n  - name: a\n    url: http://a/\n    expect:\n      json:\n        - path: a\n          equals:\n",
            [":7: checks[0].expect.json[0].equals: null cannot be compared with"],
        ),
        (
            "checks:\n  - name: a\njourney:\n  - name: b\n    url: http://a/${x}\n",
            [":2: checks[0].url: type http needs it"],
        ),
        ("checks: []\nsecrets: {a: b}\n", [":2: secrets.a: write {env: NAME}"]),
        (
            "checks: []\nsecrets: {a: {env: SLIPWAY_NO_SUCH}}\n",
            [":2: secrets.a: the environment variable SLIPWAY_NO_SUCH is not set."],
        ),
        ("checks:\n  - {name: a, url: 'http://a/'}\ndeadline: soon\n", [":3: deadline: write a number from"]),
        ("checks: []\n", [": checks: the list is empty"]),
    ],
)
def test_mistakes_are_told_with_their_line(call: Call, text: str, sentences: list[str]) -> None:
    code, out, err = call(text)
    assert (code, out) == (program.MISTAKEN, "")
    for sentence in sentences:
        assert f"checks.yml{sentence}" in err, err
    assert "Traceback" not in err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main([str(tmp_path / "none.yml")]) == program.MISTAKEN
    assert "it cannot be read: No such file or directory." in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_first(call: Call, server: Any) -> None:
    code, _out, err = call(f"checks: [{{name: a, url: '{server.url('/')}'}}]", "--tap", "/no/such/dir/x")
    assert code == program.MISTAKEN and err.startswith("--tap: the directory /no/such/dir does not exist")
    assert server.seen == []


def test_names_in_tap_begin_no_directive() -> None:
    check = {"name": "50 # of \\ all\nlines", "state": "healthy", "last_error": None}
    assert as_tap({"checks": [check]}).splitlines()[-1] == "ok 1 - 50 \\# of \\\\ all lines"


def test_the_script_finds_the_collection(server: Any, tmp_path: Path) -> None:
    (tmp_path / "checks.yml").write_text(f"checks: [{{name: a, url: '{server.url('/')}'}}]")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(ROOT / "scripts/health"), "checks.yml", "--tap", "-"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "TAP version 13\n1..1\nok 1 - a\n"), done.stderr


def test_the_guide_s_file_is_valid(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TEST_PASSWORD", "hunter2-hunter2")
    [text] = re.findall(r"^```yml\n(.*?)^```$", (ROOT / "docs/health_check.md").read_text(), re.DOTALL | re.MULTILINE)
    code, out, err = call(text, "--plan")
    assert (code, err) == (program.HEALTHY, "") and len(out.splitlines()) == 2
