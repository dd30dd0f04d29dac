# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs and a copy of the charts, made once for all tests of charts.

Environment: ``HELM`` is the helm binary (4.x, or 3.21 and newer), ``HELM_UNITTEST`` and ``KUBECONFORM`` those of
helm-unittest and kubeconform, ``KUBERNETES_SCHEMAS`` the directory of JSON schemas. ``tests/tools/tools.py`` finds or makes
them. No cluster is needed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rendering import APPLICATIONS, CHARTS, TAGS, Case, Object, binary, dependencies, render, run


@pytest.fixture(scope="session")
def helm() -> str:
    """The helm binary."""
    return binary("HELM", "helm")


@pytest.fixture(scope="session")
def charts(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the charts with their dependencies built: the working tree stays as it is, and no old package is used."""
    place = tmp_path_factory.mktemp("charts") / "charts"
    shutil.copytree(CHARTS, place, ignore=shutil.ignore_patterns("*.tgz"))
    # Dependencies first, because a packaged subchart takes its own packages along.
    for chart in sorted(APPLICATIONS, key=lambda name: len(dependencies(name))):
        run(helm, "dependency", "build", str(place / chart))
    return place


@pytest.fixture
def objects(helm: str, charts: Path, case: Case) -> list[Object]:
    """The objects of the case under test."""
    return render(helm, charts, case.chart, "-f", str(case.values), *TAGS.get(case.chart, []))
