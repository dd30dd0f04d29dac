# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run, with Ansible really run."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.slipway.kube.plugins.callback.report import default_directory, lead_to, prune

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.plugins.callback.conftest import Project

HEALTH = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"password": {"type": "str"}})
checks = [{"name": "<b>ready</b>", "state": "unhealthy", "attempts": 7, "elapsed": 3.2, "api_key": "k-1234567",
    "last_error": {"code": "connect_refused", "message": "Nothing listens.", "suggestion": "Start it."},
    "timings": {"total": 12.5}, "percentiles": {}}]
module.fail_json(msg="1 of 1 checks failed, token=abcdefgh", checks=checks, session={"access_token": "t-1234567"})
"""

VERIFY = """
- name: Ask the endpoints
  ansible.legacy.health: {password: p-1234567}
- name: Note the address
  ansible.builtin.set_fact: {slipway_address: "http://todo.localhost/"}
"""


@pytest.fixture(scope="module")
def written(make_project: Callable[[], Project]) -> Path:
    project = make_project()
    (project.root / "library").mkdir()
    (project.root / "library" / "health.py").write_text(HEALTH)
    project.role("verify", VERIFY)
    project.play("[]", more="  roles: [slipway.kube.verify]\n")
    seen = project.run()
    assert seen.code == 2, seen
    place = next(line.split()[-1] for line in seen.lines if line.startswith("  report "))
    assert (project.root / place).is_file()
    return project.root / "reports"


@pytest.fixture(scope="module")
def report(written: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((written / "latest.json").read_text())
    return found


def test_the_json_holds_the_run(report: dict[str, Any]) -> None:
    assert report["schema"] == "slipway.report/1"
    assert (report["playbook"], report["result"], report["check_mode"]) == ("site.yml", "failed", False)
    assert report["hosts"] == ["localhost"]
    assert report["counts"] == {"failed": 1}
    assert [phase["name"] for phase in report["phases"]] == ["verify"]
    [task] = report["tasks"]
    assert (task["name"], task["role"], task["status"]) == ("Ask the endpoints", "slipway.kube.verify", "failed")
    assert 0 < task["duration_s"] <= report["duration_s"]
    [check] = report["checks"]
    assert (check["state"], check["attempts"], check["host"], check["task"]) == (
        "unhealthy",
        7,
        "localhost",
        "Ask the endpoints",
    )


def test_nothing_written_holds_a_secret(written: Path) -> None:
    for path in written.iterdir():
        text = path.read_text()
        assert "invocation" not in text
        for secret in ("p-1234567", "k-1234567", "t-1234567", "abcdefgh"):
            assert secret not in text, path


class _Page(HTMLParser):
    """Collects the tags that load something, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name == "src" or (tag == "link" and name == "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_escapes_what_it_shows(written: Path) -> None:
    page = _Page()
    page.feed((written / "latest.html").read_text())
    assert not page.loads
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert "<b>ready</b>" in page.text
    assert "svg" in page.tags
    for words in ("The run failed", "Ask the endpoints", "Nothing listens. [connect_refused] Start it.", "verify"):
        assert words in page.text


def test_runs_without_own_roles_are_not_reported(project: Project) -> None:
    project.play("- name: Create an instance\n  ansible.builtin.debug: {msg: x}\n")
    seen = project.run()
    assert seen.code == 0, seen
    assert not (project.root / "reports").exists()
    assert "Report" not in seen.out


def test_a_directory_that_cannot_be_written_is_a_warning(project: Project) -> None:
    project.role("verify", "- name: Pass\n  ansible.builtin.set_fact: {slipway_address: 'http://x/'}\n")
    project.play("[]", more="  roles: [slipway.kube.verify]\n")
    (project.root / "file").write_text("")
    seen = project.run(SLIPWAY_REPORT_DIR=str(project.root / "file"))
    assert seen.code == 0
    assert "could not be written" in seen.err
    assert "Traceback" not in seen.err


def test_only_the_last_runs_are_kept(tmp_path: Path) -> None:
    for day in range(10, 16):
        for suffix in ("html", "json"):
            (tmp_path / f"202611{day}T120000Z-site-1.{suffix}").write_text("")
    (tmp_path / "notes.html").write_text("mine")
    prune(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20261114T120000Z-site-1.html",
        "20261114T120000Z-site-1.json",
        "20261115T120000Z-site-1.html",
        "20261115T120000Z-site-1.json",
        "notes.html",
    ]


def test_latest_follows_and_is_a_copy_where_links_are_not_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.html").write_text("a")
    (tmp_path / "b.html").write_text("b")
    lead_to(tmp_path / "latest.html", tmp_path / "a.html")
    assert (tmp_path / "latest.html").is_symlink()

    def refuse(*_arguments: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    lead_to(tmp_path / "latest.html", tmp_path / "b.html")
    assert not (tmp_path / "latest.html").is_symlink()
    assert (tmp_path / "latest.html").read_text() == "b"


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ("/home/me/todo/ansible.cfg", "/home/me/todo/reports"),
        ("/etc/ansible/ansible.cfg", "/here/reports"),
        ("/home/me/.ansible.cfg", "/here/reports"),
        (None, "/here/reports"),
    ],
)
def test_reports_lie_beside_the_projects_configuration(configuration: str | None, expected: str) -> None:
    assert default_directory(configuration, "/here") == Path(expected)
