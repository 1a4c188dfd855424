"""The console's first page in a real browser."""

import pytest
from playwright.sync_api import Page

from tests.api.console.conftest import link_for
from tests.browser.conftest import PHONE, Installation, OpenContext, check_for_everybody, fits

pytestmark = pytest.mark.browser


def test_a_link_lets_a_moderator_in_and_the_queue_has_no_fault(installation: Installation, page: Page) -> None:
    page.goto(installation.url + link_for(installation.door, "moderator"))
    check_for_everybody(page)
    page.get_by_role("button").click()
    page.wait_for_url("**/console/**")
    check_for_everybody(page)


def test_the_first_page_fits_a_phone_in_the_dark(installation: Installation, person: OpenContext) -> None:
    page = person(viewport=PHONE, color_scheme="dark").new_page()
    page.goto(installation.url + link_for(installation.door, "moderator"))
    fits(page)
    check_for_everybody(page)
