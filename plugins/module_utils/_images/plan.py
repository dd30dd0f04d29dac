# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images are to be built, delivered and pruned. Private to the collection.

Nothing here asks an engine or a node: it decides over what they said.
"""

from __future__ import annotations

import dataclasses
import os.path
import pathlib
import re
import typing as t

# On images in the engine: the component they were built for.
COMPONENT_LABEL = "io.github.slipway.component"
# On images in the node: when they were put there, in seconds since 1970. Only these are ever removed.
DELIVERED_LABEL = "io.github.slipway.delivered"

Way = t.Literal["in_node", "load", "registry"]


class ImageError(Exception):
    """An image cannot be built, delivered or asked for; the text says why and what to do."""


@dataclasses.dataclass(frozen=True)
class ComponentImage:
    """What is known of one image. ``needs`` are components it is built from, ``deliver`` is whether the node needs it.

    ``build_digest`` covers what the builder is to be given, and is empty where the tag says nothing of that; ``snapshot`` is where the plan
    has kept it.
    """

    name: str
    image: str
    source: pathlib.Path
    dockerfile: pathlib.Path
    arguments: t.Mapping[str, str]
    needs: tuple[str, ...]
    deliver: bool
    build_digest: str = ""
    snapshot: pathlib.Path | None = None

    @property
    def repository(self) -> str:
        """The image's normal name without its tag."""
        return normal_name(self.image).rpartition(":")[0]


@dataclasses.dataclass(frozen=True)
class Work:
    """Names of components: those to build in the engine, to build in the node, and to bring out of the engine."""

    build: tuple[str, ...] = ()
    build_in_node: tuple[str, ...] = ()
    deliver: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.build or self.build_in_node or self.deliver)


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """An image that was built or delivered for a component: its reference, its ID and when (seconds since 1970)."""

    reference: str
    identity: str
    when: float


@dataclasses.dataclass(frozen=True)
class KeptRevision:
    """A revision that Helm keeps, to which a rollback may return, with the images that it names."""

    namespace: str
    name: str
    revision: int
    images: tuple[str, ...]


def normal_name(reference: str) -> str:
    """A reference with registry, path and tag spelled out, as containerd keeps it.

    >>> normal_name("todo-backend:1")
    'docker.io/library/todo-backend:1'
    """
    name, _, last = reference.rpartition("/")
    if ":" not in last and "@" not in last:
        reference += ":latest"
    first = reference.split("/", 1)[0]
    if name and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if "/" in reference else f"docker.io/library/{reference}"


def read_components(
    given: t.Mapping[str, t.Mapping[str, t.Any]], arguments: t.Mapping[str, t.Any]
) -> dict[str, ComponentImage]:
    """The components of a plan, in its order; ``arguments`` go to every build, a component's own win.

    Raises ImageError.
    """
    components: dict[str, ComponentImage] = {}
    for name, item in given.items():
        try:
            source = pathlib.Path(item["source"])
            image = str(item["image"])
        except (KeyError, TypeError):
            raise ImageError(
                f"The component {name} has no source or no image; set both, as application_plan does."
            ) from None
        needs = tuple(item.get("needs") or ())
        early = [need for need in needs if need not in components]
        if early:
            raise ImageError(
                f"The component {name} needs {', '.join(early)}, which does not come before it; reorder the components."
            )
        components[name] = ComponentImage(
            name,
            image,
            source,
            pathlib.Path(os.path.normpath(source / (item.get("dockerfile") or "Dockerfile"))),
            {key: str(value) for key, value in {**arguments, **(item.get("build_args") or {})}.items()},
            needs,
            item.get("deliver", True) is not False,
            str(item.get("build_digest") or "").removeprefix("sha256:"),
            pathlib.Path(item["snapshot"]) if item.get("snapshot") else None,
        )
    return components


def lacks(image: str, engine: t.Mapping[str, str], node: t.Mapping[str, str]) -> bool:
    """Whether the node has no such image, or another one under that normal name than the engine. Both give IDs by normal name."""
    here, there = engine.get(image), node.get(image)
    return there is None or (here is not None and here != there)


def decide(
    components: t.Mapping[str, ComponentImage], engine: t.Mapping[str, str], node: t.Mapping[str, str], in_node: bool
) -> Work:
    """What is to be done, each list in the order of building.

    ``engine`` and ``node`` give the image ID for each normal name. A tag is a digest of what the image was made of, so
    an image that only the node has needs no building, and with ``in_node`` one that only the engine has is brought
    from there. One that both have under the same name with different IDs is delivered again.
    """
    build: list[str] = []
    build_in_node: list[str] = []
    deliver: list[str] = []
    bases: set[str] = set()
    for component in reversed(list(components.values())):
        image = normal_name(component.image)
        here, there = engine.get(image), node.get(image)
        missing = component.deliver and lacks(image, engine, node)
        if in_node:
            if not missing and (component.name not in bases or there is not None):
                continue
            if here is not None:
                deliver.append(component.name)
                continue
            build_in_node.append(component.name)
            bases.update(component.needs)
            continue
        if missing:
            deliver.append(component.name)
        if here is None and (component.name in bases or (component.deliver and there is None)):
            build.append(component.name)
            bases.update(component.needs)
    return Work(tuple(reversed(build)), tuple(reversed(build_in_node)), tuple(reversed(deliver)))


def surplus(
    stored: t.Iterable[StoredImage],
    components: t.Iterable[ComponentImage],
    used: t.Container[str],
    keep: int,
    kept: t.Iterable[KeptRevision] = (),
) -> list[str]:
    """References of ``stored`` that are beyond the last ``keep`` of their component, the oldest first.

    What the components name now counts among the kept. What a revision in ``kept`` names, or an ID in ``used``, is never given up, nor
    an ID that a kept reference shares.
    """
    current = {normal_name(component.image) for component in components}
    named = {normal_name(image) for revision in kept for image in revision.images}
    by_repository: dict[str, list[StoredImage]] = {}
    for one in stored:
        repository = normal_name(one.reference).rpartition(":")[0]
        by_repository.setdefault(repository, []).append(one)
    gone: list[StoredImage] = []
    for component in components:
        group = by_repository.pop(component.repository, [])
        group.sort(key=lambda one: (normal_name(one.reference) in current, one.when), reverse=True)
        staying = [
            one for index, one in enumerate(group) if index < keep or normal_name(one.reference) in current | named
        ]
        needed = {one.identity for one in staying}
        gone += [one for one in group if one not in staying and one.identity not in needed and one.identity not in used]
    return [one.reference for one in sorted(gone, key=lambda one: one.when)]


@dataclasses.dataclass(frozen=True)
class Restoration:
    """What the node lacks of kept revisions: images to restore from the node's copies, to load from the engine, and those that are lost."""

    copied: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    missing: tuple[tuple[KeptRevision, str], ...] = ()


def restoration(
    kept: t.Iterable[KeptRevision],
    components: t.Iterable[ComponentImage],
    node: t.Container[str],
    copies: t.Container[str],
    engine: t.Container[str],
) -> Restoration:
    """What is to be done for a rollback to any of the revisions. ``node``, ``copies`` and ``engine`` are normal names.

    An image that is no component's is not missing: the node pulls it.
    """
    repositories = {component.repository for component in components}
    lacking = [(one, image) for one in kept for image in one.images if normal_name(image) not in node]
    names = list(dict.fromkeys(image for _revision, image in lacking))
    copied = tuple(image for image in names if normal_name(image) in copies)
    loaded = tuple(image for image in names if image not in copied and normal_name(image) in engine)
    return Restoration(
        copied,
        loaded,
        tuple(
            (revision, image)
            for revision, image in lacking
            if image not in copied + loaded and normal_name(image).rpartition(":")[0] in repositories
        ),
    )


def with_credentials(arguments: t.Mapping[str, str]) -> list[str]:
    """Names of the build arguments whose value is an address with a user's name or password in it."""
    return [name for name, value in arguments.items() if re.search(r"://[^/\s]+@", value)]


def on_loopback(arguments: t.Mapping[str, str]) -> list[str]:
    """Names of the build arguments whose value is an address that only this machine itself reaches."""
    address = r"://([^/\s@]*@)?(localhost|127\.[0-9.]+|\[::1\])([:/]|$)"
    return [name for name, value in arguments.items() if re.search(address, value)]
