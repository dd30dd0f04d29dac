# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building and delivering side by side, and the module's whole work with an engine and a node of objects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import StepReporter
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import SnapshotStore
from ansible_collections.slipway.kube.plugins.module_utils._images import runner
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import (
    ComponentImage,
    ImageError,
    KeptRevision,
    StoredImage,
    Work,
    read_components,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import members_of, read_context

PATIENCE = 5.0  # seconds that a thread may take to come


def components(**needs: list[str]) -> dict[str, ComponentImage]:
    given = {name: {"source": "/src", "image": f"{name}:1", "needs": below} for name, below in needs.items()}
    return read_components(given, {})


class Record:
    """Notes what is done in which order, and may stop somewhere."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        self.opens: dict[str, str] = {}  # the gate that something opens when it is done
        self.fails: set[str] = set()

    def __call__(self, kind: str) -> Callable[..., None]:
        def act(component: ComponentImage, step: Callable[[str], None] | None = None) -> None:
            what = f"{kind} {component.name}"
            if what in self.gates:
                assert self.gates[what].wait(PATIENCE), f"{what} waited in vain"
            if what in self.fails:
                raise ImageError(f"{what} failed")
            if step is not None:
                step("[1/1] RUN")
            self.done.append(what)
            if what in self.opens:
                self.gates[self.opens[what]].set()

        return act


def execute(record: Record, work: Work, max_parallel: int = 4, **needs: list[str]) -> list[str]:
    words: list[str] = []
    steps = StepReporter(words.append)
    runner.execute(
        work, components(**needs), record("build"), record("build in node"), record("deliver"), steps, max_parallel
    )
    return words


def test_base_comes_first_with_one_worker_too() -> None:
    for max_parallel in (1, 4):
        record = Record()
        work = Work(build=("base", "one", "two"), deliver=("one", "two"))
        execute(record, work, max_parallel, base=[], one=["base"], two=["one"])
        assert [what for what in record.done if what.startswith("build")] == ["build base", "build one", "build two"]
        assert {"deliver one", "deliver two"} < set(record.done)


def test_independent_builds_run_side_by_side_and_delivery_does_not_wait_for_others() -> None:
    record = Record()
    record.gates["build slow"] = threading.Event()
    record.opens["deliver quick"] = "build slow"
    execute(record, Work(build=("slow", "quick"), deliver=("slow", "quick")), slow=[], quick=[])
    assert record.done == ["build quick", "deliver quick", "build slow", "deliver slow"]


def test_others_are_built_from_an_image_while_it_is_delivered() -> None:
    record = Record()
    record.gates["deliver base"] = threading.Event()
    record.opens["build one"] = "deliver base"
    execute(record, Work(build=("base", "one"), deliver=("base",)), base=[], one=["base"])
    assert record.done == ["build base", "build one", "deliver base"]


def test_in_the_node_others_wait_for_a_base_that_is_brought_there() -> None:
    record = Record()
    execute(record, Work(build_in_node=("one",), deliver=("base",)), base=[], one=["base"])
    assert record.done == ["deliver base", "build in node one"]


def test_nothing_is_started_after_a_failure_and_nobody_waits_for_ever() -> None:
    record = Record()
    record.fails.add("build base")
    with pytest.raises(ImageError, match="build base failed"):
        execute(record, Work(build=("base", "one"), deliver=("one",)), base=[], one=["base"])
    assert record.done == []


# -- the module's work -------------------------------------------------------------------------------------------------


class Node:
    """A node: whether it runs, what it holds and what it was told."""

    name = "slipway"

    def __init__(self, running: bool = True, buildkit: bool = True, **images: str) -> None:
        self.old: list[str] = []
        self._running = running
        self.buildkit = self.buildctl = buildkit
        self._images = {f"docker.io/library/{name}:1": identity for name, identity in images.items()}
        self.told: list[str] = []

    def running(self) -> bool:
        return self._running

    def await_start(self, seconds: float, is_started: Callable[[], bool]) -> bool:
        self.told.append(f"wait {seconds}, {'somebody' if is_started() else 'nobody'} starts it")
        return True

    def images(self) -> dict[str, str]:
        return self._images

    def load(self, reference: str) -> None:
        self.told.append(f"load {reference}")

    def note(self, reference: str) -> None:
        self.told.append(f"note {reference}")

    def stored(self) -> tuple[list[StoredImage], set[str]]:
        return [StoredImage(name, f"id-{name}", created) for created, name in enumerate(self.old)], {"id-todo:7"}

    def copies(self) -> set[str]:
        return {"docker.io/library/todo:6"}

    def copy(self, stored: Iterable[StoredImage]) -> None:
        self.told += [f"copy {one.reference}" for one in stored]

    def restore(self, references: Iterable[str]) -> None:
        self.told += [f"restore {reference}" for reference in references]

    def remove(self, references: list[str]) -> None:
        self.told += [f"remove {one}" for one in references]


class Engine:
    """The engine: one list of images, and a classic builder."""

    def __init__(self, *images: str, containers: tuple[str, ...] = ()) -> None:
        self.api = self
        self.list = [self.image(name) for name in images]
        self._containers = containers
        self.built: list[dict[str, Any]] = []
        self.removed: list[str] = []
        self.asked: list[str] = []

    @staticmethod
    def image(name: str, created: int = 0) -> dict[str, Any]:
        label = {"io.github.slipway.component": name.partition(":")[0]}
        return {"Id": f"id-{name}", "RepoTags": [name], "Labels": label, "Created": created, "Size": 5}

    def images(self) -> list[dict[str, Any]]:
        self.asked.append("images")
        return self.list

    def containers(self, all: bool) -> list[dict[str, Any]]:
        assert all
        return [{"ImageID": identity} for identity in self._containers]

    def build(self, tag: str, fileobj: Any, **options: Any) -> list[dict[str, str]]:
        fileobj.read()
        self.built.append({"tag": tag, **options})
        self.list.insert(0, self.image(tag, 100))
        return [{"stream": "Step 1/1 : FROM scratch"}]

    def remove_image(self, reference: str) -> None:
        self.removed.append(reference)


@pytest.fixture
def source(tmp_path: Any) -> Any:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def run(
    monkeypatch: pytest.MonkeyPatch,
    source: Any,
    engine: Engine,
    node: Node,
    check_mode: bool = False,
    kept: Sequence[KeptRevision] | None = (),
    **params: Any,
) -> dict[str, Any]:
    monkeypatch.setattr(runner, "Node", lambda client, name: node)
    given = {
        "components": {"todo": {"source": str(source), "image": "todo:1"}},
        "state": "present",
        "delivery": "auto",
        "registry": "",
        "profile": "slipway",
        "start_wait": 0,
        "home": str(source),
        "builder": None,
        "network": "host",
        "build_args": {},
        "keep": 3,
        "max_parallel": 2,
        "progress_file": None,
        **params,
    }
    return runner.run(given, engine, check_mode, lambda: kept)


def test_a_run_without_changes_asks_once(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    engine = Engine()
    result = run(monkeypatch, source, engine, node := Node(todo="id-todo:1"))
    assert not result["changed"]
    assert engine.asked == ["images"] and node.told == []


def test_engine_builds_and_the_node_is_loaded(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    engine, node = Engine(), Node(buildkit=False)
    result = run(monkeypatch, source, engine, node, build_args={"A": "1"})
    assert result["changed"] and result["way"] == "load"
    assert (result["build"], result["deliver"]) == (["todo"], ["todo"])
    (built,) = engine.built
    assert built["tag"] == "todo:1" and built["buildargs"] == {"A": "1"}
    assert built["labels"] == {"io.github.slipway.component": "todo"}
    assert node.told == ["load todo:1", "note todo:1"]
    assert set(result["seconds"]) == {"build todo", "deliver todo"}


def test_change_after_the_plan_is_a_warning_of_the_run_that_has_built(
    monkeypatch: pytest.MonkeyPatch, source: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    snapshot = SnapshotStore(tmp_path_factory.mktemp("store")).take(
        "todo", members_of(read_context(source), source / "Dockerfile")
    )
    components = {"todo": {"source": str(source), "image": "todo:1", "snapshot": str(snapshot.path)}}
    assert run(monkeypatch, source, Engine(), Node(buildkit=False), components=components)["warnings"] == []
    (source / "new").touch()
    result = run(monkeypatch, source, Engine(), Node(buildkit=False), components=components)
    assert [warning.split(" changed")[0] for warning in result["warnings"]] == ["todo: new"]
    assert "warnings" not in run(monkeypatch, source, Engine(), Node(todo="id-todo:1"), components=components)


def test_without_a_cluster_the_engine_builds_and_nothing_is_delivered(
    monkeypatch: pytest.MonkeyPatch, source: Any
) -> None:
    engine, node = Engine(), Node(running=False)
    result = run(monkeypatch, source, engine, node, state="built")
    assert result["build"] == ["todo"] and result["deliver"] == [] and node.told == []
    assert not run(monkeypatch, source, engine, node, state="built")["changed"]


def test_what_the_engine_has_is_loaded_although_the_node_could_build(
    monkeypatch: pytest.MonkeyPatch, source: Any
) -> None:
    node = Node()
    result = run(monkeypatch, source, Engine("todo:1"), node)
    assert result["way"] == "in_node" and result["deliver"] == ["todo"] and not result["build_in_node"]
    assert node.told == ["load todo:1", "note todo:1"]


def test_node_that_is_being_started_is_waited_for_and_not_in_check_mode(
    monkeypatch: pytest.MonkeyPatch, source: Any
) -> None:
    node = Node(running=False, buildkit=False)
    assert run(monkeypatch, source, Engine("todo:1"), node, start_wait=9)["deliver"] == ["todo"]
    assert node.told == ["wait 9, nobody starts it", "load todo:1", "note todo:1"]
    run(monkeypatch, source, Engine("todo:1"), node := Node(running=False), check_mode=True, start_wait=9)
    assert node.told == []


def test_check_mode_says_it_all_and_does_nothing(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    engine = Engine("todo:7", "todo:8", "todo:9", containers=("id-todo:8",))
    for age, image in enumerate(engine.list):
        image["Created"] = age
    node = Node(buildkit=False)
    result = run(monkeypatch, source, engine, node, check_mode=True, keep=1)
    assert result["changed"] and result["build"] == ["todo"]
    assert result["pruned"]["engine"] == ["todo:7", "todo:9"]
    assert not engine.built and not engine.removed and not node.told
    assert run(monkeypatch, source, engine, node, keep=1)["pruned"]["engine"] == ["todo:7", "todo:9"]
    assert engine.removed == ["todo:7", "todo:9"]


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_a_node_no_longer_needs_is_removed(monkeypatch: pytest.MonkeyPatch, source: Any, check_mode: bool) -> None:
    node = Node(buildkit=False)
    node.old = ["todo:6", "todo:7", "todo:8", "todo:9"]
    # What is to be loaded counts among those that are kept, also where a check has not loaded it.
    node.old += [] if check_mode else ["todo:1"]
    result = run(monkeypatch, source, Engine("todo:1"), node, check_mode=check_mode, keep=2)
    assert result["pruned"] == {"engine": [], "node": ["todo:6", "todo:8"]}
    assert node.told == (
        []
        if check_mode
        else [
            "load todo:1",
            "note todo:1",
            "remove todo:6",
            "remove todo:8",
            "copy todo:7",
            "copy todo:9",
            "copy todo:1",
        ]
    )


def test_what_is_built_in_the_node_is_noted_there(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    node = Node()

    class InNode:
        def __init__(self, _client: Any, name: str) -> None:
            node.told.append(f"builder in {name}")

        def build(self, component: ComponentImage, _step: Callable[[str], None]) -> None:
            node.told.append(f"build {component.image}")

    monkeypatch.setattr(runner, "InNode", InNode)
    result = run(monkeypatch, source, Engine(), node)
    assert result["build_in_node"] == ["todo"] and set(result["seconds"]) == {"build todo"}
    assert node.told == ["builder in slipway", "build todo:1", "note todo:1"]


@pytest.mark.parametrize(
    ("kept", "pruned"),
    [
        ([KeptRevision("todo", "todo", 2, ("todo:8", "todo:5"))], ["todo:6"]),
        ([], ["todo:6", "todo:8"]),
        # The cluster does not answer.
        (None, []),
    ],
)
def test_images_of_revisions_that_helm_keeps_stay(
    monkeypatch: pytest.MonkeyPatch, source: Any, kept: list[KeptRevision] | None, pruned: list[str]
) -> None:
    engine, node = Engine("todo:6", "todo:8", "todo:1"), Node(buildkit=False)
    node.old = ["todo:6", "todo:8", "todo:1"]
    result = run(monkeypatch, source, engine, node, kept=kept, keep=1)
    assert result["pruned"] == {"engine": pruned, "node": pruned} and engine.removed == pruned
    left = [name for name in node.old if name not in pruned]
    assert node.told[2:] == [*(f"remove {name}" for name in pruned), *(f"copy {name}" for name in left)]


def test_images_of_earlier_revisions_are_restored(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    engine, node = Engine("todo:5"), Node(todo="id-todo:1")
    kept = [
        KeptRevision("shop", "web", number, (f"todo:{image}", "redis:7"))
        for number, image in ((3, 4), (4, 5), (5, 6), (6, 1))
    ]
    options = {"kept": kept, "state": "restored"}
    result = run(monkeypatch, source, engine, node, check_mode=True, **options)
    assert node.told == []
    assert result == run(monkeypatch, source, engine, node, **options)
    assert result["changed"] and result["restored"] == ["todo:6", "todo:5"]
    assert result["missing"] == [{"namespace": "shop", "name": "web", "revision": 3, "image": "todo:4"}]
    assert node.told == ["restore todo:6", "load todo:5", "note todo:5"]


@pytest.mark.parametrize(("running", "delivery"), [(False, "auto"), (True, "registry")])
def test_images_are_restored_only_where_they_were_put_into_the_node(
    monkeypatch: pytest.MonkeyPatch, source: Any, running: bool, delivery: str
) -> None:
    kept = [KeptRevision("shop", "web", 3, ("todo:6", "todo:4"))]
    result = run(monkeypatch, source, Engine(), node := Node(running), kept=kept, state="restored", delivery=delivery)
    assert not result["changed"] and not result["missing"] and node.told == []


def test_check_mode_without_a_cluster_says_what_would_come(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    result = run(monkeypatch, source, Engine(), Node(running=False), check_mode=True)
    assert result["changed"] and result["build"] == ["todo"] and result["deliver"] == ["todo"]


def test_comparing_changes_nothing(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    engine, node = Engine(), Node(buildkit=False)
    result = run(monkeypatch, source, engine, node, state="compared")
    assert not result["changed"] and result["build"] == ["todo"] and result["deliver"] == ["todo"]
    assert not engine.built and not node.told


def test_nothing_is_removed_where_that_is_not_wanted(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    engine = Engine("todo:7", "todo:8", "todo:9")
    assert run(monkeypatch, source, engine, Node(buildkit=False), keep=0)["pruned"] == {"engine": [], "node": []}


@pytest.mark.parametrize(
    ("delivery", "state", "running", "buildkit", "way"),
    [
        ("auto", "present", True, True, "in_node"),
        ("auto", "present", True, False, "load"),
        ("auto", "built", True, True, "load"),
        ("auto", "built", False, False, "load"),
        ("in_node", "present", True, True, "in_node"),
        ("in_node", "built", False, False, "load"),
        ("load", "present", True, True, "load"),
        ("registry", "present", False, False, "registry"),
    ],
)
def test_way(delivery: str, state: str, running: bool, buildkit: bool, way: str) -> None:
    node: Any = Node(running, buildkit)
    assert runner.choose_way(delivery, state, node, running, "image-build") == way


@pytest.mark.parametrize(("builder", "buildctl"), [("image-build", False), (None, True), (None, False)])
def test_a_buildkit_that_nobody_can_ask_is_none(builder: str | None, buildctl: bool) -> None:
    node: Any = Node()
    node.buildctl = buildctl
    if builder or buildctl:
        assert runner.choose_way("in_node", "present", node, True, builder) == "in_node"
        return
    assert runner.choose_way("auto", "present", node, True, builder) == "load"
    with pytest.raises(ImageError, match="a BuildKit that nobody can ask"):
        runner.choose_way("in_node", "present", node, True, builder)


def test_address_that_a_node_does_not_reach_is_for_the_engine() -> None:
    given = {"todo": {"source": "/src", "image": "todo:1", "build_args": {"MIRROR": "http://localhost:3141/simple"}}}
    found = read_components(given, {}).values()
    node: Any = Node()
    assert runner.choose_way("auto", "present", node, True, "image-build", found) == "load"
    with pytest.raises(ImageError, match="does not reach the address in the build argument MIRROR"):
        runner.choose_way("in_node", "present", node, True, "image-build", found)


@pytest.mark.parametrize(
    ("delivery", "running", "buildkit", "words"),
    [
        ("docker_env", True, True, "runs containerd and has no Docker"),
        ("in_node", True, False, "has no BuildKit"),
        ("load", False, False, "does not run"),
    ],
)
def test_impossible_way_is_refused_with_a_remedy(delivery: str, running: bool, buildkit: bool, words: str) -> None:
    node: Any = Node(running, buildkit)
    with pytest.raises(ImageError, match=words):
        runner.choose_way(delivery, "present", node, running, "image-build")


def test_image_that_does_not_lead_to_the_registry_is_refused(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    with pytest.raises(ImageError, match="write 'repository: registry.example/todo'"):
        run(monkeypatch, source, Engine(), Node(), delivery="registry", registry="registry.example")
