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
    """What is known of one image. ``needs`` are components it is built from, ``deliver`` is whether the node needs it."""

    name: str
    image: str
    source: pathlib.Path
    dockerfile: pathlib.Path
    arguments: t.Mapping[str, str]
    needs: tuple[str, ...]
    deliver: bool

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
    stored: t.Iterable[StoredImage], components: t.Iterable[ComponentImage], used: t.Container[str], keep: int
) -> list[str]:
    """References of ``stored`` that are beyond the last ``keep`` of their component, the oldest first.

    What the components name now counts among the kept. An ID in ``used`` is never given up, nor one that a kept
    reference shares.
    """
    current = {normal_name(component.image) for component in components}
    by_repository: dict[str, list[StoredImage]] = {}
    for one in stored:
        repository = normal_name(one.reference).rpartition(":")[0]
        by_repository.setdefault(repository, []).append(one)
    gone: list[StoredImage] = []
    for component in components:
        group = by_repository.pop(component.repository, [])
        group.sort(key=lambda one: (normal_name(one.reference) in current, one.when), reverse=True)
        kept = [one for index, one in enumerate(group) if index < keep or normal_name(one.reference) in current]
        needed = {one.identity for one in kept}
        gone += [one for one in group if one not in kept and one.identity not in needed and one.identity not in used]
    return [one.reference for one in sorted(gone, key=lambda one: one.when)]


def with_credentials(arguments: t.Mapping[str, str]) -> list[str]:
    """Names of the build arguments whose value is an address with a user's name or password in it."""
    return [name for name, value in arguments.items() if re.search(r"://[^/\s]+@", value)]


def on_loopback(arguments: t.Mapping[str, str]) -> list[str]:
    """Names of the build arguments whose value is an address that only this machine itself reaches."""
    address = r"://([^/\s@]*@)?(localhost|127\.[0-9.]+|\[::1\])([:/]|$)"
    return [name for name, value in arguments.items() if re.search(address, value)]
