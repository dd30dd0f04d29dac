# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made of. Private to the collection.

The specification is parsed into these once. Ansible carries the plan from role to role as a fact, so each of them
has an C(as_dict) with plain values only; the keys are those that M(slipway.kube.application_plan) documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TAG_LENGTH = 16
COMPONENT_FACTS = ("tag", "image", "repository", "source_digest")
"""What placeholders can name of a component, after C(components.NAME.)."""


@dataclass(frozen=True)
class Component:
    """One image and what it is built of.

    C(source) is an absolute directory and C(dockerfile) a path from there. C(needs) are the components it is built
    from. C(source_digest) covers all that enters the image and C(migrations) only what a migration of the database
    does, both as C(sha256:) and 64 hexadecimal digits; the second is empty when the component names no migrations.
    C(deliver) says whether the cluster needs the image. C(build_digest), written in the same way, covers what a builder is
    given, and C(snapshot) is the directory where that is kept, or empty.
    """

    name: str
    source: str
    dockerfile: str
    build_args: Mapping[str, str]
    repository: str
    needs: tuple[str, ...]
    migrations: str
    source_digest: str
    deliver: bool = True
    build_digest: str = ""
    snapshot: str = ""

    @property
    def tag(self) -> str:
        """The image's tag, from the digest of the sources."""
        # Letters first: a tag of digits alone, or with one e among them, is a number to a YAML reader.
        return f"sha-{self.source_digest.removeprefix('sha256:')[:TAG_LENGTH]}"

    @property
    def image(self) -> str:
        """The image's name."""
        return f"{self.repository}:{self.tag}"

    def release_value(self, key: str) -> dict[str, str] | str:
        """Return what the values of a release get of the component under its key C(images) or C(migrations)."""
        return {"repository": self.repository, "tag": self.tag} if key == "images" else self.migrations

    @property
    def variables(self) -> dict[str, str]:
        """What the placeholders of checks and build arguments stand for."""
        return {f"components.{self.name}.{fact}": getattr(self, fact) for fact in COMPONENT_FACTS}

    def as_dict(self) -> dict[str, Any]:
        """Return the component as it stands in the plan, under its name."""
        return {
            "source": self.source,
            "dockerfile": self.dockerfile,
            "build_args": dict(self.build_args),
            "repository": self.repository,
            "needs": list(self.needs),
            "migrations": self.migrations,
            "tag": self.tag,
            "image": self.image,
            "source_digest": self.source_digest,
            "deliver": self.deliver,
            "build_digest": self.build_digest,
            "snapshot": self.snapshot,
        }


@dataclass(frozen=True)
class Release:
    """One Helm release. C(chart) is an absolute directory, C(values) name the images and lack only secrets' checksums.

    C(secret_checksums) maps Secrets to the dotted paths in the values that get a checksum of their content.
    C(chart_snapshot) is the directory where the chart is kept that C(chart_digest) covers, or empty.
    """

    name: str
    namespace: str
    chart: str
    chart_name: str
    chart_version: str
    chart_digest: str
    values: Mapping[str, Any]
    secret_checksums: Mapping[str, str]
    wait: bool
    chart_snapshot: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the release as it stands in the plan."""
        return {
            "name": self.name,
            "namespace": self.namespace,
            "chart": self.chart,
            "chart_name": self.chart_name,
            "chart_version": self.chart_version,
            "chart_digest": self.chart_digest,
            "chart_snapshot": self.chart_snapshot,
            "values": dict(self.values),
            "secret_checksums": dict(self.secret_checksums),
            "wait": self.wait,
        }


@dataclass(frozen=True)
class SecretSource:
    """Where one key of a Secret comes from, without its value.

    C(kind) is V(env), V(generate), V(template) or V(value); C(argument) is the variable's name, the length or the
    template, and nothing for a value. C(fallback) is the source if the environment variable is not set.
    """

    kind: str
    argument: str | int | None = None
    required: bool = True
    fallback: SecretSource | None = None

    def alternatives(self) -> Iterator[SecretSource]:
        """Yield this source and those that stand in for it, in the order in which they are tried."""
        source: SecretSource | None = self
        while source:
            yield source
            source = source.fallback


@dataclass(frozen=True)
class Secret:
    """One Secret and where its keys come from; a source with a mistake is None."""

    name: str
    namespace: str
    keys: Mapping[str, SecretSource | None]

    def as_dict(self) -> dict[str, Any]:
        """Return the Secret as it stands in the plan: what it is called, and nothing of where its values come from."""
        return {"name": self.name, "namespace": self.namespace, "keys": sorted(self.keys)}


@dataclass(frozen=True)
class Check:
    """One check of M(slipway.kube.health_check) as it is written: its placeholders are filled when it is asked."""

    name: str
    options: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the check as it stands in the plan."""
        return dict(self.options)
