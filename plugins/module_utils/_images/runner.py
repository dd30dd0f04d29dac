# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds and delivers images side by side, and removes old ones. Private to the collection."""

from __future__ import annotations

import concurrent.futures
import pathlib
import threading
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common.progress import ProgressFile, Say, StepReporter
from ansible_collections.slipway.kube.plugins.module_utils._images.builders import (
    BuildKit,
    Classic,
    InNode,
    engine_output,
    node_output,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.channels import engine_buildkit, node_buildkit
from ansible_collections.slipway.kube.plugins.module_utils._images.node_images import Engine, Node, Registry
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import (
    ComponentImage,
    ImageError,
    KeptRevision,
    Restoration,
    StoredImage,
    Work,
    decide,
    normal_name,
    on_loopback,
    read_components,
    restoration,
    surplus,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.source_stream import changed_since
from ansible_collections.slipway.kube.plugins.module_utils._minikube.files import is_locked


def execute(
    work: Work,
    components: t.Mapping[str, ComponentImage],
    build: t.Callable[[ComponentImage, Say], None],
    build_in_node: t.Callable[[ComponentImage, Say], None],
    deliver: t.Callable[[ComponentImage], None],
    steps: StepReporter,
    max_parallel: int,
) -> None:
    """Build each image as soon as those it is built from exist, and deliver each as soon as it is there.

    At most ``max_parallel`` go on at once. After a failure nothing new is started. Raises the first ImageError.
    """
    builders = dict.fromkeys(work.build, build) | dict.fromkeys(work.build_in_node, build_in_node)
    names = [name for name in components if name in builders or name in work.deliver]
    ready = {name: threading.Event() for name in names}
    failed = threading.Event()

    def one(name: str) -> None:
        component = components[name]
        try:
            # A component waits only for earlier ones, which have started: no number of workers is too small.
            for need in component.needs:
                if need in ready:
                    ready[need].wait()
            if failed.is_set():
                return
            if name in builders:
                steps.run(f"build {name}", lambda step: builders[name](component, step))
            if name in work.build_in_node or name not in work.deliver:
                return
            # In the engine others can build from it already.
            if name in work.build:
                ready[name].set()
            steps.run(f"deliver {name}", lambda _step: deliver(component))
        except BaseException:
            failed.set()
            raise
        finally:
            ready[name].set()

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, max_parallel)) as pool:
        futures = [pool.submit(one, name) for name in names]
        concurrent.futures.wait(futures)
    for future in futures:
        error = future.exception()
        if error is not None:
            if isinstance(error, OSError):
                raise ImageError(f"{error}.") from error
            raise error


def choose_way(
    delivery: str,
    state: str,
    node: Node,
    running: bool,
    builder: str | None,
    components: t.Iterable[ComponentImage] = (),
) -> str:
    """The way that ``delivery`` means here: in_node, load or registry. Raises ImageError.

    ``builder`` is the program image-build, which the node's own buildctl can stand in for.
    """
    if delivery == "docker_env":
        raise ImageError(
            f"The node {node.name} runs containerd and has no Docker to build in, which docker_env needs: use image_build_delivery=in_node, "
            "which builds in the node's containerd."
        )
    if delivery == "registry":
        return delivery
    if state == "present" and not running:
        raise ImageError(f"The cluster {node.name} does not run: start it with --tags setup.")
    if state == "built" or not running or delivery == "load":
        return "load"
    lack = ""
    if not node.buildkit:
        lack = "has no BuildKit"
    elif not builder and not node.buildctl:
        lack = "has a BuildKit that nobody can ask, neither image-build nor a buildctl"
    else:
        far = [name for component in components for name in on_loopback(component.arguments)]
        if far:
            lack = f"does not reach the address in the build argument {far[0]}, which is this machine's own loopback"
    if lack and delivery == "in_node":
        raise ImageError(f"The node {node.name} {lack}: use image_build_delivery=load, which builds in the engine.")
    return "load" if lack else "in_node"


# The revisions that Helm keeps; None where nobody tells.
AskKept = t.Callable[[], "t.Sequence[KeptRevision] | None"]


def run(params: t.Mapping[str, t.Any], client: t.Any, check_mode: bool, ask_kept: AskKept) -> dict[str, t.Any]:
    """What the module minikube_image does; its result. Raises ImageError."""
    if params["state"] == "restored":
        return restore(params, client, check_mode, ask_kept() or ())
    components = read_components(params["components"], params["build_args"])
    engine = Engine(client)
    node = Node(client, params["profile"])
    state = params["state"]
    registry = Registry(client, params["registry"].rstrip("/")) if params["delivery"] == "registry" else None
    running = registry is None and node.running()
    if registry is None and params["start_wait"] and not check_mode:
        home, profile = pathlib.Path(params["home"]), params["profile"]
        running = node.await_start(params["start_wait"], lambda: is_locked(home, profile))
    there = node.images() if running else {}
    if check_mode and state == "present" and not running:
        state = "compared"  # the cluster is one of the things that are still to come
    way = choose_way(params["delivery"], state, node, running, params["builder"], components.values())
    here = engine.images()
    if registry is not None:
        registry.refuse_foreign(components.values())
        # An ID is not known there, and a tag says what an image was made of.
        names = [component.image for component in components.values() if component.deliver]
        there = {normal_name(name): here.get(normal_name(name), "") for name in names if registry.has(name)}
    work = decide(components, here, there, way == "in_node")
    if state == "built":
        work = Work(build=work.build)
    images = {component.image for component in components.values()}
    result: dict[str, t.Any] = {
        "changed": bool(work) and params["state"] != "compared",
        "way": way,
        "build": list(work.build),
        "build_in_node": list(work.build_in_node),
        "deliver": list(work.deliver),
        "pruned": {"engine": [], "node": []},
        "seconds": {},
        "sizes": {name: size for name in images if (size := engine.sizes().get(normal_name(name)))},
    }
    if not result["changed"]:
        return result
    if not check_mode:
        result["seconds"] = _work(params, client, components, work, node, registry)
        built = [components[name] for name in (*work.build, *work.build_in_node)]
        result["warnings"] = [warning for component in built if (warning := changed_since(component))]
        engine = Engine(client)
    if params["keep"] > 0:
        result["pruned"] = _prune(components, engine, node if running else None, params["keep"], check_mode, ask_kept)
    return result


def restore(
    params: t.Mapping[str, t.Any], client: t.Any, check_mode: bool, kept: t.Sequence[KeptRevision]
) -> dict[str, t.Any]:
    """Bring back what the node lacks of revisions that Helm keeps; the module's result. Raises ImageError."""
    components = read_components(params["components"], params["build_args"])
    node, wanted = Node(client, params["profile"]), Restoration()
    if params["delivery"] != "registry" and node.running():
        wanted = restoration(kept, components.values(), node.images(), node.copies(), Engine(client).images())
    if not check_mode:
        node.restore(wanted.copied)
        for image in wanted.loaded:
            node.load(image)
            node.note(image)
    return {
        "changed": bool(wanted.copied or wanted.loaded),
        "restored": [*wanted.copied, *wanted.loaded],
        "missing": [
            {"namespace": one.namespace, "name": one.name, "revision": one.revision, "image": image}
            for one, image in wanted.missing
        ],
    }


def _work(
    params: t.Mapping[str, t.Any],
    client: t.Any,
    components: t.Mapping[str, ComponentImage],
    work: Work,
    node: Node,
    registry: Registry | None,
) -> dict[str, float]:
    """Build and deliver; seconds by step."""
    builder = params["builder"]
    in_engine = _engine_builder(params, client) if work.build else None
    in_node = (
        BuildKit(builder, lambda: node_buildkit(client, node.name), node_output, host_network=False)
        if builder
        else InNode(client, node.name)
    )

    def build(component: ComponentImage, step: Say) -> None:
        if in_engine is None:
            raise AssertionError("nothing was to be built in the engine")
        in_engine.build(component, step)

    def deliver(component: ComponentImage) -> None:
        if registry is not None:
            registry.push(component.image)
        else:
            node.load(component.image)
            node.note(component.image)

    def build_in_node(component: ComponentImage, step: Say) -> None:
        in_node.build(component, step)
        node.note(component.image)

    with StepReporter(ProgressFile(params["progress_file"]).say) as steps:
        execute(work, components, build, build_in_node, deliver, steps, params["max_parallel"])
    return {what: round(seconds, 2) for what, seconds in steps.seconds.items()}


def _engine_builder(params: t.Mapping[str, t.Any], client: t.Any) -> BuildKit | Classic:
    network = params["network"]
    if params["builder"] and network in ("host", "default", "none"):
        try:
            engine_buildkit(client).close()
        except ImageError:
            pass  # an engine without BuildKit; the classic builder does the same, slower
        else:
            return BuildKit(
                params["builder"], lambda: engine_buildkit(client), engine_output, host_network=network == "host"
            )
    return Classic(client, network)


def _prune(
    components: t.Mapping[str, ComponentImage],
    engine: Engine,
    node: Node | None,
    keep: int,
    check_mode: bool,
    ask_kept: AskKept,
) -> dict[str, list[str]]:
    """Remove what is surplus, or tell it in check mode; copy what stays in the node."""
    # What a check did not build counts as if it had.
    to_come = [StoredImage(component.image, "", float("inf")) for component in components.values() if check_mode]
    stored: dict[str, list[StoredImage]] = {"engine": engine.built(), "node": []}
    used = {"engine": engine.in_use(), "node": set[str]()}
    if node is not None:
        stored["node"], used["node"] = node.stored()

    def old(kept: t.Sequence[KeptRevision]) -> dict[str, list[str]]:
        return {
            place: surplus(images + _not_in(images, to_come), components.values(), used[place], keep, kept)
            for place, images in stored.items()
        }

    found = old(())
    if any(found.values()):
        kept = ask_kept()
        # What nobody can tell of may be what a rollback needs.
        found = {"engine": [], "node": []} if kept is None else old(kept)
    if not check_mode:
        engine.remove(found["engine"])
        if node is not None:
            node.remove(found["node"])
            node.copy(one for one in stored["node"] if one.reference not in found["node"])
    return found


def _not_in(stored: t.Sequence[StoredImage], others: t.Sequence[StoredImage]) -> list[StoredImage]:
    names = {normal_name(one.reference) for one in stored}
    return [one for one in others if normal_name(one.reference) not in names]
