# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that changes the shared code and sees whether a test fails."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
tool = importlib.import_module("tests.tools.mutants")

SOURCE = '''\
"""Prose = 1."""
from __future__ import annotations
LIMIT: int | None = 3


class Shape(Protocol):
    def area(self) -> float: ...


def size(items: list[str | None], most: int = 7) -> bool:
    """A == b."""
    say("begin", 5)
    if not items:
        raise ValueError("1 < 2")
    names = [item for item in items if item and "é" != item]
    names.sort(key=len, reverse=True)
    return len(names) < most
'''


def test_what_is_changed_and_what_is_not() -> None:
    found = {f"{one.place}: {one.change}" for one in tool.mutants("a.py", SOURCE)}
    assert found == {
        "size: not items -> (items)",
        'size: raise ValueError("1 < 2") -> pass',
        'size: item and "é" != item -> True',
        'size: item and "é" != item -> item or "é" != item',
        'size: "é" != item -> "é" == item',
        "size: names.sort(key=len, reverse=True) -> pass",
        "size: return len(names) < most -> return None",
        "size: len(names) < most -> len(names) >= most",
        "size: len(names) < most -> len(names) <= most",
    }


def test_a_change_is_put_in_where_it_stands() -> None:
    for one in tool.mutants("a.py", SOURCE):
        start, end = one.span
        assert SOURCE[start:end] == one.before
        assert one.put_in(SOURCE) == SOURCE[:start] + one.text + SOURCE[end:] != SOURCE


def test_the_sample_stays_when_another_function_is_added() -> None:
    before = [one.rank for one in tool.mutants("a.py", SOURCE)]
    after = [one.rank for one in tool.mutants("a.py", SOURCE + "\ndef other():\n    return 5\n")]
    assert [rank for rank in after if rank in before] == before and len(after) == len(before) + 2


def test_a_file_has_the_tests_that_import_it_first_and_those_beside_it() -> None:
    near, far = tool.tests_of("plugins/module_utils/_kube/leases.py")
    assert near[0] == "tests/unit/plugins/module_utils/kube/test_leases.py"
    assert "tests/unit/plugins/module_utils/kube/test_secrets.py" in far
    assert "tests/unit/plugins/modules/test_helm_modules.py" in far
    assert not any("test_toolchain" in path or "/http/" in path for path in [*near, *far])
    # One without tests of its own has those beside it, and those of what imports it.
    _near, far = tool.tests_of("plugins/module_utils/_kube/objects.py")
    assert "tests/unit/plugins/module_utils/kube/test_leases.py" in far
    assert "tests/unit/plugins/module_utils/rollout/test_codes.py" in far


def test_every_file_has_tests() -> None:
    assert [file for file, source in tool.files() if source and not any(tool.tests_of(file))] == []


def judged(*outcomes: str) -> list[tuple[object, str, float]]:
    return [(tool.Mutant("a.py", "f", 1, (0, 1), "1", str(nth + 2)), how, 0.1) for nth, how in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "accepted", "code", "words"),
    [
        ([tool.KILLED] * 9 + [tool.TIMED_OUT], [], 0, "100.0% of 10 mutants are killed"),
        ([tool.KILLED] * 9 + [tool.SURVIVED], [], 1, "NO TEST FAILS: a.py:1 f: 1 -> 11"),
        ([tool.KILLED] * 9 + [tool.SURVIVED], ["1 -> 11"], 0, "changes nothing: a.py f: 1 -> 11: because"),
        ([tool.KILLED] * 8 + [tool.SURVIVED] * 2, ["1 -> 10", "1 -> 11"], 1, "80.0% of 10 mutants are killed"),
        ([tool.KILLED] * 9, ["1 -> 99"], 1, "NOT IN THE SAMPLE"),
        ([], [], 1, "0.0% of 0"),
    ],
)
def test_verdict(outcomes: list[str], accepted: list[str], code: int, words: str) -> None:
    lines, found = tool.verdict(judged(*outcomes), {("a.py", "f", change): "because" for change in accepted})
    assert found == code and any(words in line for line in lines), lines


def test_a_reason_is_given_for_every_survivor_that_is_accepted() -> None:
    listed = yaml.safe_load(tool.ACCEPTED.read_text(encoding="utf-8")) or []
    assert all(set(one) == {"file", "place", "change", "reason"} and one["reason"].endswith(".") for one in listed)


def test_tests_are_run_in_a_copy_with_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def double(x):\n    return 2 * x\n\ndef triple(x):\n    return 3 * x\n"
    monkeypatch.setattr(tool, "make_copy", lambda place: place)
    monkeypatch.setattr(tool, "tests_of", lambda _file: (["test_it.py"], ["test_far.py"]))
    copy = tmp_path / f"copy-{tool.os.getpid()}"
    copy.mkdir()
    (copy / "it.py").write_text(source, encoding="utf-8")
    (copy / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
    (copy / "test_far.py").write_text("import it\ndef test_far():\n    assert it.triple(1) == 3\n", encoding="utf-8")
    test = "import it\ndef test_it():\n    assert it.double(0) == 0 and it.double is not None\n"
    (copy / "test_it.py").write_text(test, encoding="utf-8")
    monkeypatch.setattr(tool.sys, "dont_write_bytecode", False)
    outcomes = {
        "return 2 * x -> return None": tool.KILLED,
        "2 * x -> 2 + x": tool.KILLED,
        "2 -> 3": tool.SURVIVED,
        "3 -> 4": tool.KILLED,  # by the far test
    }
    chosen = [one for one in tool.mutants("it.py", source) if one.change in outcomes]
    found = {one.change: how for one, how, _seconds in tool.judge_file(("it.py", chosen, tmp_path))}
    assert found == outcomes
    assert (copy / "it.py").read_text(encoding="utf-8") == source


@pytest.fixture
def three_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[object]]]:
    """The work of three files; the tests of the second fail without a change."""

    def judge(work: tuple[str, list[object], Path]) -> list[tuple[object, str, float]]:
        if work[0] == broken:
            raise RuntimeError("The tests of b.py fail without a change")
        return [(one, tool.SURVIVED if one.line == 7 else tool.KILLED, 0.1) for one in work[1]]

    broken = "b.py"
    monkeypatch.setattr(tool, "judge_file", judge)
    monkeypatch.setattr(tool, "fingerprint", lambda file, _chosen: f"{file} 1")
    monkeypatch.setattr(
        tool.concurrent.futures,
        "ProcessPoolExecutor",
        lambda jobs, _context: tool.concurrent.futures.ThreadPoolExecutor(jobs),
    )
    return [
        (file, [tool.Mutant(file, "f", line, (0, 1), "1", str(line)) for line in (6, 7)])
        for file in ("a.py", "b.py", "c.py")
    ]


def test_a_run_goes_on_with_what_earlier_ones_have_not_found(
    three_files: list[tuple[str, list[object]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "cache" / "kept"
    _found, problems = tool.judge_all(three_files[:2], 1, kept)
    assert problems == ["The tests of b.py fail without a change"]
    assert "a.py: 1 of 2 (0 s)" in capsys.readouterr().out
    found, problems = tool.judge_all([three_files[0], three_files[2]], 1, kept)
    said = capsys.readouterr().out
    assert "a.py: 1 of 2 (known)\n  survived: line 7, f: 1 -> 7" in said and "c.py: 1 of 2 (0 s)" in said
    assert [(one.file, one.line, how) for one, how, _seconds in found] == [
        ("a.py", 6, tool.KILLED),
        ("a.py", 7, tool.SURVIVED),
        ("c.py", 6, tool.KILLED),
        ("c.py", 7, tool.SURVIVED),
    ]
    assert problems == []
    # What has changed is looked at again.
    monkeypatch.setattr(tool, "fingerprint", lambda file, _chosen: f"{file} 2")
    tool.judge_all(three_files[:1], 1, kept)
    assert "a.py: 1 of 2 (0 s)" in capsys.readouterr().out


def test_a_file_is_looked_at_again_when_its_tests_have_changed(tmp_path: Path) -> None:
    texts = {
        "plugins/module_utils/_kube/it.py": "def f():\n    return 1\n",
        "tests/unit/plugins/module_utils/kube/test_it.py": "import it\n",
        "tests/unit/plugins/conftest.py": "",
        "tests/unit/fakes/fake.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    file = next(iter(texts))
    seen = set()
    for name in texts:
        (tmp_path / name).write_text(texts[name] + "# other\n", encoding="utf-8")
        tool.read_all.cache_clear()
        seen.add(tool.fingerprint(file, list(tool.mutants(file, texts[file])), tmp_path))
    assert len(seen) == len(texts)
