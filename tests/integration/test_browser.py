# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person does with the application, in a browser. Pictures are kept in the facts' ``screenshots``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .browser import DESKTOP, PHONE, BrowserError, Screen, furnish, picture, started, visiting
from .conftest import Deployment, Object


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser for all tests of this file."""
    try:
        with started() as browser:
            yield browser
    except BrowserError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def screenshots(facts: Object) -> Path:
    """Where pictures are kept: beside the facts unless these say otherwise."""
    beside = Path(os.environ["SLIPWAY_INTEGRATION"]).resolve().parent / "screenshots"
    place = Path(facts.get("screenshots") or beside)
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=lambda screen: screen.name)
def test_a_day_with_the_application(
    deployment: Deployment, browser: Browser, screen: Screen, screenshots: Path
) -> None:
    with visiting(browser, deployment.address.url, screen) as visitor:
        page = visitor.page
        try:
            visitor.register()
            expect(visitor.find("tasks-empty")).to_be_visible()

            furnish(visitor)
            # What the assistant did is on the list at once.
            visitor.show("tasks")
            expect(visitor.task("plants")).to_have_attribute("data-completed", "true")
            expect(visitor.find("task-summary")).to_have_text("3 to do, 1 done.")
            picture(visitor, screenshots / f"{screen.name}.png")
            assert visitor.too_wide() <= 0

            visitor.complete("Book a table")
            visitor.delete("Send the invoice")
            expect(visitor.find("task-summary")).to_have_text("1 to do, 2 done.")
            visitor.find("filter-completed").click()
            expect(visitor.find("task-item")).to_have_count(2)

            visitor.log_out()
            assert visitor.too_wide() <= 0
            visitor.log_in()
            expect(visitor.find("task-summary")).to_have_text("1 to do, 2 done.")
            visitor.leave()
        except Exception:
            page.screenshot(path=screenshots / f"{screen.name}-failed.png")
            raise
        assert visitor.troubles == []


def test_wrong_password_is_told_and_nobody_is_let_in(deployment: Deployment, browser: Browser) -> None:
    with visiting(browser, deployment.address.url, DESKTOP) as visitor:
        visitor.page.goto(f"{visitor.url}/login")
        visitor.find("email").fill(visitor.email)
        visitor.find("password").fill(visitor.password)
        visitor.find("submit").click()
        expect(visitor.find("error")).to_be_visible()
        expect(visitor.find("login-form")).to_be_visible()
        # The browser itself notes the refusal in the console; nothing else may be there.
        assert [trouble for trouble in visitor.troubles if "401" not in trouble] == []
