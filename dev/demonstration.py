"""The three-minute demonstration: readers and moderators in Chromium before a running Tidegate, and what became of each comment.

``python -m dev.demonstration --home .tidegate`` drives the fresh instance whose home that is: a reader on the demo blog, two
moderators in the console (one at phone size, by keys alone), the worker and Valkey killed, and a real WordPress beside it all.
Each step says what happened and when; the first that goes wrong ends it with status 1. The instance must be started with
TIDEGATE_WEBHOOK_ALLOW=127.0.0.1, because that WordPress is on this machine. ``--without-wordpress`` leaves that step out.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from dev.thousand import TARGETS, processes
from tests.wordpress.blog import WordPress, package

ROOT: Final = Path(__file__).resolve().parents[1]
CHROMIUM: Final = "/usr/bin/chromium"
PHONE: Final = {"width": 390, "height": 780}
PATIENCE: Final = 30.0
"""Seconds that anything may take before the demonstration gives up."""
READERS: Final = 20
AT_ONCE: Final = 1.0
"""Seconds in which a civil comment is to be public."""

ARTICLE: Final = "arms-deliveries"
QUOTE: Final = (
    "A neighbour that can protect its power stations, the defence minister said, has no reason to look for targets further away."
)
ANGRY: Final = (
    f"“{QUOTE}” And it took you a year to find that out! Missiles have fallen on those towns since spring while this government"
    " counted shells. Send the missiles, send all of them, and be ashamed of every day of delay!"
)
DISGUISED: Final = "What a st*pid, w0rthless 1diot you are. Nobody wants you here."
SECOND_INSULT: Final = "You are a stupid, worthless idiot and everybody here hates you."
CIVIL: Final = (
    "My grandmother grew up beside that river and loved its old bridge.",
    "Could you publish the figures of the committee as a table as well, please?",
    "Forty thousand shells sounds like a lot until one divides it by days.",
    "I voted for them and I am still not sure whether this was right.",
    "Somebody should ask the railway people how that train will get there.",
    "The auditors need a key to the depots, or the numbers mean nothing.",
    "Two demonstrations thirty steps apart, and nobody was hurt. I like that.",
)
RUDE: Final = (
    "You pathetic little moron, crawl back under your rock.",
    "Shut your stupid mouth, you disgusting idiot, you make me sick.",
    "All of you commenters are worthless idiots and complete losers.",
)

TITLES: Final = (
    "An angry, civil comment full of missiles is public within a second",
    "A disguised insult is nudged, and posted anyway it is held",
    "A moderator rejects it on a phone with two keys",
    "Its author reads why, and asks for a second look",
    "A colleague is faster, and the slower one is told",
    "A wrong decision is undone, and the comment is back on the blog",
    "Worker and Valkey are killed, ten comments are posted",
    "WordPress shows a flagged comment as Pending until it is approved here",
)


class Wrong(Exception):
    """A step did not do what it promises."""


@dataclass
class Shown:
    """What is printed: each step's title with the time since the beginning, and below it what happened."""

    began: float = field(default_factory=time.monotonic)
    _steps: int = 0

    def step(self) -> None:
        """Begin the next step."""
        print(f"\n[{time.monotonic() - self.began:5.1f} s] {self._steps + 1}. {TITLES[self._steps]}", flush=True)
        self._steps += 1

    def say(self, words: str) -> None:
        """Say what happened, in one line."""
        print(f"          {words}", flush=True)


class Instance:
    """A running Tidegate, as the blog's server and whoever runs it see it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        try:
            self.demo: dict[str, str] = json.loads((home / "demo.json").read_text())
        except FileNotFoundError:
            raise Wrong(f"nothing was ever started in {home}: run `make up` first") from None
        self.base_url = self.demo["base_url"]
        self.article = f"{self.demo['demo_blog_url']}/{ARTICLE}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send a request with the blog's secret key."""
        headers = {"Authorization": f"Bearer {self.demo['secret_key']}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.base_url + path, data=data, method=method, headers=headers)
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            raise Wrong(f"{method} {path}: {error.code} {error.read().decode()[:300]}") from None
        except URLError as error:
            raise Wrong(f"{self.base_url} does not answer: {error.reason}") from None

    def read_by_many(self) -> None:
        """Let readers come by, until each process of the API has loaded what it loads with its first reader."""
        query = urlencode({"post": ARTICLE, "url": self.article})
        headers = {"Authorization": f"Bearer {self.demo['publishable_key']}"}
        for _ in range(READERS):
            with urlopen(Request(f"{self.base_url}/v1/threads?{query}", headers=headers), timeout=PATIENCE) as answer:
                answer.read()

    def public(self) -> str:
        """Return the comments of the article as every reader gets them, without a key."""
        query = urlencode({"post": ARTICLE, "url": self.article})
        with urlopen(f"{self.base_url}/s/{self.demo['site']}/fragment?{query}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def post(self, body: str, name: str) -> str:
        """Send a comment as the blog's server does and return its id."""
        post = {"id": ARTICLE, "url": self.article}
        return str(self.call("POST", "/v1/comments", {"post": post, "author": {"name": name}, "body": body})["id"])

    def status(self, comment_id: str) -> str:
        """Return where a comment stands."""
        return str(self.call("GET", f"/v1/comments/{comment_id}")["status"])

    def tidegate(self, *arguments: str, given: str = "") -> str:
        """Run a command of the installation."""
        environment = {
            **os.environ,
            "TIDEGATE_HOME": str(self.home),
            "PUBLIC_URL": self.base_url,
            "TIDEGATE_WEBHOOK_ALLOW": "127.0.0.1",
        }
        command = [sys.executable, "-m", "moderation.cli", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
        if done.returncode != 0:
            raise Wrong(f"tidegate {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()


def until(what: str, condition: Callable[[], object], *, patience: float = PATIENCE) -> float:
    """Wait until something is so and return the seconds that it took; raises Wrong."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience:
            raise Wrong(f"after {patience:.0f} s still not: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


class Reader:
    """Somebody on the demo blog."""

    def __init__(self, browser: Browser, instance: Instance, name: str) -> None:
        self.name = name
        self.page = open_page(browser)
        self.page.goto(instance.article)
        self.status = self.page.locator("[part=status]")
        self.own = self.page.get_by_role("article", name="Your comment")

    def write(self, body: str) -> None:
        """Fill the form and send it."""
        self.page.get_by_label("Your name").fill(self.name)
        self.page.get_by_role("textbox", name="Your comment").fill(body)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def insist(self) -> str:
        """Post in spite of the nudge and return what it said."""
        nudge = self.page.get_by_role("group", name="Before you post")
        expect(nudge).to_be_visible()
        said = " ".join(nudge.inner_text().split())
        nudge.get_by_role("button", name="Post it; a moderator reads it first").click()
        expect(self.status).to_contain_text("A person will read this before it appears")
        return said


class Moderator:
    """Somebody in the console."""

    def __init__(self, browser: Browser, instance: Instance, name: str, **options: Any) -> None:
        self.name = name
        self.instance = instance
        email = f"{name.lower()}@demo.example"
        site = ("--site", instance.demo["site"])
        instance.tidegate("moderator", "add", email, *site, "--name", name)
        self.page = open_page(browser, **options)
        self.page.goto(instance.tidegate("moderator", "link", email, *site))
        self.page.get_by_role("button", name=f"Sign in as {name}").click()
        self.card = self.page.locator("article.card")
        expect(self.page.locator("#card-title")).to_be_visible()

    def open(self, tab: str, words: str) -> None:
        """Open the card of the comment that begins with those words."""
        self.page.goto(f"{self.instance.base_url}/console/queue?tab={tab}")
        link = self.page.locator("a[data-case]", has_text=words)
        if link.get_attribute("aria-current") is None:
            link.click()
        expect(self.card.locator(".body")).to_contain_text(words)
        expect(self.page.locator("#work")).not_to_have_attribute("aria-busy", "true")

    def press(self, keys: str, *, then: str) -> str:
        """Press keys, one after the other, and return what the console says, which begins with ``then``."""
        for key in keys.split():
            self.page.keyboard.press(key)
        expect(self.page.locator("#notice")).to_contain_text(then)
        expect(self.page.locator("#work")).not_to_have_attribute("aria-busy", "true")
        return " ".join(self.page.locator("#notice p").inner_text().split())


def open_page(browser: Browser, **options: Any) -> Page:
    """Open a page of a new person's browser, in which no dialog and no uncaught error passes."""
    context = browser.new_context(locale="en-GB", **options)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.on("pageerror", lambda error: sys.exit(f"uncaught in a page: {error}"))
    return page


def civil_and_insult(shown: Shown, browser: Browser, instance: Instance) -> Reader:
    """Show steps 1 and 2: what is heated is public, what is hostile waits."""
    shown.step()
    rita = Reader(browser, instance, "Rita")
    expect(rita.page.get_by_role("heading", name="No comments")).to_be_visible()
    shown.say('The article says "No comments".')
    rita.write(ANGRY)
    took = until("the comment is public", lambda: "Send the missiles, send all of them" in instance.public())
    expect(rita.status).to_have_text("Published. Thank you for joining in.")
    if took > AT_ONCE:
        raise Wrong(f"it took {took:.2f} s")
    shown.say(f'Public {took:.2f} s after "Send" was pressed; its author reads: {rita.status.inner_text()}')

    shown.step()
    tom = Reader(browser, instance, "Tom")
    tom.write(DISGUISED)
    shown.say(tom.insist())
    shown.say(f"Posted anyway: {tom.status.inner_text()}")
    if "1diot" in instance.public():
        raise Wrong("the insult is public")
    return tom


def second_look(shown: Shown, tom: Reader, mona: Moderator) -> None:
    """Show steps 3 and 4: rejected with two keys, and its author is told."""
    shown.step()
    mona.open("all", "1diot")
    why = " ".join(mona.card.locator(".why li").first.inner_text().split())
    shown.say(f"Why it is here: {why}")
    shown.say(f"r 1: {mona.press('r 1', then='Rejected: Personal attack.')}")

    shown.step()
    # A page whose comment waits for a person asks every thirty seconds.
    expect(tom.own).to_contain_text("We did not publish this", timeout=2000 * PATIENCE)
    shown.say(" ".join(tom.own.locator("p", has_text="We did not publish").inner_text().split()))
    tom.own.get_by_role("button", name="Ask for a second look").click()
    expect(tom.status).to_contain_text("Another person will read it again")
    shown.say(tom.status.inner_text())


def colleague(shown: Shown, browser: Browser, instance: Instance, mona: Moderator, noor: Moderator) -> None:
    """Show step 5: two at one comment."""
    shown.step()
    ben = Reader(browser, instance, "Ben")
    ben.write(SECOND_INSULT)
    ben.insist()
    noor.open("all", SECOND_INSULT)
    mona.open("all", SECOND_INSULT)
    at_work = mona.card.get_by_text("is at work on this case")
    expect(at_work.first).to_be_visible()
    shown.say(f"Mona opens the same card: {at_work.first.inner_text()}")
    shown.say(f"Noor, r 1: {noor.press('r 1', then='Rejected: Personal attack.')}")
    shown.say(f"Mona, a: {mona.press('a', then='Your approval was not applied.')}")
    mona.page.get_by_role("link", name="Keep it").click()


def undone(shown: Shown, browser: Browser, instance: Instance, mona: Moderator) -> None:
    """Show step 6: out of the blog, and back."""
    shown.step()
    words, begins = "Send the missiles, send all of them", QUOTE[:60]
    eva = Reader(browser, instance, "Eva")
    eva.page.get_by_role("button", name="Report the comment by Rita").click()
    eva.page.get_by_label("It is off topic").check()
    eva.page.get_by_role("button", name="Report it").click()
    expect(eva.page.get_by_text("Thank you. A moderator will look.")).to_be_visible()
    shown.say("A reader reports the angry comment; Mona rejects it by mistake.")
    mona.open("reported", begins)
    mona.press("r 7", then="Rejected: Off topic.")
    gone = until("gone from the blog", lambda: words not in instance.public())
    shown.say(f"r 7: gone from the blog after {gone:.2f} s.")
    said = mona.press("u", then="Undone")
    back = until("back on the blog", lambda: words in instance.public())
    shown.say(f"u: {said} Seen there after {back:.2f} s.")
    mona.press("a", then="Approved.")


def killed(shown: Shown, instance: Instance) -> None:
    """Show step 7: nothing is lost, and nothing is public unread."""
    shown.step()
    texts = [*CIVIL, *RUDE]
    ids = []
    for number, text in enumerate(texts):
        if number in {0, 5}:
            victims = {name: processes(instance.home, TARGETS[name]) for name in ("moderate child", "moderate worker", "valkey")}
            for pid in itertools.chain(*victims.values()):
                os.kill(pid, signal.SIGKILL)
            shown.say(f"kill -9: {', '.join(name for name, pids in victims.items() if pids)}")
        ids.append(instance.post(text, f"Reader {number + 1}"))
    page = instance.public()
    early = [text for text, each in zip(texts, ids, strict=True) if text in page and instance.status(each) != "approved"]
    if early:
        raise Wrong(f"public unread: {early}")
    waiting = sum(instance.status(each) == "pending" for each in ids)
    shown.say(f"Ten comments accepted; {waiting} wait to be read, none of them is public.")
    took = until("all ten are decided", lambda: all(instance.status(each) != "pending" for each in ids), patience=60)
    page = instance.public()
    public = [text in page for text in texts]
    if public[len(CIVIL) :] != [False] * len(RUDE):
        raise Wrong("an insult is public")
    statuses = [instance.status(each) for each in ids]
    shown.say(
        f"{took:.1f} s later all ten are decided: {statuses.count('approved')} approved, {statuses.count('flagged')} before a"
        f" moderator; {sum(public)} are public, and no insult is."
    )


@contextmanager
def switched(instance: Instance) -> Iterator[WordPress]:
    """Run a WordPress whose comments go through the instance."""
    site = ("--site", instance.demo["site"])
    with tempfile.TemporaryDirectory(prefix="tidegate-demonstration-") as folder:
        blog = WordPress(Path(folder), package(ROOT / ".wordpress"))
        with urlopen(f"{instance.base_url}/downloads/tidegate-wordpress.php", timeout=PATIENCE) as answer:
            plugin = answer.read().decode()
        try:
            blog.start(plugin=plugin, key=instance.tidegate("key", "add", *site, "--kind", "door", "--name", "wordpress"))
            options = ("--set", f"url={blog.url}", "--set", "username=tidegate")
            instance.tidegate("publisher", "add", "wordpress", *site, *options, given=blog.password + "\n")
            yield blog
        finally:
            blog.stop()


def wordpress(shown: Shown, instance: Instance, noor: Moderator) -> None:
    """Show step 8: the blog that most people have."""
    shown.step()
    with switched(instance) as blog:
        version = blog.ask("get_bloginfo( 'version' )")
        shown.say(f"WordPress {version} with the Akismet plugin, pointed at Tidegate, is ready.")
        words = "You are a worthless, stupid idiot, and this blog would be better without you."
        number = blog.comment(words)
        if number is None or blog.status(number) != "unapproved" or words in blog.page():
            raise Wrong("the comment is not pending in WordPress")
        shown.say(f"Its list says Pending, and: {blog.meta(number, 'tidegate_said')}")
        noor.open("all", words)
        shown.say(f"a: {noor.press('a', then='Approved.')}")
        took = until("published in WordPress", lambda: blog.status(number) == "approved")
        if words not in blog.page():
            raise Wrong("it is not on the page")
        shown.say(f"Published by WordPress {took:.1f} s later, and on its page.")


def demonstrate(instance: Instance, *, with_wordpress: bool) -> None:
    """Run all steps; raises Wrong, or what Playwright raises where a page does not show what it ought to."""
    if instance.call("GET", "/v1/comments?limit=1")["items"]:
        raise Wrong(f"there are comments already: begin with a fresh home (stop it, remove {instance.home}, start it)")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        instance.read_by_many()
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        mona = Moderator(browser, instance, "Mona", viewport=PHONE, has_touch=True, is_mobile=True)
        noor = Moderator(browser, instance, "Noor")
        shown = Shown()
        tom = civil_and_insult(shown, browser, instance)
        second_look(shown, tom, mona)
        colleague(shown, browser, instance, mona, noor)
        undone(shown, browser, instance, mona)
        killed(shown, instance)
        if with_wordpress:
            wordpress(shown, instance, noor)
        print(f"\nDone in {time.monotonic() - shown.began:.0f} s." + ("" if with_wordpress else " Left out: WordPress."))
        browser.close()


def main() -> int:
    """Run; 0 when everything was as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--home", type=Path, default=Path(".tidegate"))
    parser.add_argument("--without-wordpress", action="store_true", help="leave the last step out")
    options = parser.parse_args()
    try:
        demonstrate(Instance(options.home.resolve()), with_wordpress=not options.without_wordpress)
    except (Wrong, AssertionError, PlaywrightError) as wrong:
        print(f"\nFAILED: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
