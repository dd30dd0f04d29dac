# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The components of a specification: what images are built of, and what they are called. Private to the collection."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.common.validation import check_type_dict
from ansible_collections.slipway.kube.plugins.module_utils._common.dependencies import DependencyCycleError, order
from ansible_collections.slipway.kube.plugins.module_utils._common.options import kind_of, nearest
from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import (
    placeholders,
    substitute,
)
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import SnapshotError, SnapshotStore
from ansible_collections.slipway.kube.plugins.module_utils._distribution.artifacts import ManifestError
from ansible_collections.slipway.kube.plugins.module_utils._images.context_findings import (
    find_mistakes,
    kept_arguments,
    size_warning,
    unreadable,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerfiles import (
    Stage,
    base_images,
    made_here,
    read_stages,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerignore import ContextError
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import with_credentials
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import (
    DOCKERFILE,
    MIRRORS,
    Context,
    build_digest,
    digest_paths,
    members_of,
    read_context,
    source_digest,
)
from ansible_collections.slipway.kube.plugins.module_utils._plan.models import Component
from ansible_collections.slipway.kube.plugins.module_utils._plan.placeholder_names import (
    component_names,
    current_names,
    validate_names,
)
from ansible_collections.slipway.kube.plugins.module_utils._plan.validator import ENVIRONMENT, Validator

_KEYS = ("source", "dockerfile", "build_args", "repository", "migrations")
_NAMED = 5  # files that a warning names
_REPOSITORY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)


@dataclass(frozen=True)
class _Declared:
    """One component as it is written, before its sources are read."""

    source: Path
    dockerfile: str
    build_args: Mapping[str, str]
    repository: str
    migrations: Sequence[str]
    needs: tuple[str, ...]

    @property
    def file(self) -> Path:
        return Path(os.path.normpath(self.source / self.dockerfile))


@dataclass(frozen=True)
class BuildSetting:
    """What all components have in common: C(arguments) go to every build, C(distribution) is the directory of base images' recipes.

    The snapshots of the sources are taken into C(store). A build context of more than C(context_warning_mb) megabytes is worth a warning,
    unless that is 0.
    """

    arguments: Any
    distribution: Any
    store: SnapshotStore
    context_warning_mb: float = 0


@dataclass(frozen=True)
class _Common:
    """A BuildSetting that was read: arguments as text, and the digests of base images by name."""

    arguments: Mapping[str, str]
    bases: Mapping[str, str]
    store: SnapshotStore
    context_warning_mb: float


def read_components(
    validator: Validator, given: Any, project: Path, application: str, setting: BuildSetting, releases: Any
) -> tuple[dict[str, Component | None], list[str]]:
    """Return the components in the order of building, one that another is built from before it, and warnings.

    One with a mistake is None: what uses it has no mistake of its own. C(project) is where sources start from, and
    C(releases) are as they are written: an image that no release names and others are built from is not delivered.
    """
    common = _Common(
        _shared_arguments(validator, setting.arguments),
        _known_bases(validator, setting.distribution),
        setting.store,
        setting.context_warning_mb,
    )
    declared: dict[str, _Declared | None] = {}
    warnings: list[str] = []
    for key, item in validator.mapping("application_components", given).items():
        place = f"application_components.{key}"
        name = validator.label(place, key)
        item, old = current_names(place, item, [str(one) for one in given])
        warnings.extend(old)
        declared[name] = _declared(validator, place, item, project, f"{application}-{name}")
    used = _used(releases)
    bases = {need for one in declared.values() if one for need in one.needs}
    components: dict[str, Component | None] = dict.fromkeys(declared)
    for name in _build_order(validator, declared):
        one = declared[name]
        del components[name]  # to come at its place in the order
        component = None
        if one and all(components[need] for need in one.needs):
            place = f"application_components.{name}"
            deliver = name in used or name not in bases
            component = _component(validator, place, name, one, components, common, deliver, warnings)
        components[name] = component
    return components, warnings


def _known_bases(validator: Validator, distribution: Any) -> Mapping[str, str]:
    """Return the digests of base images that are made on the machine, by name: a change of one changes all built on it."""
    if not distribution:
        return {}
    try:
        return made_here(Path(str(distribution)))
    except ManifestError as error:
        validator.error("distribution", str(error), "correct it")
        return {}


def _declared(validator: Validator, place: str, item: Any, project: Path, repository: str) -> _Declared | None:
    """Return one component as it is written, None when it has a mistake."""
    before = len(validator.errors)
    fields = validator.mapping(place, item)
    if len(validator.errors) > before:
        return None
    validator.keys(place, fields, _KEYS)
    source = validator.text(f"{place}.source", fields.get("source"), example="src/backend")
    dockerfile = validator.text(f"{place}.dockerfile", fields.get("dockerfile"), default="Dockerfile")
    repository = validator.text(f"{place}.repository", fields.get("repository"), default=repository)
    if fields.get("repository") is not None and repository and not _REPOSITORY.fullmatch(repository):
        validator.error(
            f"{place}.repository",
            f"{repository!r} is not a valid image repository",
            "write it like todo-backend, without a tag",
        )
    arguments = _build_args(validator, f"{place}.build_args", fields.get("build_args"))
    migrations = fields.get("migrations") or []
    if not isinstance(migrations, list) or not all(isinstance(path, str) and path for path in migrations):
        validator.error(f"{place}.migrations", "it is not a list of paths", "write it like [alembic/versions]")
    words = [word for word in placeholders(arguments) if word.startswith("components.")]
    needs = sorted({word.removeprefix("components.").rpartition(".")[0] for word in words})
    directory = Path(os.path.normpath(project / source))
    declared = _Declared(directory, dockerfile, arguments, repository, migrations, tuple(needs))
    if source and not directory.is_dir():
        validator.error(
            f"{place}.source",
            f"there is no directory {directory}",
            "correct it; it starts from application_project_dir",
        )
    elif source and not declared.file.is_file():
        validator.error(
            f"{place}.dockerfile", f"there is no file {declared.file}", "correct it; it starts from the source"
        )
    return declared if len(validator.errors) == before else None


def _shared_arguments(validator: Validator, given: Any) -> dict[str, str]:
    """Return the arguments of every build; they may come as a text, from a command line."""
    if isinstance(given, str):
        with contextlib.suppress(TypeError):
            given = check_type_dict(given)
    return _build_args(validator, "image_build_arguments", given)


def _build_args(validator: Validator, place: str, given: Any) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for key, value in validator.mapping(place, given).items():
        if not isinstance(key, str) or not ENVIRONMENT.fullmatch(key):
            validator.error(
                f"{place}.{key}", "this is not a valid name of a build argument", "use letters, digits and _"
            )
        elif isinstance(value, bool) or not isinstance(value, (str, int)):
            # A number with a fraction may have been written in another way, such as 3.10.
            validator.error(f"{place}.{key}", f"it is {kind_of(value)}", "write a text in quotes")
        else:
            arguments[key] = str(value)
    return arguments


def _build_order(validator: Validator, declared: Mapping[str, _Declared | None]) -> list[str]:
    """Return the names so that each comes after those it is built from, otherwise in the order given."""
    graph: dict[str, list[str]] = {}
    for name, component in declared.items():
        graph[name] = []
        for need in component.needs if component else ():
            if need in declared:
                graph[name].append(need)
            else:
                validator.error(
                    f"application_components.{name}.build_args",
                    f"there is no component {need}",
                    nearest(need, declared),
                )
                return []
    try:
        return order(graph)
    except DependencyCycleError as error:
        validator.error(
            "application_components",
            f"they are built from each other: {error}",
            "take the image out of one build_args",
        )
        return []


def _component(
    validator: Validator,
    place: str,
    name: str,
    declared: _Declared,
    components: Mapping[str, Component | None],
    common: _Common,
    deliver: bool,
    warnings: list[str],
) -> Component | None:
    """Return a component with the digest of all it is made of, None when its sources cannot be read."""
    validate_names(validator, f"{place}.build_args", declared.build_args, component_names(components))
    arguments: dict[str, str] = substitute(
        declared.build_args,
        {key: value for one in components.values() if one for key, value in one.variables.items()},
    )
    try:
        context = read_context(declared.source, declared.dockerfile)
        snapshot = common.store.take(
            f"component {declared.source} {declared.dockerfile}", members_of(context, declared.file)
        )
    except (ContextError, SnapshotError) as error:
        validator.error(f"{place}.source", "the build context cannot be read", str(error))
        return None
    try:
        migrations = f"sha256:{digest_paths(snapshot, declared.migrations)}" if declared.migrations else ""
    except ContextError as error:
        validator.error(f"{place}.migrations", str(error), "correct the path; it starts from the source")
        return None
    given = {**common.arguments, **arguments}
    recipe = (snapshot.path / DOCKERFILE if snapshot.path else declared.file).read_text(
        encoding="utf-8", errors="replace"
    )
    _findings(validator, place, declared.file, read_stages(recipe, given), context, given, warnings)
    if large := size_warning(context, common.context_warning_mb):
        warnings.append(f"{place}: {large}.")
    bases = {base: common.bases[base] for base in base_images(recipe, given) if base in common.bases}
    build = build_digest(snapshot, given)
    return Component(
        name=name,
        source=str(declared.source),
        dockerfile=declared.dockerfile,
        build_args=arguments,
        repository=declared.repository,
        needs=declared.needs,
        migrations=migrations,
        source_digest=f"sha256:{source_digest(build, bases)}",
        deliver=deliver,
        build_digest=f"sha256:{build}",
        snapshot=str(snapshot.path or ""),
    )


def _findings(
    validator: Validator,
    place: str,
    file: Path,
    stages: Sequence[Stage],
    context: Context,
    arguments: Mapping[str, str],
    warnings: list[str],
) -> None:
    """Note what a build would fail of, and warn about what nobody wants in an image or cannot use there."""
    warnings.extend(f"{place}: {warning}" for warning in context.warnings)
    for mistake in find_mistakes(stages, context):
        validator.error(f"{place}.dockerfile", f"{file}:{mistake.line}: {mistake.what}", mistake.remedy)
    secret = with_credentials(arguments)
    for name, line in kept_arguments(stages).items():
        remedy = "declare it in a stage from which the last one copies"
        if name in secret:
            what = f"{file}:{line}: the password in the build argument {name} would stay in the history of the image"
            validator.error(f"{place}.dockerfile", what, remedy)
        elif name in MIRRORS and arguments.get(name):
            warnings.append(f"{place}: {file}:{line}: the value of {name} stays in the history of the image; {remedy}.")
    user, shut = unreadable(stages, context.entries, arguments)
    if shut:
        more = f" and {len(shut) - _NAMED} more" if len(shut) > _NAMED else ""
        warnings.append(
            f"{place}: {', '.join(shut[:_NAMED])}{more} will be in the image with permissions by which its user {user} cannot read it; "
            "run 'chmod o+rX' on it, or copy it with --chmod or --chown in the Dockerfile."
        )


def _used(releases: Any) -> set[str]:
    """Return the components whose images a release names."""
    return {
        str(name)
        for release in (releases if isinstance(releases, Sequence) else ())
        if isinstance(release, Mapping) and isinstance(release.get("images"), Mapping)
        for name in release["images"]
    }
