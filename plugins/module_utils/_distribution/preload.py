# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preload: what a node's disk starts with. Private to the collection.

The format is Minikube's: a lz4-compressed tar file of /var with lib/containerd in it.
"""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import Artifact, Distribution
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError
from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_images import LABEL, EngineImages
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import CAP_SYS_RESOURCE, has_capability

LABEL_SCRATCH = "io.github.slipway.scratch"
_SCRIPT = """set -eu
ln -sfn {runtime} /usr/local/sbin/node-runtime
containerd >/tmp/containerd.log 2>&1 &
daemon=$!
until ctr version >/dev/null 2>&1; do
  kill -0 $daemon || {{ cat /tmp/containerd.log; exit 1; }}
  sleep 0.2
done
ctr -n k8s.io images import --snapshotter overlayfs /shared/images.tar
# What is unpacked needs its layers no more: without them the file is half as large.
ctr -n k8s.io content prune references
# But a BuildKit that starts anew forgets all that it has built on an image without them.
ctr -n k8s.io images import --snapshotter overlayfs /shared/bases.tar
kill $daemon
wait $daemon
tar -C /var -cf - lib/containerd | lz4 -q - /shared/{file}
"""


def assemble(distribution: Distribution, images: EngineImages, artifact: Artifact, file: pathlib.Path) -> None:
    """Import the images into a containerd of the node image and pack its directory as ``file``. Raises BuildError.

    The directory of ``file`` is mounted into a container and must hold nothing else.
    """
    node = distribution.of("image", artifact.settings["node"])
    images.load(node)
    names: dict[bool, list[str]] = {False: [], True: []}
    bases = artifact.settings["bases"]
    for name in artifact.settings["images"]:
        image = distribution.of("image", name)
        if image.file is not None:
            images.load(image)
        names[name in bases].extend(image.names)
    archives = {file.parent / "images.tar": names[False], file.parent / "bases.tar": names[True]}
    for archive, chosen in archives.items():
        images.save(chosen, archive)
    script = _SCRIPT.format(runtime=_node_runtime(), file=file.name)
    _run_in_node(images.client, node.image, script, file.parent, artifact.key)
    for archive in archives:
        archive.unlink()


def is_whole(distribution: Distribution, images: EngineImages, artifact: Artifact, file: pathlib.Path) -> bool:
    """Whether the preload has the sum of its content that lz4 wrote at its end, as the lz4 of the node image finds."""
    node = distribution.of("image", artifact.settings["node"])
    images.load(node)
    try:
        _run_in_node(images.client, node.image, f"lz4 -q -t /shared/{file.name}", file.parent, artifact.key)
    except BuildError:
        return False
    return True


def _node_runtime() -> str:
    return "/usr/sbin/runc" if has_capability(CAP_SYS_RESOURCE) else "/usr/local/sbin/runtime-shim"


def _run_in_node(client: t.Any, image: str, script: str, shared: pathlib.Path, key: str) -> None:
    from docker.types import Mount

    labels = {LABEL: key, LABEL_SCRATCH: str(shared.parent)}
    # Who makes it in this cache has its lock: what a killed run left there is nobody's.
    for left in client.containers.list(all=True, filters={"label": [f"{name}={of}" for name, of in labels.items()]}):
        left.remove(force=True, v=True)
    container = client.containers.create(
        image,
        entrypoint=["/bin/bash", "-c", script],
        privileged=True,
        # overlayfs does not lie on overlayfs: containerd's directory needs a volume of its own.
        mounts=[Mount("/shared", str(shared), type="bind"), Mount("/var/lib/containerd", None, type="volume")],
        labels=labels,
    )
    try:
        container.start()
        code = container.wait()["StatusCode"]
        if code:
            last = container.logs(tail=15).decode(errors="replace")
            raise BuildError(f"the preload could not be made or read (exit code {code}):\n{last}")
    finally:
        container.remove(force=True, v=True)
