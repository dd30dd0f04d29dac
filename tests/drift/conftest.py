# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application of the transaction tests, in namespaces of its own."""

from tests.transaction.conftest import (
    facts,
    good,
    pytest_collection_modifyitems,
    pytest_runtest_makereport,
    shop,
    shops,
)

__all__ = ["facts", "good", "pytest_collection_modifyitems", "pytest_runtest_makereport", "shop", "shops"]
