#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test sanity on the checkout, whatever the checkout is called and wherever it lies.

    run.py [arguments for ansible-test sanity]      such as --test validate-modules

ansible-test wants a directory ansible_collections/slipway/kube: it gets a copy of what Ansible loads. Its environments come
from the package index alone, without containers and without a host of Ansible's own.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import checkout  # noqa: E402

# Not what is no Ansible content and has linters of its own: templates of charts, the example application, programs and images,
# and tests of those.
PARTS = [
    "changelogs",
    "galaxy.yml",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "tests/config.yml",
    "tests/sanity/ignore-2.21.txt",
    "tests/unit",
]
# pylint takes longer than all the others together, and ruff and mypy judge the same files by more and by types; shellcheck
# and PowerShell are not in the package index, and there is no script for the latter.
LEFT_OUT = ["pylint", "pslint", "shellcheck"]
PIP = ("25.2", "6d67a2b4e7f14d8b31b8b52648866fa717f45a1eb70e83002f4331d07e953717")
# What ansible-test would download as a script: it puts pip of that version into an environment that has none.
BOOTSTRAP = """\
import sys
sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main
# Options of the original script, which pip does not know.
sys.exit(main(["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]))
"""


def wanted_pip() -> str:
    """The version of pip that this ansible-test installs, as its source says."""
    import ansible_test

    source = pathlib.Path(ansible_test.__path__[0], "_internal", "python_requirements.py").read_text()
    found = re.search(r"pip='([0-9.]+)'", source)
    return found.group(1) if found else ""


def provide_pip() -> None:
    """Lay the script that installs pip where ansible-test looks for it before it asks its own host."""
    version, digest = PIP
    if wanted_pip() != version:
        sys.exit(
            f"ansible-test installs pip {wanted_pip()}, and {__file__} provides {version}: set PIP to that version and its sha256."
        )
    cache = pathlib.Path.home() / ".ansible" / "test" / "cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    wheel = cache / f"pip-{version}-py3-none-any.whl"
    if script.exists() and (wheel.exists() or str(wheel) not in script.read_text()):
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        pinned = pathlib.Path(scratch) / "requirements.txt"
        pinned.write_text(f"pip=={version} --hash=sha256:{digest}\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        if subprocess.run([*pip, "-r", str(pinned), "-d", str(cache)], check=False).returncode:
            sys.exit(f"pip {version} could not be fetched. Is a package index within reach (pip config list)?")
    script.write_text(BOOTSTRAP.format(wheel=str(wheel)))


def main(arguments: list[str]) -> int:
    provide_pip()
    with tempfile.TemporaryDirectory(prefix="slipway-sanity-") as scratch:
        target = pathlib.Path(scratch, "ansible_collections", "slipway", "kube")
        checkout.copy(PARTS, target)
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        command = ["ansible-test", "sanity", "--local", "--python", python, "--color", "no"]
        command += [word for test in LEFT_OUT for word in ("--skip-test", test)]
        # Beside this interpreter, whether or not its environment is activated.
        path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return subprocess.run(
            [*command, *arguments], cwd=target, env={**os.environ, "PATH": path}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
