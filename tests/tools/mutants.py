#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the shared code in small ways and see that a test fails for each: who tests the tests.

    mutants.py [--jobs N] [--only TEXT] [--list] [--again]

Takes 12 changes (mutants) of each file of plugins/module_utils and plugins/plugin_utils, the same ones each time, and runs the
unit tests that concern the file for each of them, in copies of the checkout. Begins with the files that have most to change. Ends
with a table, and with exit code 1 when fewer than nine in ten mutants are killed, or when one survives that tests/tools/mutants.yml
does not explain.

Keeps what it has found in .cache/mutants.jsonl, a line for each file, and goes on from there when it is started again: a file is looked at
anew when its own text, or that of its tests, has changed, and with --again.

Written by hand, because no library fits. mutmut finds functions by their path below the checkout, which is not the name by
which they are imported (ansible_collections.slipway.kube...), and knows no files of one name in several directories. cosmic-ray
starts Python anew for each mutant, which takes longer than most tests, works in the tree itself, changes annotations, which
nobody evaluates, and never leaves a statement or a result out, which is what tests miss most.

Left as they are: texts; options of functions, such as exist_ok=True, timeout=5 or width=160; constants of a module and defaults, which
are sizes and times; and what is said of a step while it runs. Tests of them would only say the same once more.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import contextlib
import functools
import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ACCEPTED = Path(__file__).with_suffix(".yml")
KEPT = ROOT / ".cache/mutants.jsonl"
PACKAGE = "ansible_collections.slipway.kube.plugins"
TESTS = "tests/unit/plugins"
PLACES = ("plugins/module_utils", "plugins/plugin_utils")
A_FILE = 12
SEED = "slipway"
WANTED = 0.9
# Seconds beyond three times what the tests take without a change; only a loop without an end needs so long.
PATIENCE = 30.0
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"

_INVERSE: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: ">=",
    ast.GtE: "<",
    ast.Gt: "<=",
    ast.LtE: ">",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
# What tells a person what is at work.
_SAYING = ("say", "log", "debug", "warn")
_EDGE: dict[type[ast.cmpop], str] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.Mod: "+"}
Span = tuple[int, int]


@dataclass(frozen=True)
class Mutant:
    """One change: what stands at C(span) of the file (in characters) becomes C(text)."""

    file: str
    place: str
    line: int
    span: Span
    before: str
    text: str
    # Tells changes apart that look the same in one function.
    nth: int = 0

    @property
    def change(self) -> str:
        """The change in one line, as the list of accepted survivors names it."""
        shown = f"{' '.join(self.before.split())} -> {' '.join(self.text.split()) or 'nothing'}"
        return f"{shown} (no. {self.nth + 1})" if self.nth else shown

    @property
    def rank(self) -> str:
        """Decides which mutants are taken. It depends on nothing else in the file, so that the others stay when some go."""
        return hashlib.sha256("\0".join((SEED, self.file, self.place, self.change)).encode()).hexdigest()

    def put_in(self, source: str) -> str:
        """Return the source with the change."""
        start, end = self.span
        return source[:start] + self.text + source[end:]


# Mutants with how each ended and the seconds that it took.
Found = list[tuple[Mutant, str, float]]


class _Finder(ast.NodeVisitor):
    """Collects all changes of one file."""

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source = file, source
        self.found: list[Mutant] = []
        self._names: list[str] = []
        self._functions = 0  # how many of the names are functions
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._starts = [0]
        for line in source.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._bytes = source.encode()

    def span(self, node: Any) -> Span:
        """Return where a node stands, in characters; the tree counts bytes."""
        places = (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )
        if self.source.isascii():
            return places
        return len(self._bytes[: places[0]].decode()), len(self._bytes[: places[1]].decode())

    def add(self, node: Any, text: str, span: Span | None = None) -> None:
        span = span or self.span(node)
        place, before = ".".join(self._names) or "module", self.source[slice(*span)]
        nth = self._seen[place, before, text]
        self._seen[place, before, text] += 1
        self.found.append(Mutant(self.file, place, node.lineno, span, before, text, nth))

    def code(self, node: ast.AST) -> str:
        return self.source[slice(*self.span(node))]

    # -- what has a name ----------------------------------------------------------------------------------------------
    def named(self, node: Any) -> None:
        if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in getattr(node, "bases", ())):
            return
        function = not isinstance(node, ast.ClassDef)
        self._names.append(node.name)
        self._functions += function
        for statement in node.body:
            self.visit(statement)
        self._functions -= function
        self._names.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = named

    def visit_Assign(self, node: Any) -> None:
        # Outside of functions they are sizes, times and tables.
        if self._functions and node.value:
            self.visit(node.value)

    visit_AnnAssign = visit_Assign

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            called = node.value.func if isinstance(node.value, ast.Call) else None
            if isinstance(called, ast.Name | ast.Attribute):
                name = called.id if isinstance(called, ast.Name) else called.attr
                if name.lstrip("_") in _SAYING:
                    return
                self.add(node, "pass")
            self.generic_visit(node)

    # -- statements ---------------------------------------------------------------------------------------------------
    def visit_Return(self, node: ast.Return) -> None:
        # Whoever asks for truth takes None for False.
        if node.value and not (isinstance(node.value, ast.Constant) and not node.value.value):
            self.add(node, "return None")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self.add(node, "pass")  # what stands in an error is told by its words, not by more changes

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.add(node, "pass")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self.add(node, "break")

    def visit_Break(self, node: ast.Break) -> None:
        self.add(node, "continue")

    def visit_Assert(self, node: ast.Assert) -> None:
        """Says what cannot be."""

    def tested(self, node: Any) -> None:
        type_checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if not type_checking:
            if not isinstance(node.test, ast.Compare | ast.UnaryOp):  # those are inverted by themselves
                self.add(node.test, f"not ({self.code(node.test)})")
            self.generic_visit(node)

    visit_If = visit_IfExp = tested

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self.add(condition, "True")
        self.generic_visit(node)

    # -- expressions --------------------------------------------------------------------------------------------------
    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1:
            between = (self.span(node.left)[1], self.span(node.comparators[0])[0])
            kind = type(node.ops[0])
            for table in (_INVERSE, _EDGE):
                if (
                    kind in table
                    and "(" not in self.source[slice(*between)]
                    and ")" not in self.source[slice(*between)]
                ):
                    left, right = self.code(node.left), self.code(node.comparators[0])
                    self.add(node, f"{left} {table[kind]} {right}")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            between = (self.span(left)[1], self.span(right)[0])
            text = self.source[slice(*between)]
            if text.split() == [word]:
                span = (self.span(left)[0], self.span(right)[1])
                if len(node.values) == 2:
                    self.add(node, f"{self.code(left)} {other} {self.code(right)}", span)
                else:  # without one of the parts
                    self.add(node, self.code(left), span)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.add(node, f"({self.code(node.operand)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        between = (self.span(node.left)[1], self.span(node.right)[0])
        sign = self.source[slice(*between)].strip()
        texts = any(
            isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
            for side in (node.left, node.right)
        )
        other = _ARITHMETIC.get(type(node.op))
        if other and not texts and sign in "+-*%":
            self.add(node, f"{self.code(node.left)} {other} {self.code(node.right)}")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if node.value is True or node.value is False:
            self.add(node, str(not node.value))
        elif isinstance(node.value, int):
            self.add(node, str(node.value + 1))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A text for a person."""

    def visit_keyword(self, node: ast.keyword) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None and len(node.keys) > 1:
                start, end = self.span(value)
                self.add(value, "**{}", (self.source.rindex("**", 0, start), end))
        self.generic_visit(node)


def mutants(file: str, source: str) -> Iterator[Mutant]:
    """Yield the mutants of a file that are programs, by their rank."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    for one in sorted(finder.found, key=lambda one: one.rank):
        if _is_program(one.put_in(source)):
            yield one


def _is_program(source: str) -> bool:
    try:
        compile(source, "", "exec")
    except SyntaxError:
        return False
    return True


# -- which tests concern a file -----------------------------------------------------------------------------------------


def dotted(file: str) -> str:
    """Return the name by which a file of plugins is imported."""
    return f"{PACKAGE}.{file.removeprefix('plugins/').removesuffix('.py').replace('/', '.')}"


@functools.cache
def imports(text: str) -> frozenset[str]:
    """Return what a program imports: modules, and names of modules, which may be modules too."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return frozenset(found)


@functools.cache
def read_all(root: Path, place: str) -> dict[str, str]:
    """Return the programs of a directory by their paths."""
    return {
        str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in sorted((root / place).rglob("*.py"))
    }


def tests_of(file: str, root: Path = ROOT) -> tuple[list[str], list[str]]:
    """Return the files of tests that concern a file: the near ones, and the far ones that only a mutant must pass that survives those.

    Near is the file of its name and what imports it; far are those beside these, and those of what imports the file.
    """
    tests = {path: text for path, text in read_all(root, TESTS).items() if os.path.basename(path).startswith("test_")}
    parent, name = os.path.split(file)
    mirrored = f"{TESTS}/{parent.removeprefix('plugins/').replace('/_', '/')}/"
    own = f"{mirrored}test_{name.removesuffix('.py').lstrip('_')}.py"
    beside = [path for path in tests if path.startswith(mirrored)]
    users = {dotted(path) for path, text in read_all(root, "plugins").items() if dotted(file) in imports(text)}
    direct = [path for path in tests if dotted(file) in imports(tests[path])]
    indirect = [path for path in tests if users & imports(tests[path])]
    # The playbooks of the callbacks' tests are long, and these two show the run that they make.
    shown = [path for path in tests if "/callback/" in path] if "plugin_utils" in file else []
    near = list(dict.fromkeys([own] * (own in tests) + direct))
    far = list(dict.fromkeys(path for path in [*beside, *indirect, *shown] if path not in near))
    return near, far


# -- running ------------------------------------------------------------------------------------------------------------


def make_copy(place: Path) -> Path:
    """Copy what Git knows of the checkout and what is new in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # removed, and Git does not know yet
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return place


def run_tests(place: Path, tests: Sequence[str], log: Path, patience: float | None) -> tuple[int | None, float]:
    """Run tests in a fork of this process, which has loaded what is large; the exit code is None when it took too long."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(place)
            # What the tests leave behind when they are ended goes with the copies.
            os.environ["TMPDIR"] = tempfile.tempdir = str(place.parent)
            import pytest

            code = int(pytest.main(["-x", "-p", "no:cacheprovider", "--tb=short", "--no-header", *tests]))
            sys.stdout.flush()
            os._exit(code)
        finally:
            os._exit(70)
    status = 0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - began
        if ended:
            break
        if patience is not None and seconds > patience:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, seconds
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what a test that was broken off has left
    return os.waitstatus_to_exitcode(status), seconds


_seconds_of_change = itertools.count()


def replace(file: Path, text: str) -> None:
    """Write a program of which Python may have kept the compiled code: it takes files of one size and one second for the same."""
    file.write_text(text, encoding="utf-8")
    second = next(_seconds_of_change)
    os.utime(file, (second, second))


def judge_file(work: tuple[str, list[Mutant], Path]) -> Found:
    """Run the tests of one file with each of its mutants: the near ones with all, the far ones with those that are left.

    Raises RuntimeError when tests fail without a change.
    """
    file, chosen, base = work
    copy = base / f"copy-{os.getpid()}"
    if not copy.exists():
        make_copy(copy)
    log, target = base / f"log-{os.getpid()}", copy / file
    source = target.read_text(encoding="utf-8")
    found = dict.fromkeys(chosen, (SURVIVED, 0.0))
    for tests in filter(None, tests_of(file)):
        left = [one for one in chosen if found[one][0] == SURVIVED]
        if not left:
            break
        code, usual = run_tests(copy, tests, log, None)
        if code != 0:
            raise RuntimeError(f"The tests of {file} fail without a change:\n{log.read_text(errors='replace')[-3000:]}")
        for one in left:
            replace(target, one.put_in(source))
            try:
                code, seconds = run_tests(copy, tests, log, 3 * usual + PATIENCE)
            finally:
                replace(target, source)
            if code not in (None, 0, 1, 2):
                raise RuntimeError(f"pytest ended with {code} for {one}:\n{log.read_text(errors='replace')[-3000:]}")
            found[one] = ({None: TIMED_OUT, 0: SURVIVED}.get(code, KILLED), found[one][1] + seconds)
    return [(one, how, seconds) for one, (how, seconds) in found.items()]


# -- what earlier runs have found ---------------------------------------------------------------------------------------


def fingerprint(file: str, chosen: Sequence[Mutant], root: Path = ROOT) -> str:
    """Return what the outcomes of a file follow from: its text, its mutants, its tests and what they share."""
    total = hashlib.sha256((root / file).read_bytes())
    total.update("".join(f"{one.place}\0{one.change}\0" for one in chosen).encode())
    tests = [path for paths in tests_of(file, root) for path in paths]
    shared = [*read_all(root, f"{TESTS}/../fakes"), *(path for path in read_all(root, TESTS) if "conftest" in path)]
    for path in sorted(tests) + sorted(shared):
        total.update((root / path).read_bytes())
    return total.hexdigest()


def keep(key: str, found: Found, kept: Path) -> None:
    """Append the outcomes of a file."""
    kept.parent.mkdir(exist_ok=True)
    outcomes = [(one.place, one.change, how, round(seconds, 1)) for one, how, seconds in found]
    with kept.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"key": key, "file": found[0][0].file, "outcomes": outcomes}) + "\n")


def known(key: str, chosen: Sequence[Mutant], kept: Path) -> Found | None:
    """Return the outcomes of a file that were kept under a fingerprint."""
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    for entry in map(json.loads, reversed(lines)):
        if entry["key"] == key:
            mutant = {(one.place, one.change): one for one in chosen}
            return [(mutant[place, change], how, seconds) for place, change, how, seconds in entry["outcomes"]]
    return None


def load_large() -> None:
    """Import what most tests need and what takes long, before the forks. Nothing of the collection."""
    # The compiled code of tests, which are compiled anew for each mutant otherwise, goes with the copies.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ.pop("PYTEST_ADDOPTS", None)
    # Not Ansible itself: with its command line loaded, modules behave as on the controller.
    import docker  # noqa: F401
    import hypothesis.strategies  # noqa: F401
    import kubernetes.client  # noqa: F401
    import pytest  # noqa: F401


# -- verdict ------------------------------------------------------------------------------------------------------------


def read_accepted() -> dict[tuple[str, str, str], str]:
    """Return why survivors change nothing, by file, place and change."""
    listed = yaml.safe_load(ACCEPTED.read_text(encoding="utf-8")) or []
    return {(one["file"], one["place"], one["change"]): one["reason"] for one in listed}


def verdict(found: Found, accepted: dict[tuple[str, str, str], str], complete: bool = True) -> tuple[list[str], int]:
    """Return what is to be said, and the exit code."""
    lines = []
    table: dict[str, Counter[str]] = {}
    for one, how, _seconds in found:
        table.setdefault(one.file, Counter())[how] += 1
    width = max(map(len, table), default=4)
    lines.append(f"{'file':{width}}  {KILLED:>8}  {SURVIVED:>8}  {TIMED_OUT:>9}")
    for file, counts in sorted(table.items()):
        lines.append(f"{file:{width}}  {counts[KILLED]:8}  {counts[SURVIVED]:8}  {counts[TIMED_OUT]:9}")
    total = sum(table.values(), Counter())
    lines.append(f"{'all':{width}}  {total[KILLED]:8}  {total[SURVIVED]:8}  {total[TIMED_OUT]:9}")
    survivors = {(one.file, one.place, one.change): one for one, how, _seconds in found if how == SURVIVED}
    unexplained = [one for key, one in survivors.items() if key not in accepted]
    taken = {(one.file, one.place, one.change) for one, _how, _seconds in found}
    stale = [key for key in accepted if complete and key not in taken]
    for key in sorted(survivors.keys() & accepted.keys()):
        lines.append(f"changes nothing: {key[0]} {key[1]}: {key[2]}: {accepted[key]}")
    lines += [f"NO TEST FAILS: {one.file}:{one.line} {one.place}: {one.change}" for one in unexplained]
    lines += [f"NOT IN THE SAMPLE, remove it from {ACCEPTED.name}: {' '.join(key)}" for key in stale]
    count = len(found)
    rate = (total[KILLED] + total[TIMED_OUT]) / count if count else 0.0
    lines.append(
        f"{rate:.1%} of {count} mutants are killed, at least {WANTED:.0%} must be; {len(unexplained)} survivors are not explained"
    )
    return lines, int(rate < WANTED or bool(unexplained) or bool(stale))


def files(only: str = "") -> Iterator[tuple[str, str]]:
    """Yield the files whose path holds a text, with their contents."""
    for place in PLACES:
        yield from ((file, text) for file, text in read_all(ROOT, place).items() if only in file)


def sample(only: str = "") -> Iterator[tuple[str, list[Mutant]]]:
    """Yield each file with the mutants that are taken, those with most to change first."""
    all_of_them = {file: list(mutants(file, source)) for file, source in files(only)}
    for file, found in sorted(all_of_them.items(), key=lambda one: -len(one[1])):
        if found:
            yield file, found[:A_FILE]


def show(done: Found, again: bool) -> None:
    """Print the outcomes of a file."""
    counts = Counter(how for _one, how, _seconds in done)
    seconds = "known" if again else f"{sum(each for _one, _how, each in done):.0f} s"
    print(f"{done[0][0].file}: {counts[KILLED] + counts[TIMED_OUT]} of {len(done)} ({seconds})", flush=True)
    for one, how, _seconds in done:
        if how == SURVIVED:
            print(f"  survived: line {one.line}, {one.place}: {one.change}", flush=True)


def judge_all(work: Sequence[tuple[str, list[Mutant]]], jobs: int, kept: Path) -> tuple[Found, list[str]]:
    """Run the tests of all files that are not known, several files at a time, and keep what is found of each as it ends.

    Returns also what kept a file from being judged.
    """
    found: Found = []
    left, problems = {}, []
    for file, chosen in work:
        key = fingerprint(file, chosen)
        if (done := known(key, chosen, kept)) is None:
            left[file] = (key, chosen)
        else:
            show(done, again=True)
            found += done
    with (
        tempfile.TemporaryDirectory(prefix="slipway-mutants-") as directory,
        concurrent.futures.ProcessPoolExecutor(jobs, multiprocessing.get_context("fork")) as pool,
    ):
        places = [pool.submit(judge_file, (file, chosen, Path(directory))) for file, (_key, chosen) in left.items()]
        for ended in concurrent.futures.as_completed(places):
            try:
                done = ended.result()
            except RuntimeError as error:
                problems.append(str(error))
                continue
            keep(left[done[0][0].file][0], done, kept)
            show(done, again=False)
            found += done
    return found, problems


def main() -> int:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="files at a time")
    parser.add_argument("--only", default="", help="only files whose path holds this text")
    parser.add_argument("--list", action="store_true", help="show the mutants and run nothing")
    parser.add_argument("--again", action="store_true", help="forget what earlier runs have found")
    options = parser.parse_args()
    work = list(sample(options.only))
    if options.list:
        for _file, chosen in work:
            print("\n".join(f"{one.file}:{one.line} {one.place}: {one.change}" for one in chosen))
        return 0
    if options.again:
        KEPT.unlink(missing_ok=True)
    began = time.monotonic()
    load_large()
    found, problems = judge_all(work, options.jobs, KEPT)
    lines, code = verdict(found, read_accepted(), complete=not options.only and not problems)
    print("\n".join(["", *problems, *lines, f"{time.monotonic() - began:.0f} s"]))
    return code or int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
