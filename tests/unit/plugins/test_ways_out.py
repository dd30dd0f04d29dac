# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random secrets, in every encoding, sent through every way on which text of others leaves Slipway: none may come out.

``SLIPWAY_EXAMPLES=random`` tries 10,000 new ones.
"""

from __future__ import annotations

import ast
import base64
import html
import json
import os
import random
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker, hard_to_hide, scrub
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import ProgressFile
from ansible_collections.slipway.kube.plugins.module_utils._health.evaluate import NOT_JSON, evidence, read_json
from ansible_collections.slipway.kube.plugins.module_utils._helm import manifest, upgrade
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Response
from ansible_collections.slipway.kube.plugins.module_utils._images.builders import BuildOutput
from ansible_collections.slipway.kube.plugins.module_utils._rollout.watcher import message
from ansible_collections.slipway.kube.plugins.plugin_utils import _deploy_failure, _known_values, _text
from ansible_collections.slipway.kube.plugins.plugin_utils._failure import failure_of, lay_out
from ansible_collections.slipway.kube.plugins.plugin_utils._live import LiveLine
from ansible_collections.slipway.kube.plugins.plugin_utils._report_html import render
from ansible_collections.slipway.kube.plugins.plugin_utils._screen import Screen
from hypothesis import example, given, settings
from hypothesis import strategies as st
from image_objects import component
from rollout_objects import crashed, world

CHECKOUT = Path(__file__).resolve().parents[3]
RANDOM = os.environ.get("SLIPWAY_EXAMPLES", "same") == "random"
# What a terminal obeys or nobody sees; newlines apart, nothing of it may come out.
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def base64_after(before: bytes) -> Callable[[str], str]:
    return lambda text: base64.b64encode(before + text.encode() + b"after").decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in Unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of Go": lambda text: re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text)[1:-1]),
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[3:-3],
    "URL": lambda text: quote(text, safe=""),
    "URL in small letters": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "path": quote,
    "form": quote_plus,
    "HTML": html.escape,
    "HTML in numbers": lambda text: re.sub(r"\W", lambda found: f"&#{ord(found[0])};", text),
    "Python": lambda text: repr(text)[1:-1],
    "shell": shlex.quote,
    "shell with backslashes": lambda text: re.sub(r"([^\w\n])", r"\\\1", text, flags=re.ASCII),
    "hexadecimal": lambda text: text.encode().hex(),
    "base64": base64_after(b""),
    "base64, one later": base64_after(b"x"),
    "base64, two later": base64_after(b"xy"),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes(b"before " * 9 + text.encode()).decode(),
}


class Display:
    """Ansible's display, which keeps what it is given."""

    verbosity = 0

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, msg: str, **_options: Any) -> None:
        self.shown.append(msg)


def to_screen(_secret: str, printed: str) -> str:
    display = Display()
    screen = Screen(display, 8)
    for call in (screen.say, lambda text: screen.tell("phase", "changed", text), screen.tell_labelled):
        call(f"               {printed}")
    screen.tell_block("phase", printed)
    return "\n".join(display.shown)


def message_of_another_plugin(_secret: str, printed: str) -> str:
    display = Display()
    line = LiveLine(display, enabled=False)
    line.attach(lambda _message: None, _known_values.shown)
    display.display(printed)
    line.detach()
    return "\n".join(display.shown)


def failure(_secret: str, printed: str) -> str:
    results: list[dict[str, Any]] = [
        {"msg": printed},
        {"msg": "", "rc": 1, "cmd": ["echo", printed], "stdout": f"x\n{printed}\ny"},
        {"msg": "m", "diagnosis": {"cause": printed, "evidence": {"log": printed.split("\n")}, "suggestion": printed}},
        {"msg": "m", "diagnosis": {"code": "c", "events": [printed], "log": printed.split("\n")}},
    ]
    found = [failure_of(result) for result in results]
    lines = [line for one in found for line in lay_out("title", one, [], 60)]
    return "\n".join([*lines, *(one.brief() for one in found), *("\n".join(_strings(one.as_dict())) for one in found)])


def failure_of_a_deploy(_secret: str, printed: str) -> str:
    found = _deploy_failure.explain("task", {"msg": f"it failed\n{printed}"}, {})
    return "\n".join([found.headline, found.reason, *found.evidence])


def report(_secret: str, printed: str) -> str:
    result = scrub(
        {"stdout": printed, "lines": printed.split("\n"), printed: {"a": [printed]}}, _known_values.KNOWN, 60
    )
    task = {
        "name": "n", "phase": "p", "role": None, "host": "h", "action": "a", "path": "x:1", "status": "failed",
        "check_mode": False, "started_s": 0.0, "duration_s": 1.0, "result": result,
        "failure": failure_of({"msg": printed}).as_dict(),
    }  # fmt: skip
    found = {
        "schema": "s", "playbook": "site.yml", "started": "2026-11-30T09:00:00+00:00", "duration_s": 1.0, "check_mode": False,
        "finished": "2026-11-30T09:00:01+00:00", "result": "failed", "hosts": ["h"], "counts": {"failed": 1},
        "addresses": {"h": str(_text.address_in({"slipway_address": f"http://h/{printed}"}))}, "phases": [],
        "summary": [{"phase": "p", "host": "h", "line": line} for line in _text.summary_in({"slipway_summary": printed})],
        "tasks": [task], "checks": [],
    }  # fmt: skip
    page = html.unescape(re.sub(r"<(style|svg).*?</\1>|<[^>]*>", "", render(found), flags=re.DOTALL))
    return "\n".join([*_strings(found), page])


def progress(_secret: str, printed: str) -> str:
    """The module writes lines, and the action plugin prints them."""
    file = Path(os.environ["SLIPWAY_TEST_PROGRESS"])
    file.unlink(missing_ok=True)
    ProgressFile(file).say(printed)
    lines = file.read_text().split("\n")
    assert len(lines) == 2
    return "\n".join(map(_known_values.outside, lines))


def diagnosis(secret: str, printed: str) -> str:
    """Only the cluster knows the value."""
    held = {"metadata": {"name": "s", "namespace": "todo"}, "data": {"ANY": base64.b64encode(secret.encode()).decode()}}
    event = {
        "type": "Warning", "reason": "R", "message": printed, "involvedObject": {"kind": "Pod", "name": "pod"},
        "metadata": {"name": "e", "namespace": "todo"},
    }  # fmt: skip
    api = world(crashed(), secrets=[held], events=[event], log=f"starting\n{printed}")
    found = api.wait(log_lines=50).diagnosis
    assert found and found["log"], found
    return "\n".join([message(found), *_strings(found)])


def answer(secret: str, printed: str) -> str:
    response = Response(status=500, body=printed.encode("utf-8", "replace"))
    masker = Masker([secret])
    shown = [evidence(response, NOT_JSON, masker)]
    shown.append(evidence(response, read_json(json.dumps({"a": printed}).encode()), masker))
    return "\n".join(shown)


def build(secret: str, printed: str) -> str:
    said: list[str] = []
    output = BuildOutput(component(Path("/source"), API_TOKEN=secret), re.compile(r"#\d+ (\[.*)"), said.append)
    text = f"#1 [1/2] RUN {printed}\n{printed}\n"
    size = random.Random(repr(text)).choice((1, 7, 4096))
    for index in range(0, len(text), size):
        output.read(text[index : index + size])
    return "\n".join([str(output.failure(printed)), *said])


def helm(secret: str, printed: str) -> str:
    return "\n".join(upgrade.error_lines(Masker([secret]).outside(f"Error: {printed}")))


def difference(secret: str, printed: str) -> str:
    printed = printed.encode("utf-8", "replace").decode()  # as all that a server sends
    data = base64.b64encode(secret.encode()).decode()
    held = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [{"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": data}}],
    }
    config = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"file": printed, "PASSWORD": printed}}
    pod = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"args": ["--token", printed, f"--x={printed}"]}}
    text = "\n---\n".join(manifest.yaml.safe_dump(item, allow_unicode=False) for item in (held, config, pod))
    found = manifest.differences("", text) + manifest.differences(text, "")
    texts = [part[side] for part in found for side in ("before", "after") if part[side]]
    return "\n".join(line for text in texts for line in _strings(manifest.yaml.safe_load(text)))


WAYS = {
    "screen": to_screen,
    "other plugins": message_of_another_plugin,
    "failure": failure,
    "deploy failure": failure_of_a_deploy,
    "report": report,
    "progress": progress,
    "diagnosis": diagnosis,
    "answer": answer,
    "build": build,
    "helm": helm,
    "difference": difference,
}

# Where text leaves Slipway, with its way above, or why nothing of others is in it.
PLACES = {
    "action/deploy_lease.py": "sentences about the lease",
    "callback/preflight.py": "before the run: the mistakes of its inventory",
    "callback/progress.py": WAYS["other plugins"],
    "callback/report.py": WAYS["report"],
    "filter/renamed.py": "a sentence about a name",
    "module_utils/_common/files.py": "the node's file of hosts",
    "module_utils/_common/progress.py": WAYS["progress"],
    "module_utils/_common/receipts.py": "sums and versions",
    "module_utils/_common/snapshots.py": "names and digests of sources",
    "module_utils/_database/backups.py": "rows of tables by name, and the dump, which is the application's data",
    "module_utils/_distribution/builder.py": "receipts",
    "module_utils/_distribution/bundles.py": "artifacts",
    "module_utils/_distribution/cache.py": "artifacts",
    "module_utils/_distribution/container_engine.py": "the engine's configuration",
    "module_utils/_distribution/debian.py": "the configuration of packages",
    "module_utils/_distribution/downloads.py": "artifacts",
    "module_utils/_distribution/engine_images.py": "artifacts",
    "module_utils/_distribution/engine_network.py": "the engine's configuration",
    "module_utils/_distribution/go.py": "the configuration of a compiler",
    "module_utils/_distribution/preparation.py": "the configuration of packages",
    "module_utils/_health/module.py": WAYS["answer"],
    "module_utils/_health/program.py": WAYS["answer"],
    "module_utils/_health/report.py": WAYS["answer"],
    "module_utils/_helm/upgrade.py": "values, to Helm",
    "module_utils/_http/connection.py": "requests, to the application",
    "module_utils/_images/builders.py": "the request, to the builder",
    "module_utils/_kube/heartbeat.py": "whether the lease is held",
    "module_utils/_minikube/files.py": "who made the profile",
    "modules/application_plan.py": "sentences about the specification, which holds no value",
    "modules/artifact_bundle.py": "artifacts",
    "modules/container_engine.py": "sentences about the engine",
    "modules/database_backup.py": "names of files and workloads",
    "modules/environment_info.py": "sentences about the machine",
    "modules/helm_upgrade.py": WAYS["diagnosis"],
    "modules/minikube_image.py": "sentences about sources and images",
    "modules/rollout_status.py": WAYS["diagnosis"],
    "plugin_utils/_known_values.py": "a sentence about a key",
    "plugin_utils/_live.py": WAYS["other plugins"],
    "plugin_utils/_progress.py": WAYS["progress"],
    "plugin_utils/_screen.py": WAYS["screen"],
    "plugin_utils/_secret_sources.py": "a sentence about a name",
}
_LEAVES = {
    "display",
    "warning",
    "deprecated",
    "warn",
    "write",
    "write_text",
    "write_bytes",
    "print",
    "v",
    "vv",
    "vvv",
}


def test_each_place_where_text_leaves_has_its_way() -> None:
    places = set()
    for file in (CHECKOUT / "plugins").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if not isinstance(call, ast.Call):
                continue
            function = call.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in _LEAVES:
                places.add(str(file.relative_to(CHECKOUT / "plugins")))
    assert places == set(PLACES), "Add a new place to PLACES, and how text leaves on it to WAYS."


def _strings(value: Any) -> Iterator[str]:
    """Yield all texts in a value, as they are before a file's format encodes them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


# Letters of passwords, keys and addresses, and some that encodings treat in their own ways.
LETTERS = st.sampled_from("abcxyzABCXYZ0123456789" + "+/=-_.~!@#$%^&*(){}[]<>?;:,|'\"\\`" + "éß€日😀\u00a0")
SECRETS = st.one_of(
    st.text(
        st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), min_size=12, max_size=48
    ),
    st.text(LETTERS, min_size=8, max_size=40),
    st.lists(st.text(LETTERS, min_size=10, max_size=40), min_size=2, max_size=4).map("\n".join),
    st.lists(st.text(LETTERS, min_size=5, max_size=12), min_size=2, max_size=4).map(" ".join),
).filter(lambda text: not hard_to_hide(text) and len(set(text)) > 5 and text == text.strip())


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("SLIPWAY_TEST_PROGRESS", str(tmp_path_factory.mktemp("progress") / "file"))
    monkeypatch.setattr(_known_values, "KNOWN", Masker())


def knows(secret: str) -> None:
    _known_values.KNOWN = Masker()
    _known_values.KNOWN.learn([secret])


def leaked(secret: str, encoding: str, shown: str) -> list[str]:
    """Return the lines of a secret, plain or encoded, that are in what was shown."""
    # Some encodings put lines of their own before it.
    other = ENCODINGS[encoding]("?" * len(secret)).split("\n")
    pieces = {*secret.split("\n"), *ENCODINGS[encoding](secret).split("\n")}.difference(other)
    return [piece for piece in pieces if len(piece) >= 8 and piece in shown]


@settings(max_examples=10_000 if RANDOM else 300)
@given(
    secret=SECRETS, encoding=st.sampled_from(sorted(ENCODINGS)), way=st.sampled_from(sorted(WAYS)), numbers=st.randoms()
)
def test_no_secret_comes_out(secret: str, encoding: str, way: str, numbers: random.Random) -> None:
    encoded = ENCODINGS[encoding](secret)
    before = numbers.choice(("value=", "value='", '{"a": "', "x" * numbers.randrange(300) + " ", "at "))
    after = numbers.choice(("", " and more", "'", '"}', "\nnext line"))
    knows(secret)
    shown = WAYS[way](secret, f"{before}{encoded}{after}")
    assert not leaked(secret, encoding, shown), f"{way}, {encoding}: {shown}"


@settings(max_examples=1000 if RANDOM else 100)
@example(text="\ud800", way="diagnosis")
@example(text="\ud800", way="build")
@given(text=st.text(st.characters(exclude_characters="\t"), max_size=60), way=st.sampled_from(sorted(WAYS)))
def test_no_control_character_comes_out(text: str, way: str) -> None:
    printed = f"#7 [1/2] \x1b[31mred\x1b[0m\r#8 [2/2] feigned\u2028#9 [x]\x9b2K\u202e{text}"
    knows("correct-horse-battery")
    shown = WAYS[way]("correct-horse-battery", printed)
    if way == "other plugins":
        shown = re.sub(r"\x1b\[[0-9;]*m", "", shown)  # Ansible's own messages keep their colours
    assert not CONTROLS.search(shown), f"{way}: {shown!r}"


def test_a_crash_that_prints_all_settings_shows_no_value() -> None:
    """As pydantic does; no name says what is secret."""
    values = {
        "SIGNING_KEY": "kT9-xQ2/vv",
        "MAIL_LOGIN": "ada:f00-bar",
        "DATABASE_URL": "postgresql://todo:p/w@rd1@db/todo",
    }
    held = {
        "metadata": {"name": "s", "namespace": "todo"},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }
    log = (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nport\n"
        f"  Field required [type=missing, input_value={values!r}, input_type=dict]\n"
        f"  mail_login='{values['MAIL_LOGIN']}' password 'p/w@rd1'"
    )
    api = world(crashed(), secrets=[held], log=log)
    found = api.wait(log_lines=50).diagnosis
    assert found
    shown = "\n".join([message(found), *_strings(found)])
    assert not [part for part in ("kT9", "f00-bar", "p/w", "rd1") if part in shown], shown
    assert "Field required" in shown


def test_values_that_the_cluster_holds_but_that_cannot_be_hidden_are_named() -> None:
    held = {"metadata": {"name": "s", "namespace": "todo"}, "data": {"MODE": base64.b64encode(b"true").decode()}}
    watcher = world(crashed(), secrets=[held], log="debug is true").watcher(log_lines=5)
    outcome = watcher.wait()
    assert outcome.diagnosis and outcome.diagnosis["log"] == ["debug is true"]
    assert watcher.warnings == [
        "The value of key MODE of Secret s is a common word. It is not hidden in logs and events."
    ]


def test_the_play_teaches_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TODO_KEY", "from-the-environment")
    sources = {
        "A": {"value": "written-down"},
        "D": {"value": "true"},
        "B": {"env": "TODO_KEY", "fallback": {"value": "instead-of-it"}},
        "C": 1,
    }
    variables = {"ansible_play_hosts_all": ["h"], "application_secrets": [{"name": "s", "keys": sources}, "no secret"]}
    manager = SimpleNamespace(get_vars=lambda **_of: variables, _inventory=SimpleNamespace(get_host=lambda name: name))
    play = SimpleNamespace(_uuid="one", get_variable_manager=lambda: manager, get_loader=lambda: None)
    monkeypatch.setattr(_known_values, "_learned", set())
    warned: list[str] = []
    monkeypatch.setattr(_known_values.Display, "warning", lambda _self, text: warned.append(text))
    _known_values.learn_from(play)  # type: ignore[arg-type]
    assert _known_values.outside("written-down, from-the-environment, instead-of-it") == ", ".join(["********"] * 3)
    assert warned == ["The value of key D of Secret s is a common word. It is not hidden where it is printed."]
