# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/setup.sh and scripts/install_collections.py: what they take for ready, and which interpreter they use.

pip and the installation of collections are stand-ins; interpreters and environments are real.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"

# In place of the module venv: an environment without pip, which takes ten times as long to unpack, but with programs of its names.
ENVIRONMENT = """
import pathlib, subprocess, sys
if __name__ == "__main__":
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", sys.argv[1]], check=True)
    for name in ("pip", "ansible-playbook"):
        program = pathlib.Path(sys.argv[1], "bin", name)
        program.write_text("#!/bin/sh\\n")
        program.chmod(0o755)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with the set-up's files."""
    made = tmp_path / "project"
    (made / "scripts").mkdir(parents=True)
    (made / "requirements").mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", made / "scripts")
    (made / "scripts/install_collections.py").write_text("")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/venv.py").write_text(ENVIRONMENT)
    for name in ("deploy.txt", "test.txt", "collections.yml", "bundle.txt"):
        (made / "requirements" / name).write_text("")
    return made


def set_up(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up as make does, with .venv/bin first on PATH."""
    path = f"{project}/.venv/bin:{PYTHON.parent}:/usr/bin:/bin"
    kept = {key: value for key, value in os.environ.items() if key.startswith("PYENV")}
    return subprocess.run(
        [str(project / "scripts/setup.sh")],
        env={**kept, "PATH": path, "PYTHONPATH": str(project.parent / "modules"), **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def interpreter(project: Path) -> str:
    """What runs as the environment's Python."""
    command = [str(project / ".venv/bin/python"), "-c", "import sys; print(sys.prefix)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_second_run_does_nothing(project: Path) -> None:
    first = set_up(project)
    assert first.returncode == 0 and "making .venv" in first.stdout, first.stderr
    second = set_up(project)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_an_environment_that_was_moved_is_made_anew_in_one_run(project: Path) -> None:
    assert set_up(project).returncode == 0
    moved = project.rename(project.with_name("moved"))
    run = set_up(moved)
    assert run.returncode == 0 and "making it anew" in run.stdout, run.stderr
    assert interpreter(moved) == str(moved / ".venv")


def test_a_link_to_another_environment_is_replaced_and_that_one_stays(project: Path) -> None:
    other = shutil.copytree(project, project.with_name("other"))
    assert set_up(other).returncode == 0
    (project / ".venv").symlink_to(other / ".venv")
    run = set_up(project)
    assert run.returncode == 0, run.stderr
    assert interpreter(project) == str(project / ".venv") and interpreter(other) == str(other / ".venv")


def test_an_interpreter_that_is_gone_is_noticed(project: Path) -> None:
    assert set_up(project).returncode == 0
    python = project / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/usr/lib/slipway-no-such-python")
    run = set_up(project)
    assert run.returncode == 0 and "making it anew" in run.stdout, run.stderr
    assert interpreter(project) == str(project / ".venv")


def test_an_interpreter_of_another_version_is_noticed(project: Path) -> None:
    assert set_up(project).returncode == 0
    (packages,) = project.glob(".venv/lib/python3.*")
    packages.rename(
        packages.with_name("python3.1")
    )  # the system's Python was raised, and the link leads to the new one
    (project / ".venv/.slipway-deploy").write_text("stamp of the old one")
    run = set_up(project)
    assert run.returncode == 0 and "making it anew" in run.stdout, run.stderr


def test_an_interpreter_that_no_longer_runs_is_noticed(project: Path) -> None:
    assert set_up(project).returncode == 0
    python = project / ".venv/bin/python"
    python.unlink()
    python.write_text("")  # a loss of power
    python.chmod(0o755)
    run = set_up(project)
    assert run.returncode == 0 and "making it anew" in run.stdout, run.stderr


def test_a_stamp_that_was_cut_is_no_stamp(project: Path) -> None:
    assert set_up(project).returncode == 0
    (project / ".venv/.slipway-deploy").write_text("")
    run = set_up(project)
    assert run.returncode == 0 and "installing Python packages" in run.stdout, run.stderr
    assert set_up(project).stdout == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no such program"),
        ("exit 3", "it does not run as Python"),
        ("case $2 in *print*) echo 3.11 ;; *) exit 1 ;; esac", "it is Python 3.11, and Slipway needs 3.12 or newer"),
        ("case $2 in *print*) echo 3.13 ;; *ensurepip*) exit 1 ;; esac", "install python3.13-venv"),
    ],
)
def test_a_named_interpreter_that_cannot_serve_is_refused(project: Path, text: str | None, said: str) -> None:
    named = project.parent / "python"
    if text is not None:
        named.write_text(f"#!/bin/sh\n{text}\n")
        named.chmod(0o755)
    run = set_up(project, SLIPWAY_PYTHON=str(named))
    assert run.returncode == 69
    assert f"SLIPWAY_PYTHON={named} cannot be used: " in run.stderr and said in run.stderr
    assert "unset SLIPWAY_PYTHON" in run.stderr and not (project / ".venv").exists()


def test_an_environment_of_another_interpreter_than_the_named_one_is_made_anew(project: Path) -> None:
    assert set_up(project).returncode == 0
    same = set_up(project, SLIPWAY_PYTHON=str(PYTHON))
    assert same.returncode == 0 and "making it anew" not in same.stdout, same.stderr
    assert set_up(project, SLIPWAY_PYTHON=str(PYTHON)).stdout == ""
    # Its own name leads to the interpreter that is there; only another file is another interpreter.
    copy = project.parent / "copy"
    copy.mkdir()
    other = copy / "python3"
    other.write_text(f'#!/bin/sh\ncase $2 in *_base_executable*) echo {other} ;; *) exec {PYTHON} "$@" ;; esac\n')
    other.chmod(0o755)
    run = set_up(project, SLIPWAY_PYTHON=str(other))
    assert run.returncode == 0 and "making it anew" in run.stdout, run.stderr


@pytest.fixture
def installer() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("install_collections", ROOT / "scripts/install_collections.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def collection(folder: Path, version: str = "1.0.0") -> Path:
    """A collection with one plugin; the tests that its list names are left out, as in the bundle."""
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins/one.py").write_text("")
    (folder / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": version}}))
    empty = hashlib.sha256(b"").hexdigest()
    sums = {".": None, "plugins": None, "plugins/one.py": empty, "tests/test_one.py": empty}
    files = [{"name": name, "chksum_sha256": sha256} for name, sha256 in sums.items()]
    (folder / "FILES.json").write_text(json.dumps({"files": files}))
    return folder


@pytest.mark.parametrize("lost", ["MANIFEST.json", "FILES.json", "plugins/one.py"])
def test_a_collection_without_its_files_is_not_installed(tmp_path: Path, installer: ModuleType, lost: str) -> None:
    folder = collection(tmp_path / "one")
    assert str(installer.installed_version(folder)) == "1.0.0"
    (folder / lost).unlink()
    assert installer.installed_version(folder) is None


@pytest.mark.parametrize("name", ["plugins/one.py", "FILES.json"])
def test_a_collection_with_a_damaged_file_is_not_installed(tmp_path: Path, installer: ModuleType, name: str) -> None:
    folder = collection(tmp_path / "one")
    (folder / name).write_text("x")
    assert installer.installed_version(folder) is None


def test_the_bundle_is_unpacked_beside_and_renamed(
    tmp_path: Path, installer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = collection(tmp_path / "whole/ansible_collections/a/one")
    site = tmp_path / "site"
    half = site / "ansible_collections/a/one"
    half.mkdir(parents=True)
    (half / "MANIFEST.json").write_text((whole / "MANIFEST.json").read_text())
    (half / "left.py").write_text("")
    (site / ".collections-killed").mkdir()
    (site / ".collections-killed/gigabytes").touch()

    def download(command: list[object], check: bool) -> None:
        with zipfile.ZipFile(Path(str(command[-1])) / "bundle.whl", "w") as archive:
            for path in sorted(whole.rglob("*")):
                archive.write(path, path.relative_to(tmp_path / "whole"))

    monkeypatch.setattr(installer.subprocess, "run", download)
    installer.from_bundle(["a.one"], tmp_path / "bundle.txt", site)
    assert str(installer.installed_version(half)) == "1.0.0"
    assert not (half / "left.py").exists() and [path.name for path in site.iterdir()] == ["ansible_collections"]

    # Killed while it unpacks: nothing stands in its place.
    shutil.rmtree(site)

    def broken(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(installer.zipfile.ZipFile, "extractall", broken)
    with pytest.raises(KeyboardInterrupt):
        installer.from_bundle(["a.one"], tmp_path / "bundle.txt", site)
    assert not half.exists()
