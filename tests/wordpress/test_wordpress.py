"""A real WordPress: what is flagged waits there, and what moderators decide on either side happens on both."""

import json
import re
import signal
from pathlib import Path

import pytest

from tests.faults.stack import CIVIL
from tests.wordpress.blog import PASSWORD
from tests.wordpress.conftest import Switched

pytestmark = [pytest.mark.wordpress, pytest.mark.timeout(300)]

ABUSIVE = "You are a stupid, worthless idiot and everybody here hates you. ({})"
SPAM = "akismet-guaranteed-spam"


def flagged(switched: Switched, mark: str) -> int:
    """Post a comment that a person has to read."""
    number = switched.blog.comment(ABUSIVE.format(mark))
    assert number is not None
    assert switched.blog.status(number) == "unapproved"
    assert switched.shown(number)["status"] == "flagged"
    return number


def test_the_publisher_says_that_it_works(switched: Switched) -> None:
    site = switched.stack.up.demo()["site"]
    assert switched.tidegate("publisher", "test", switched.publisher, "--site", site) == "it works\n"


def test_the_settings_page_of_akismets_plugin_takes_our_key_instead_of_another(switched: Switched) -> None:
    page = "/wp-admin/options-general.php?page=akismet-key-config"
    admin = switched.blog.moderator("admin")
    for stored in ("", "0123456789ab"):
        switched.blog.php(f"require 'wp-load.php'; update_option( 'wordpress_api_key', '{stored}' );")
        form = switched.blog.send(f"{page}&view=start", None, admin.opener)
        nonce = re.search(r'name="_wpnonce" value="(\w+)"', form)
        assert nonce, form
        fields = {"action": "enter-key", "_wpnonce": nonce[1], "key": switched.door_key}
        said = switched.blog.send(page, fields, admin.opener)
        assert switched.blog.ask("get_option( 'wordpress_api_key' )") == switched.door_key
        assert "Tidegate" in said
        assert "akismet-critical" not in said
    for view in ("", "&view=stats"):
        with admin.opener.open(f"{switched.blog.url}{page}{view}", timeout=60) as shown:
            # The plugin's page has frames of Akismet's own, with the key in their address.
            assert shown.headers["Content-Security-Policy"] == "frame-src 'none'"


def test_a_civil_comment_is_published(switched: Switched) -> None:
    number = switched.blog.comment(CIVIL[0])
    assert number is not None
    # At once where the machine is quick enough; else held, and published a moment later.
    switched.becomes(number, "approved")
    assert CIVIL[0] in switched.blog.page()
    said = "Approved automatically"
    switched.stack.wait(said, lambda: switched.blog.meta(number, "tidegate_said") == said)


def test_a_flagged_comment_is_pending_until_it_is_approved_and_pending_again_when_that_is_undone(switched: Switched) -> None:
    number = flagged(switched, "undo")
    assert "(undo)" not in switched.blog.page()
    approved = switched.decide(number, "approve")
    switched.becomes(number, "approved")
    assert "(undo)" in switched.blog.page()
    switched.undo(approved)
    switched.becomes(number, "unapproved")
    assert "(undo)" not in switched.blog.page()


def test_a_rejection_is_spam_or_trash_there_and_comes_back_when_it_is_undone(switched: Switched) -> None:
    spam, rude = flagged(switched, "spam"), flagged(switched, "rude")
    as_spam, as_rude = switched.decide(spam, "reject", reason=5), switched.decide(rude, "reject", reason=1)
    switched.becomes(spam, "spam")
    switched.becomes(rude, "trash")
    for decision in (as_spam, as_rude):
        switched.undo(decision)
    switched.becomes(spam, "unapproved")
    switched.becomes(rude, "unapproved")


def test_our_own_echo_teaches_nothing(switched: Switched) -> None:
    number = flagged(switched, "echo")
    decision = switched.decide(number, "reject", reason=5)
    switched.becomes(number, "spam")
    switched.undo(decision)
    switched.becomes(number, "unapproved")
    again = switched.decide(number, "approve")
    switched.becomes(number, "approved")
    # One decision by the machine and three by us; Akismet's plugin and ours reported each of the changes, too.
    assert switched.shown(number)["decision"]["id"] == again["id"]
    assert switched.shown(number)["decision_seq"] == 4


def test_what_moderators_do_in_wordpress_happens_here_and_stays(switched: Switched) -> None:
    number = flagged(switched, "there")
    mona = switched.blog.moderator()
    assert "Held for a person: Personal attack" in mona.queue()
    for action, status, there in (
        ("approve", "approved", "approved"),
        ("unapprove", "flagged", "unapproved"),
        ("spam", "rejected", "spam"),
        ("unspam", "flagged", "unapproved"),
        ("trash", "rejected", "trash"),
    ):
        mona.act(number, action)
        switched.heard(number, status)
        assert switched.shown(number)["decision"]["by"] == "moderator"
        switched.becomes(number, there)
        switched.settled()
        assert (switched.shown(number)["status"], switched.blog.status(number)) == (status, there)


def test_nothing_is_published_unread_while_tidegate_is_down_and_what_was_decided_meanwhile_arrives(switched: Switched) -> None:
    number = flagged(switched, "before")
    switched.stack.signal("api", signal.SIGSTOP)
    try:
        unread = switched.blog.comment(f"{CIVIL[1]} (down)")
    finally:
        switched.stack.signal("api", signal.SIGCONT)
    assert unread is not None
    assert switched.blog.status(unread) == "unapproved"
    switched.decide(number, "approve")
    switched.becomes(number, "approved")
    # The plugin of Akismet asks again, by itself after a while.
    switched.blog.php("require 'wp-load.php'; Akismet::cron_recheck();")
    switched.becomes(unread, "approved")
    assert switched.shown(unread)["status"] == "approved"


def test_asking_again_does_not_publish_what_a_person_has_to_read(switched: Switched) -> None:
    switched.stack.signal("api", signal.SIGSTOP)
    try:
        unread = switched.blog.comment(ABUSIVE.format("down"))
    finally:
        switched.stack.signal("api", signal.SIGCONT)
    assert unread is not None
    switched.blog.php("require 'wp-load.php'; Akismet::cron_recheck();")
    assert switched.shown(unread)["status"] == "flagged"
    assert switched.blog.status(unread) == "unapproved"
    switched.decide(unread, "approve")
    switched.becomes(unread, "approved")


def test_without_the_plugin_of_akismet_everything_waits(switched: Switched) -> None:
    switched.blog.php("require 'wp-load.php'; update_option( 'active_plugins', array() );")
    try:
        number = switched.blog.comment(CIVIL[2])
    finally:
        switched.blog.php("require 'wp-load.php'; update_option( 'active_plugins', array( 'akismet/akismet.php' ) );")
    assert number is not None
    assert switched.blog.status(number) == "unapproved"


def test_a_comparison_finds_and_mends_what_was_changed_behind_our_back(switched: Switched) -> None:
    site = switched.stack.up.demo()["site"]
    number = flagged(switched, "behind")
    switched.decide(number, "approve")
    switched.becomes(number, "approved")
    switched.settled()
    switched.blog.php(f"require 'wp-load.php'; wp_set_comment_status( {number}, 'hold' );")
    said = switched.tidegate("publisher", "compare", switched.publisher, "--site", site, code=1)
    assert f"{switched.of(number)}  yes" in said
    assert "hold" in said
    switched.becomes(number, "approved")
    switched.settled()
    assert " 0 differ" in switched.tidegate("publisher", "compare", switched.publisher, "--site", site)


def test_a_publisher_with_the_wrong_password_or_too_few_rights_is_told_what_is_missing(switched: Switched) -> None:
    site = switched.stack.up.demo()["site"]
    for user, password, expected in (
        ("tidegate", "not it", "does not take the user name"),
        ("sue", switched.blog.application_password("sue"), "may not moderate comments"),
    ):
        options = ("--site", site, "--set", f"url={switched.blog.url}", "--set", f"username={user}")
        added = switched.tidegate("publisher", "add", "wordpress", *options, given=f"{password}\n").splitlines()[0]
        try:
            assert expected in switched.tidegate("publisher", "test", added, "--site", site, code=1)
        finally:
            switched.tidegate("publisher", "remove", added, "--site", site)


def test_wordpresss_own_export_comes_in_as_it_stands_and_what_came_through_us_is_known(
    switched: Switched, tmp_path: Path
) -> None:
    held, spam = flagged(switched, "export"), flagged(switched, "export spam")
    switched.decide(spam, "reject", reason=5)
    switched.becomes(spam, "spam")
    switched.settled()
    export = "require_once ABSPATH . 'wp-admin/includes/export.php'; export_wp( array( 'content' => 'all' ) );"
    written = switched.blog.php(f"require 'wp-load.php'; {export}")
    path = tmp_path / "blog.xml"
    path.write_text(written[written.index("<?xml") :])
    # WordPress leaves its spam out.
    numbers = {number: status for number in switched.blog.comments() if (status := switched.blog.status(number)) != "spam"}
    switched.tidegate("site", "add", "archive", "--title", "Archive", "--origin", "https://archive.example")
    came = json.loads(switched.tidegate("import", str(path), "--site", "archive", "--from", "wordpress", "--json"))
    assert (came["imported"], came["bad"]) == (len(numbers), 0)
    lines = map(json.loads, switched.tidegate("export", "-", "--site", "archive").splitlines()[1:])
    words = {"approved": "approved", "unapproved": "flagged", "trash": "rejected"}
    assert {line["external_id"]: line["status"] for line in lines} == {
        f"wordpress:{number}": words[status] for number, status in numbers.items()
    }
    assert numbers[held] == "unapproved"
    site = switched.stack.up.demo()["site"]
    again = json.loads(switched.tidegate("import", str(path), "--site", site, "--from", "wordpress", "--json"))
    # The comment of a fresh WordPress, and what was written while the Akismet plugin was off.
    fresh = [number for number in numbers if not switched.blog.meta(number, "tidegate_id")]
    assert fresh
    assert (again["imported"], again["known"], again["bad"]) == (len(fresh), len(numbers) - len(fresh), 0)


def test_the_blog_logs_no_warning_of_ours_and_tidegate_no_password(switched: Switched) -> None:
    log = switched.blog.log.read_text(errors="replace") if switched.blog.log.exists() else ""
    assert "tidegate-wordpress.php" not in log
    kept = [path for path in switched.stack.home.rglob("*") if path.is_file() and path.stat().st_size < 200_000_000]
    secret = switched.blog.password.encode()
    assert secret
    assert [path.name for path in kept if secret in path.read_bytes()] == []
    assert PASSWORD.encode() != secret
