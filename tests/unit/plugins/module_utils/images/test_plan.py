# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images are to be built, delivered and removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._images import plan
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import (
    ComponentImage,
    ImageError,
    KeptRevision,
    StoredImage,
    Work,
)

TODO = "docker.io/library/todo:1"


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("todo", "docker.io/library/todo:latest"),
        ("todo:1", TODO),
        ("team/todo:1", "docker.io/team/todo:1"),
        ("docker.io/library/todo:1", TODO),
        ("registry.example/todo", "registry.example/todo:latest"),
        ("registry.example:5000/team/todo:1", "registry.example:5000/team/todo:1"),
        ("registry.example:5000/todo", "registry.example:5000/todo:latest"),
        ("localhost/todo:1", "localhost/todo:1"),
        ("localhost:5000/todo:1", "localhost:5000/todo:1"),
        ("todo@sha256:00", "docker.io/library/todo@sha256:00"),
    ],
)
def test_normal_name(reference: str, name: str) -> None:
    assert plan.normal_name(reference) == name
    assert plan.normal_name(name) == name


def read(**components: dict[str, Any]) -> dict[str, ComponentImage]:
    """Components of a plan, each with an image named like itself."""
    given = {name: {"source": f"/src/{name}", "image": f"{name}:1", **item} for name, item in components.items()}
    return plan.read_components(given, {})


# -- what a plan says --------------------------------------------------------------------------------------------------


def test_component_takes_its_own_argument_before_that_of_all() -> None:
    given = {"todo": {"source": "/src", "image": "todo:1", "build_args": {"A": 1, "B": "own"}}}
    component = plan.read_components(given, {"B": "all", "C": "all"})["todo"]
    assert component.arguments == {"A": "1", "B": "own", "C": "all"}
    assert component.deliver and component.needs == ()


def test_dockerfile_may_lie_outside_of_the_source() -> None:
    assert read(todo={"dockerfile": "../recipes/todo"})["todo"].dockerfile == Path("/src/recipes/todo")
    assert read(todo={})["todo"].dockerfile == Path("/src/todo/Dockerfile")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"todo": {"image": "todo:1"}}, "todo has no source or no image"),
        ({"todo": {"source": "/src"}}, "todo has no source or no image"),
        (
            {"todo": {"source": "/src", "image": "todo:1", "needs": ["base"]}},
            "todo needs base, which does not come before",
        ),
    ],
)
def test_incomplete_component_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        plan.read_components(given, {})


# -- what to do --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "node", "work", "in_node"),
    [
        ({}, {}, Work(build=("todo",), deliver=("todo",)), Work(build_in_node=("todo",))),
        # What the engine has already is brought from there: quicker than building it again.
        ({TODO: "a"}, {}, Work(deliver=("todo",)), Work(deliver=("todo",))),
        ({TODO: "a"}, {TODO: "a"}, Work(), Work()),
        # Made elsewhere or pruned here: a tag says what an image was made of, so the node's is the right one.
        ({}, {TODO: "a"}, Work(), Work()),
        # Built again by hand under the same tag.
        ({TODO: "b"}, {TODO: "a"}, Work(deliver=("todo",)), Work(deliver=("todo",))),
    ],
    ids=["nowhere", "engine only", "both", "node only", "both, different"],
)
def test_decide(engine: dict[str, str], node: dict[str, str], work: Work, in_node: Work) -> None:
    assert plan.decide(read(todo={}), engine, node, in_node=False) == work
    assert plan.decide(read(todo={}), engine, node, in_node=True) == in_node
    assert bool(work) is bool(in_node)


BASED = {
    "unused": {"deliver": False},
    "base": {"deliver": False},
    "first": {"needs": ["base"], "deliver": True},
    "second": {"needs": ["first"]},
}


@pytest.mark.parametrize(
    ("engine", "node", "work", "in_node"),
    [
        (
            [],
            [],
            Work(build=("base", "first", "second"), deliver=("first", "second")),
            Work(build_in_node=("base", "first", "second")),
        ),
        (
            ["base"],
            [],
            Work(build=("first", "second"), deliver=("first", "second")),
            Work(build_in_node=("first", "second"), deliver=("base",)),
        ),
        # A base is needed only where something is built from it.
        (["first", "second"], [], Work(deliver=("first", "second")), Work(deliver=("first", "second"))),
        ([], ["first", "second"], Work(), Work()),
        # The engine cannot build from an image that only the node has.
        ([], ["first"], Work(build=("base", "first", "second"), deliver=("second",)), Work(build_in_node=("second",))),
        (
            [],
            ["base"],
            Work(build=("base", "first", "second"), deliver=("first", "second")),
            Work(build_in_node=("first", "second")),
        ),
    ],
    ids=["nothing", "base", "built", "delivered", "pruned", "base in the node"],
)
def test_base_is_built_before_what_needs_it_and_not_delivered(
    engine: list[str], node: list[str], work: Work, in_node: Work
) -> None:
    here, there = ({f"docker.io/library/{name}:1": "id" for name in names} for names in (engine, node))
    assert plan.decide(read(**BASED), here, there, in_node=False) == work
    assert plan.decide(read(**BASED), here, there, in_node=True) == in_node


# -- what to remove ----------------------------------------------------------------------------------------------------


def held(*tags: str, repository: str = "todo") -> list[StoredImage]:
    """Images in the order of their age, the oldest first; each tag is its ID, too."""
    return [StoredImage(f"{repository}:{tag}", tag, float(number)) for number, tag in enumerate(tags)]


def gone(
    images: list[StoredImage], used: set[str] | None = None, keep: int = 2, kept: tuple[str, ...] = ()
) -> list[str]:
    return plan.surplus(images, read(todo={}).values(), used or set(), keep, [revision(3, *kept)])


def revision(number: int, *images: str) -> KeptRevision:
    return KeptRevision("todo", "todo", number, images)


def test_oldest_beyond_the_last_ones_go() -> None:
    assert gone(held("7", "8", "9", "1")) == ["todo:7", "todo:8"]
    assert gone(held("9", "1")) == []


def test_present_image_counts_and_stays_however_old_it_is() -> None:
    assert gone(held("1", "8", "9")) == ["todo:8"]
    assert gone(held("1", "8", "9"), keep=1) == ["todo:8", "todo:9"]


def test_image_in_use_stays() -> None:
    assert gone(held("7", "8", "9", "1"), used={"7"}) == ["todo:8"]


def test_image_of_a_revision_that_helm_keeps_stays() -> None:
    assert gone(held("6", "7", "8", "9", "1"), kept=("docker.io/library/todo:7", "postgres:17")) == ["todo:6", "todo:8"]
    # Removing the other name would remove the image.
    twins = [StoredImage("todo:old", "same", 0), StoredImage("todo:kept", "same", 1), *held("9", "1")]
    assert gone(twins, keep=1, kept=("todo:kept",)) == ["todo:9"]


def test_what_the_node_lacks_of_kept_revisions_comes_from_its_copies_or_the_engine() -> None:
    kept = [
        revision(1, "todo:1", "todo:2", "postgres:17"),
        revision(2, "todo:3", "todo:4", "busybox:1"),
        revision(3, "todo:2", "todo:4"),
    ]
    names = {number: f"docker.io/library/todo:{number}" for number in (1, 2, 3)}
    found = plan.restoration(
        kept,
        read(todo={}).values(),
        node={names[1], "docker.io/library/postgres:17"},
        copies={names[2]},
        engine={names[2], names[3]},
    )
    # What is no component's can be pulled again.
    assert found == plan.Restoration(("todo:2",), ("todo:3",), ((kept[1], "todo:4"), (kept[2], "todo:4")))


def test_image_that_shares_its_id_with_a_kept_one_stays() -> None:
    assert gone(
        [StoredImage("todo:old", "same", 0), StoredImage("todo:9", "9", 1), StoredImage("todo:1", "same", 2)], keep=1
    ) == ["todo:9"]


def test_image_of_another_component_stays() -> None:
    foreign = held("7", "8", "9", repository="shop") + held("7", "8", "9", repository="registry.example/todo")
    assert gone(foreign + held("9", "1")) == []


def test_references_are_compared_by_their_normal_names() -> None:
    assert gone([StoredImage("todo:8", "8", 0), StoredImage("docker.io/library/todo:1", "1", 1)], keep=1) == ["todo:8"]


@pytest.mark.parametrize(
    ("value", "named"),
    [("https://ada:word@mirror.example/simple", True), ("https://mirror.example/@scope", False), ("word", False)],
)
def test_arguments_with_credentials_are_named(value: str, named: bool) -> None:
    assert plan.with_credentials({"A": value, "B": "1"}) == (["A"] if named else [])


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("http://localhost:3141/simple", True),
        ("http://ada:word@127.0.0.1/simple", True),
        ("http://[::1]:80", True),
        ("https://localhost.example/", False),
        ("https://mirror.example/127.0.0.1/", False),
        ("localhost", False),
    ],
)
def test_addresses_of_this_machine_alone_are_named(value: str, named: bool) -> None:
    assert plan.on_loopback({"A": value, "B": "1"}) == (["A"] if named else [])
