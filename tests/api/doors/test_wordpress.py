"""What WordPress tells beyond Akismet's protocol, and the file that makes it do so."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from moderation.ids import new_id
from moderation.models import Case, EndpointState, Publisher
from tests.api.conftest import ABUSIVE, ORIGIN


@pytest.fixture
def tell(door: Any) -> Any:
    """Tell a decision as the must-use plugin does."""

    def telling(**fields: str) -> Any:
        given = {"api_key": door.keys["door"], "blog": ORIGIN, "reporter": "mona", "comment_ID": "7", **fields}
        return door.client.post("/wordpress/moderated", data=given)

    return telling


def test_each_word_of_wordpress_is_a_human_decision(door: Any, tell: Any) -> None:
    comment = door.decided(ABUSIVE)["id"]
    for word, status, reason in (("approved", "approved", None), ("hold", "flagged", None), ("trash", "rejected", 9)):
        assert tell(status=word, tidegate_id=comment).status_code == 200
        shown = door.shown(comment)
        assert (shown["status"], shown["decision"]["by"], shown["decision"]["reason"]) == (status, "moderator", reason)
    spam = door.decided(ABUSIVE + " Once more.")["id"]
    assert tell(status="spam", tidegate_id=spam).status_code == 200
    assert door.shown(spam)["decision"]["reason"] == 5


def test_what_goes_back_into_the_blogs_queue_is_in_ours(door: Any, tell: Any) -> None:
    comment = door.decided(ABUSIVE)["id"]
    tell(status="approved", tidegate_id=comment)
    tell(status="hold", tidegate_id=comment)
    with door.runtime.database.reading() as session:
        assert session.scalars(select(Case).where(Case.closed_at.is_(None))).one().kind == "flagged"


def test_a_comment_is_found_by_its_number_after_an_import(door: Any, tell: Any) -> None:
    comment = door.decided(ABUSIVE, external_id="wordpress:7")["id"]
    assert tell(status="approved").status_code == 200
    assert door.shown(comment)["status"] == "approved"
    assert tell(status="approved", comment_ID="8").status_code == 404


def test_our_own_publisher_and_what_stands_so_already_teach_nothing(door: Any, tell: Any) -> None:
    comment = door.decided(ABUSIVE)
    with door.runtime.database.transaction() as session:
        now = door.runtime.clock.now()
        site_id = session.scalars(select(Case)).first().site_id
        session.add(
            Publisher(
                id=new_id(),
                site_id=site_id,
                created_at=now,
                kind="wordpress",
                config={"username": "tidegate", "salt": ""},
                state=EndpointState.PAUSED,
            )
        )
    assert tell(status="approved", tidegate_id=comment["id"], reporter="Tidegate").text == "echo"
    assert tell(status="hold", tidegate_id=comment["id"]).status_code == 200
    assert door.shown(comment["id"])["decision_seq"] == comment["decision_seq"]


def test_what_makes_no_sense_is_refused_and_changes_nothing(door: Any, tell: Any) -> None:
    comment = door.decided(ABUSIVE)
    assert tell(status="burn", tidegate_id=comment["id"]).status_code == 422
    assert tell(status="approved", tidegate_id="cmt_" + "0" * 32).status_code == 404
    assert tell(status="approved", tidegate_id=comment["id"], api_key="000000000000").status_code == 401
    assert door.shown(comment["id"])["decision_seq"] == comment["decision_seq"]


def test_asking_again_about_what_is_held_is_no_leave_to_publish(door: Any) -> None:
    sent = {
        "api_key": door.keys["door"],
        "blog": ORIGIN,
        "user_ip": "192.0.2.7",
        "permalink": f"{ORIGIN}/arms",
        "comment_content": ABUSIVE,
        "recheck_reason": "retry",
    }
    answer = door.client.post("/1.1/comment-check", data=sent, headers={"User-Agent": "WordPress/6.1.9 | Akismet/5.0.2"})
    assert (answer.text, answer.headers["X-akismet-error"]) == ("held", "held for a moderator")


def test_the_plugin_has_our_address_and_no_secret_and_is_php(door: Any, tmp_path: Path) -> None:
    answer = door.client.get("/downloads/tidegate-wordpress.php")
    assert answer.status_code == 200
    assert f"const ADDRESS = '{door.runtime.settings.public_url}';" in answer.text
    assert "%" not in answer.text
    assert "attachment" in answer.headers["Content-Disposition"]
    if shutil.which("php"):
        path = tmp_path / "plugin.php"
        path.write_text(answer.text)
        subprocess.run(["php", "-l", str(path)], check=True, capture_output=True)
