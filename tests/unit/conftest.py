# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make C(ansible_collections.slipway.kube) importable wherever the checkout lies."""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from developers_files import keep_out
from hypothesis import settings

if TYPE_CHECKING:
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

# The same few examples in each run: what another run finds is no fault of the change at hand. SLIPWAY_EXAMPLES=random looks for new ones.
settings.register_profile("same", max_examples=50, deadline=None, derandomize=True, database=None)
settings.register_profile("random", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("SLIPWAY_EXAMPLES", "same"))

CHECKOUT = Path(__file__).resolve().parents[2]


def _collections_root() -> Path:
    """Return a directory that holds C(ansible_collections/slipway/kube).

    The checkout itself when it already lies at such a place (as ansible-test demands), otherwise a
    temporary directory with one symbolic link in it.
    """
    if CHECKOUT.parts[-3:] == ("ansible_collections", "slipway", "kube"):
        return CHECKOUT.parents[2]
    root = Path(tempfile.mkdtemp(prefix="slipway-collections-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    namespace = root / "ansible_collections" / "slipway"
    namespace.mkdir(parents=True)
    (namespace / "kube").symlink_to(CHECKOUT, target_is_directory=True)
    return root


COLLECTIONS_ROOT = _collections_root()
sys.path.insert(0, str(COLLECTIONS_ROOT))
_package = importlib.import_module("ansible_collections")
_own = str(COLLECTIONS_ROOT / "ansible_collections")
if _own not in list(_package.__path__):
    # The community distribution installs a regular package of this name, which hides ours.
    _package.__path__ = [_own, *_package.__path__]
# A slipway namespace that was installed elsewhere must not shadow the checkout under test.
for _name in [name for name in sys.modules if name.startswith("ansible_collections.slipway")]:
    del sys.modules[_name]


@pytest.fixture(scope="session")
def collections_root() -> Path:
    """The directory to name in ANSIBLE_COLLECTIONS_PATH when a test starts Ansible itself."""
    return COLLECTIONS_ROOT


@pytest.fixture(scope="session", autouse=True)
def own_directories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests a cache, a state and a home of Ansible of their own, and refuse all writing to those of the developer."""
    keep_out()
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "ANSIBLE_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))
        yield


@pytest.fixture(scope="session")
def ansible_environment(own_directories: None) -> dict[str, str]:
    """The environment for a test that starts Ansible as a program of its own."""
    return {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS_ROOT), "ANSIBLE_NOCOLOR": "1"}


@pytest.fixture(scope="session")
def ansible(tmp_path_factory: pytest.TempPathFactory, own_directories: None) -> Iterator[Ansible]:
    """Runs playbooks without starting Ansible anew each time."""
    from ansible_collections.slipway.kube.tests.unit.ansible_runs import Ansible

    runs = Ansible(tmp_path_factory.mktemp("ansible"))
    yield runs
    runs.close()
