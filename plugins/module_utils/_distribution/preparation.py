# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of an image that needs packages: a script that runs in a container which knows the machine's mirrors. Private to the collection.

A step of a Dockerfile cannot be given a mirror without a trace: its arguments stay in the image's history, its files in a layer. What
is mounted into a container stays in no image, so the script's container is committed and the Dockerfile builds on that image.
"""

from __future__ import annotations

import contextlib
import pathlib
import shlex
import shutil
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import (
    DIGEST_LENGTH,
    Artifact,
    inputs_sum,
)
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError, last_words
from ansible_collections.slipway.kube.plugins.module_utils._distribution.debian import DebianMirror
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import mirror_variables

SCRIPT = "prepare"  # beside the Dockerfile
# Every Debian image has this directory, empty.
_MOUNT = "/mnt"
_COMMAND = f"""set -eu
. {_MOUNT}/environment
sh {_MOUNT}/image/{SCRIPT}
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
"""


def lay_out(place: pathlib.Path, image: pathlib.Path, suite: str) -> None:
    """Write what the container mounts: the files of an image's directory, apt's configuration and the variables of the mirrors.

    Raises BuildError and OSError.
    """
    shutil.copytree(image, place / "image")
    for name, content in DebianMirror.of_this_machine().configuration(suite, _MOUNT).items():
        (place / name).write_text(content, encoding="utf-8")
    variables = {"APT_CONFIG": f"{_MOUNT}/apt.conf", **mirror_variables()}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    (place / "environment").write_text("".join(lines), encoding="utf-8")


@contextlib.contextmanager
def prepared(client: t.Any, artifact: Artifact, base: str, place: pathlib.Path, log: pathlib.Path) -> t.Iterator[str]:
    """The reference of ``base`` with what the artifact's script adds, while the block runs; ``place`` is what ``lay_out`` wrote.

    What the script prints is in ``log``. Raises BuildError.
    """
    from docker.types import Mount

    # A name and no label: a label would stay in the image. Who builds in this cache has its lock, so what a killed run left is nobody's.
    name = f"slipway-prepare-{artifact.name}-{inputs_sum(str(place.parent))[:DIGEST_LENGTH]}"
    for left in client.containers.list(all=True, filters={"name": f"^/{name}$"}):
        left.remove(force=True, v=True)
    container = client.containers.create(
        base,
        ["sh", "-c", _COMMAND],
        mounts=[Mount(_MOUNT, str(place), type="bind", read_only=True)],
        # The machine's own resolver and mirror may be on a loopback address that a bridge cannot reach.
        network_mode="host",
        # The client's own proxy settings would stay in the image's environment.
        use_config_proxy=False,
        name=name,
    )
    try:
        container.start()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            for chunk in container.logs(stream=True, follow=True):
                out.write(chunk)
        code = container.wait()["StatusCode"]
        if code:
            raise BuildError(f"image {artifact.name} could not be prepared (exit code {code})\n{last_words(log)}")
        repository = f"{artifact.image.rpartition(':')[0]}-prepared"
        # A commit would keep the command above.
        container.commit(repository, artifact.digest, changes=['CMD ["bash"]'])
    finally:
        container.remove(force=True, v=True)
    try:
        yield f"{repository}:{artifact.digest}"
    finally:
        # Its layers stay in what was built on it.
        client.images.remove(f"{repository}:{artifact.digest}")
