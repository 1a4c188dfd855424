"""Akismet's clients against the Akismet door: at the address that they are told, or with their host redirected."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.conftest import Service

pytestmark = [pytest.mark.clients, pytest.mark.slow]

SPAM_AUTHOR = "akismet-guaranteed-spam"
BLOG = "https://clients.example"

PYPI = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
import akismet, httpx
url, key = sys.argv[1:]
class Here(httpx.HTTPTransport):
    def handle_request(self, request):
        request.url = httpx.URL(url).copy_with(raw_path=request.url.raw_path)
        return super().handle_request(request)
def client(key):
    http = httpx.Client(transport=Here(), timeout=1.0)
    return akismet.SyncClient(config=akismet.Config(key=key, url="https://clients.example"), http_client=http)
"""


def test_pypi_akismet_gets_what_its_own_live_tests_expect(service: Service, python: Any) -> None:
    program = (
        PYPI
        + """
good, bad = client(key), client("abcdefghijkl")
asked = {"user_ip": "192.0.2.7", "comment_content": "test"}
def refused(call, **given):
    try:
        return call(**given)
    except akismet.APIKeyError:
        return "APIKeyError"
limit = good.usage_limit()
print(json.dumps([
    good.verify_key(), bad.verify_key("abcdefghijkl", "https://clients.example"),
    good.comment_check(comment_author="akismet-guaranteed-spam", **asked).name,
    good.comment_check(user_role="administrator", **asked).name,
    good.submit_ham(user_role="administrator", is_test=True, **asked), good.submit_spam(is_test=True, **asked),
    [refused(call, **asked) for call in (bad.comment_check, bad.submit_ham, bad.submit_spam)],
    [refused(call) for call in (bad.key_sites, bad.usage_limit)],
    [limit["limit"], limit["throttled"]],
]))
"""
    )
    assert python(program, service.url, service.door) == [
        True, False, "SPAM", "HAM", True, True, ["APIKeyError"] * 3, ["APIKeyError"] * 2, ["none", False],
    ]  # fmt: skip


def test_pypi_akismet_has_its_answer_within_its_second_with_eight_at_once(service: Service, python: Any) -> None:
    program = (
        PYPI
        + """
good = client(key)
words = "I disagree with what the minister said on the treaty, number %d, and this is why I think so. "
def one(number):
    began = time.monotonic()
    found = good.comment_check(user_ip="192.0.2.7", comment_author="Reader %d" % number, permalink=url + "/post",
                               comment_content=(words % number) * 20)
    return [found.name, time.monotonic() - began]
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(one, range(8)))))
"""
    )
    found = python(program, service.url, service.door)
    assert {name for name, _ in found} <= {"HAM", "SPAM"}
    assert max(seconds for _, seconds in found) < 1.0


def test_python_akismet_finds_its_key_in_the_host(service: Service, python: Any) -> None:
    program = """
import json, socket, sys
from akismet import Akismet
url, key = sys.argv[1:]
host = url.split("//")[1]
Akismet.protocol, Akismet.domain = "http", host
find = socket.getaddrinfo
socket.getaddrinfo = lambda name, *rest, **more: find("127.0.0.1" if name.endswith("localhost") else name, *rest, **more)
Akismet.domain = "localhost:" + host.rpartition(":")[2]
client = Akismet(key, "https://clients.example")
print(json.dumps([client.check("192.0.2.7", "agent", comment_author="viagra-test-123", comment_content="x"),
                  client.check("192.0.2.7", "agent", user_role="administrator", comment_content="x")]))
"""
    assert python(program, service.url, service.door, apart="python-akismet") == [2, 0]


def test_akismet_api_finds_its_key_in_the_host(service: Service, node: Any) -> None:
    program = """
const dns = require('dns');
const find = dns.lookup;
dns.lookup = (name, ...rest) => find(name.endsWith('localhost') ? '127.0.0.1' : name, ...rest);
const { AkismetClient } = require('akismet-api');
const [port, key] = process.argv.slice(1);
(async () => {
  const client = new AkismetClient({ key, blog: 'https://clients.example', host: 'localhost:' + port, protocol: 'http' });
  const asked = { user_ip: '192.0.2.7', user_agent: 'agent', is_test: true };
  console.log(JSON.stringify([
    await client.verifyKey(),
    await client.checkSpam({ ...asked, comment_author_email: 'akismet-guaranteed-spam@example.com' }),
    await client.checkSpam({ ...asked, user_role: 'administrator' }),
    await client.submitHam(asked).then(() => 'taken'), await client.submitSpam(asked).then(() => 'taken'),
  ]));
})();
"""
    port = str(urlsplit(service.url).port)
    assert node(program, port, service.door) == [True, True, False, "taken", "taken"]


def test_cedx_akismet_is_served_at_its_base_address(service: Service, node: Any) -> None:
    program = """
const [url, key] = process.argv.slice(1);
import('CEDX').then(async ({ Author, Blog, CheckResult, Client, Comment }) => {
  const client = new Client(key, new Blog({ url: 'https://clients.example' }), { baseUrl: url, isTest: true });
  const agent = { ipAddress: '192.0.2.7', userAgent: 'agent' };
  const ham = new Comment({ author: new Author({ ...agent, name: 'Akismet', role: 'administrator' }), content: 'Thank you.' });
  const spam = new Comment({ author: new Author({ ...agent, name: 'viagra-test-123' }), content: 'Spam!' });
  console.log(JSON.stringify([
    await client.verifyKey(), await new Client('abcdefghijkl', client.blog, { baseUrl: url }).verifyKey(),
    await client.checkComment(ham) === CheckResult.ham, await client.checkComment(spam) !== CheckResult.ham,
    await client.submitHam(ham).then(() => 'taken'), await client.submitSpam(spam).then(() => 'taken'),
  ]));
});
"""
    # An ECMAScript module is not looked for along NODE_PATH.
    found = node("console.log(JSON.stringify(require.resolve('@cedx/akismet')))")
    assert node(program.replace("CEDX", found), service.url, service.door) == [True, False, True, True, "taken", "taken"]
