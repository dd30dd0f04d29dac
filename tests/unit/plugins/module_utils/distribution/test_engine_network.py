# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken back of an engine's network."""

from __future__ import annotations

from ansible_collections.slipway.kube.plugins.module_utils._distribution.engine_network import without_engine_rules

SAVED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -p tcp --dport 22 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -j RETURN
COMMIT""".splitlines()


def test_only_the_engines_rules_are_taken_back() -> None:
    assert without_engine_rules(SAVED, "ACCEPT") == [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":FORWARD ACCEPT [0:0]",
        "-A INPUT -p tcp --dport 22 -j ACCEPT",
        "COMMIT",
    ]


def test_a_table_without_the_engine_stays_as_it_is() -> None:
    table = ["*nat", ":PREROUTING ACCEPT [1:2]", "-A PREROUTING -i docker01 -j ACCEPT", "COMMIT"]
    assert without_engine_rules(table, "ACCEPT") == table
