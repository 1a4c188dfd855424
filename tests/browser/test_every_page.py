"""Every page in a wide window and on the smallest phone, light and dark: it fits, and it keeps nobody out.

With TIDEGATE_PICTURES=docs/images, each is painted there for the documentation, a wide one at three quarters of its size.
"""

import base64
import itertools
import os
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, WIDE, Blog, OpenContext, Watch, check_for_everybody, fits
from tests.browser.scenes import Morning, moderating, reading

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PICTURES = os.environ.get("TIDEGATE_PICTURES", "")
TO_WEBP = """async (png) => {
  const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const scale = picture.width > 1000 ? 0.75 : 1;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width * scale, picture.height * scale];
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/webp", 0.4).split(",")[1];
}"""


def paint(page: Page, painter: Page, name: str) -> None:
    """Store what the window shows, small."""
    png = base64.b64encode(page.screenshot()).decode()
    folder = Path(PICTURES)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.webp").write_bytes(base64.b64decode(painter.evaluate(TO_WEBP, png)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_fits_and_keeps_nobody_out(
    blog: Blog, person: OpenContext, watch: Watch, viewport: dict[str, int], scheme: str
) -> None:
    morning = Morning(blog)
    page = person(viewport=viewport, color_scheme=scheme).new_page()
    painter = person().new_page() if PICTURES else page
    for name in itertools.chain(reading(morning, page), moderating(morning, page)):
        if PICTURES:
            paint(page, painter, f"{name}-{viewport['width']}-{scheme}")
        fits(page)
        assert watch.seen == [], name
        check_for_everybody(page)
        # What axe tries out on a page to judge it is not the page's.
        watch.seen[:] = [each for each in watch.seen if "inline style" not in each and "style-src-attr inline" not in each]
