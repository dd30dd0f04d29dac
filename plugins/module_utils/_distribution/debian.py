# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian on this machine: its mirror, its packages, and a root file system made of them. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError, output, run_logged
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import ca_bundle


@dataclasses.dataclass(frozen=True)
class DebianMirror:
    """The machine's own Debian mirror and the proxy it uses for it (empty for none)."""

    uri: str
    proxy: str

    @classmethod
    def of_this_machine(cls) -> DebianMirror:
        """Read apt's configuration; raises BuildError."""
        listed = output(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(REPO_URI)|$(CREATED_BY)"])
        for line in listed.splitlines():
            origin, _site, uri, created_by = (line.split("|") + ["", "", "", ""])[:4]
            if created_by == "Packages" and (origin == "Debian" or "/debian" in uri) and "security" not in uri:
                proxy = output(["apt-config", "shell", "proxy", "Acquire::http::Proxy"]).strip()
                return cls(uri.rstrip("/"), proxy.partition("=")[2].strip("'\""))
        raise BuildError(
            "apt's configuration names no Debian mirror: add one to /etc/apt/sources.list and run 'apt-get update'."
        )


def make_root(settings: t.Mapping[str, t.Any], archive: pathlib.Path, log: pathlib.Path, failed: str) -> None:
    """Write a root file system of a Debian suite as a tar file; ``settings`` are the manifest's. Raises BuildError and OSError."""
    mirror = DebianMirror.of_this_machine()
    environment = {**os.environ, **({"http_proxy": mirror.proxy} if mirror.proxy else {})}
    # Beside the archive, in the cache's scratch directory: there the next run finds it when this one is killed.
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        root = pathlib.Path(scratch) / "root"
        suite = settings["suite"]
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, str(root), mirror.uri]
        run_logged(
            command, log, failed, f"Does the machine's Debian mirror ({mirror.uri}) carry {suite}?", env=environment
        )
        shutil.copyfile(ca_bundle(), root / "etc/ssl/certs/ca-certificates.crt")
        _slim(root)
        for name, content in settings.get("files", {}).items():
            (root / name).write_text(content, encoding="utf-8")
        if mirror.proxy:
            (root / "etc/apt/apt.conf.d/81-proxy").write_text(
                f'Acquire::http::Proxy "{mirror.proxy}";\n', encoding="utf-8"
            )
        # No package's script starts a service in an image.
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
        with tarfile.open(archive, "w") as out:
            for entry in sorted(root.iterdir()):
                out.add(entry, entry.name)


def _slim(root: pathlib.Path) -> None:
    """Remove what no image needs: package archives, package lists, documentation."""
    shutil.rmtree(root / "var/cache/apt/archives")
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    for lists in (root / "var/lib/apt/lists").iterdir():
        lists.unlink() if lists.is_file() else shutil.rmtree(lists)
    for unneeded in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
        shutil.rmtree(root / unneeded, ignore_errors=True)


def installed_packages() -> set[str]:
    """Names of the Debian packages that are installed; empty on another system."""
    if shutil.which("dpkg-query") is None:
        return set()
    command = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return {
        name
        for status, _, name in (line.partition(" ") for line in listed.stdout.splitlines())
        if status == "installed"
    }
