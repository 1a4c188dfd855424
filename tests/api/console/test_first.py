import pytest
@pytest.mark.parametrize("path", ["overview","posts","words","policy","people","deliveries","account","queue","overview/comments?of=agreed"])
def test_pages(sqlite_door, sqlite_sign_in, path):
    browser = sqlite_sign_in("admin")
    sqlite_door.decided("You are a stupid, worthless idiot and everybody here hates you.")
    browser.open("/console/queue")
    browser.decide(reason=1)
    page = browser.open(f"/console/{path}")
    print(page.text)
    assert page.status == 200, page.html
