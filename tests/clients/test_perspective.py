"""Perspective's clients, unchanged but for the address, against the running door.

Where a client holds Google's address in its code, the program around it rewrites the address on its way out, as a proxy would.
"""

import json
from typing import Any, Final

import pytest
from sqlalchemy import select

from moderation.models import Label
from tests.clients.conftest import Service

pytestmark = [pytest.mark.clients, pytest.mark.slow]

CIVIL: Final = "Thank you for this clear and patient article."
ABUSIVE: Final = "You are a stupid, worthless idiot and everybody here hates you."

REWRITTEN: Final = """
import json, sys
GOOGLE, (URL, KEY, *TEXTS) = "https://commentanalyzer.googleapis.com", sys.argv[1:]
def ours(address):
    return str(address).replace(GOOGLE, URL)
"""
HTTPLIB2: Final = (
    REWRITTEN
    + """
import httplib2
asked = httplib2.Http.request
def ask(self, uri, *args, **named):
    # The discovery document names Google's address again, as it would with that as PUBLIC_URL: clients look for it in errors.
    response, content = asked(self, ours(uri), *args, **named)
    return response, content.replace(URL.encode(), GOOGLE.encode())
httplib2.Http.request = ask
"""
)
REQUESTS: Final = (
    REWRITTEN
    + """
import requests
asked = requests.Session.request
requests.Session.request = lambda self, method, url, *args, **named: asked(self, method, ours(url), *args, **named)
"""
)


def of(service: Service, *texts: str, key: str | None = None) -> tuple[str, ...]:
    return service.url, service.door if key is None else key, *(texts or (CIVIL, ABUSIVE))


def check(civil: float, abusive: float) -> None:
    assert 0 <= civil < 0.3
    assert 0.6 < abusive <= 1


def labelled(service: Service, token: str) -> Label:
    with service.database.reading() as session:
        (found,) = session.scalars(select(Label).where(Label.token == token))
        session.expunge(found)
        return found


def test_googles_own_client_by_the_discovery_document(service: Service, python: Any) -> None:
    program = (
        REWRITTEN
        + """
from googleapiclient import discovery
from googleapiclient.errors import HttpError
def build(key):
    return discovery.build("commentanalyzer", "v1alpha1", developerKey=key, static_discovery=False,
        discoveryServiceUrl=URL + "/$discovery/rest?version=v1alpha1", client_options={"api_endpoint": URL})
comments = build(KEY).comments()
def analyze(text, **more):
    body = {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}, "SPAM": {}}, "languages": ["en"], **more}
    return comments.analyze(body=body).execute(num_retries=2)
found = [analyze(text, clientToken="t", spanAnnotations=True) for text in TEXTS]
told = comments.suggestscore(body={"comment": {"text": TEXTS[0]}, "clientToken": "google-1",
    "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0}}}}).execute()
def refused(call):
    try:
        call()
    except HttpError as error:
        return [error.status_code, error.reason, error.error_details]
faults = [refused(lambda: analyze("")), refused(lambda: analyze(TEXTS[0], languages=["de"])), refused(lambda: build("wrong"))]
print(json.dumps([found, told, faults]))
"""
    )
    found, told, faults = python(program, *of(service))
    check(*(each["attributeScores"]["TOXICITY"]["summaryScore"]["value"] for each in found))
    assert [each["clientToken"] for each in found] == ["t", "t"]
    assert told == {"clientToken": "google-1"}
    assert labelled(service, "google-1").values == {"TOXICITY": {"summary": 0.0}}
    assert [fault[:2] for fault in faults] == [
        [400, "Comment must be non-empty."],
        [400, "Attribute TOXICITY does not support request languages: de"],
        [400, "API key not valid. Please pass a valid API key."],
    ]
    assert faults[1][2][0]["languageNotSupportedByAttributeError"]["attribute"] == "TOXICITY"


def test_begentle(service: Service, python: Any) -> None:
    program = f"{HTTPLIB2}\nimport begentle\nprint(json.dumps([begentle.CommentAnalyzer(KEY).analyze(text) for text in TEXTS]))"
    # The module itself asks Google's address with a name that it does not define; only its class can be used.
    program = program.replace("import begentle", "import builtins; builtins.API_KEY = KEY; import begentle")
    check(*python(program, *of(service)))


def test_perspective_py_asks_for_all_names_and_tells_wrong_keys_and_languages(service: Service, python: Any) -> None:
    program = (
        HTTPLIB2
        + """
from perspective import Client, Attributes
from perspective.errors import UnsupportedLanguage
client = Client(token=KEY)
found = [client.analyze(text, attributes=Attributes.All, language="en") for text in TEXTS]
try:
    client.analyze(TEXTS[0], attributes=["FLIRTATION"], language="id")
    language = None
except UnsupportedLanguage as error:
    language = str(error)
try:
    Client(token="wrong")
    key = None
except Exception as error:
    key = type(error).__name__
print(json.dumps([found, language, key]))
"""
    )
    found, language, key = python(program, *of(service), apart="perspective.py")
    assert [len(each) for each in found] == [22, 22]
    check(*(each["TOXICITY"] / 100 for each in found))
    assert 'Indonesian (id) is not supported by "FLIRTATION"' in language
    assert key == "InvalidToken"


def test_perspective(service: Service, python: Any) -> None:
    program = (
        REWRITTEN
        + """
from perspective import PerspectiveAPI
client = PerspectiveAPI(KEY)
client.api_client.url = ours(client.api_client.url)
found = [client.analyze_comment(text, languages=["en"], do_not_store=True, client_token="t") for text in TEXTS]
client.suggest_score(TEXTS[1], {"TOXICITY": {"summaryScore": {"value": 1.0}}}, client_token="perspective-1")
print(json.dumps([each["attributeScores"]["TOXICITY"]["summaryScore"]["value"] for each in found]))
"""
    )
    check(*python(program, *of(service), apart="perspective"))
    assert labelled(service, "perspective-1").body == ABUSIVE


def test_perspectiveapi(service: Service, python: Any) -> None:
    program = (
        REWRITTEN
        + """
import httpx
asked = httpx.Client.post
httpx.Client.post = lambda self, url, **named: asked(self, ours(url), **named)
from perspective.blocking import Perspective
from perspective.models import Attribute
client = Perspective(KEY)
found = [client.score(text, list(Attribute)) for text in TEXTS]
print(json.dumps([[each.toxicity, each.flirtation] for each in found]))
"""
    )
    civil, abusive = python(program, *of(service), apart="perspectiveapi")
    check(civil[0], abusive[0])
    assert isinstance(civil[1], float)


def test_pyperspective_tries_its_key_with_an_empty_body(service: Service, python: Any) -> None:
    program = (
        REWRITTEN
        + """
import PyPerspective.Perspective as module
module.base_url = ours(module.base_url)
client = module.Perspective(KEY)
found = [client.get_score(text, tests=["TOXICITY", "FLIRTATION"]) for text in TEXTS]
try:
    module.Perspective("wrong")
    key = None
except module.InvalidAuthKey as error:
    key = type(error).__name__
print(json.dumps([[each["TOXICITY"].score for each in found], key]))
"""
    )
    values, key = python(program, *of(service))
    check(*values)
    assert key == "InvalidAuthKey"


def test_pyspective(service: Service, python: Any) -> None:
    program = (
        REQUESTS
        + """
import pyspective.pyspective as module
client = module.PyspectiveAPI(KEY)
print(json.dumps([[client.score(text) for text in TEXTS], client.suggest(TEXTS[1], 0.9)]))
"""
    )
    found, said = python(program, *of(service))
    assert [len(each) for each in found] == [8, 8]
    check(*(each["TOXICITY"] for each in found))
    assert said == "Successed"


def test_perspective_api_client_for_node(service: Service, node: Any) -> None:
    program = """
const [url, key, ...texts] = process.argv.slice(1);
const axios = require("axios");
axios.interceptors.request.use((config) => {
  config.url = config.url.replace("https://commentanalyzer.googleapis.com", url);
  return config;
});
const Perspective = require("perspective-api-client");
const client = new Perspective({apiKey: key});
(async () => {
  const found = [];
  for (const text of texts) found.push(await client.analyze(text, {attributes: ["TOXICITY", "SPAM"], doNotStore: true}));
  const below = await client.analyze(texts[0], {attributes: {TOXICITY: {scoreThreshold: 0.9}}});
  const fault = await new Perspective({apiKey: "wrong"}).analyze(texts[0]).catch((error) => error.message);
  console.log(JSON.stringify([found, below, fault]));
})();
"""
    found, below, fault = node(program, *of(service))
    check(*(each["attributeScores"]["TOXICITY"]["summaryScore"]["value"] for each in found))
    assert below == {"languages": ["en"], "detectedLanguages": ["en"]}
    assert fault == "API key not valid. Please pass a valid API key."


def test_googles_client_for_node_by_the_discovery_document(service: Service, node: Any) -> None:
    program = """
const [url, key, ...texts] = process.argv.slice(1);
const {Discovery} = require("googleapis-common");
(async () => {
  const build = await new Discovery({debug: false}).discoverAPI(`${url}/$discovery/rest?version=v1alpha1`);
  const client = build({auth: key});
  const found = [];
  for (const text of texts) {
    const resource = {comment: {text}, requestedAttributes: {TOXICITY: {}}};
    found.push((await client.comments.analyze({resource, key})).data);
  }
  console.log(JSON.stringify(found));
})();
"""
    found = node(program, *of(service))
    check(*(each["attributeScores"]["TOXICITY"]["summaryScore"]["value"] for each in found))


def test_what_coral_sends_is_answered_within_its_800_milliseconds(service: Service, node: Any) -> None:
    """Coral itself is no package: this is its request as its source makes it, by its HTTP client and with its settings."""
    program = """
const [origin, key, ...texts] = process.argv.slice(1);
const axios = require("axios"), path = require("path");
const ask = async (method, body) => {
  const url = new URL(`${origin}/v1alpha1`.trim());
  url.pathname = path.join(url.pathname, `/comments:${method}`);
  url.searchParams.set("key", key.trim());
  const options = {timeout: 800, maxRedirects: 0, headers: {"Content-Type": "application/json"}};
  return (await axios.post(url.toString(), JSON.stringify(body), options)).data;
};
(async () => {
  const found = [];
  for (const text of texts) {
    found.push(await ask("analyze", {comment: {text}, doNotStore: true, requestedAttributes: {TOXICITY: {}}, languages: ["en"]}));
  }
  const about = {url: "https://a.example", reply_to_id_Coral_comment_id: "", Coral_comment_id: "7"};
  const told = await ask("suggestscore", {
    comment: {text: texts[1]},
    context: {entries: [{text: JSON.stringify(about)}]},
    attributeScores: {TOXICITY: {summaryScore: {value: 1}}},
    languages: ["en"],
    communityId: "Coral:https://a.example",
    clientToken: "comment:7",
  });
  console.log(JSON.stringify([found, told]));
})();
"""
    found, told = node(program, *of(service))
    check(*(each["attributeScores"]["TOXICITY"]["summaryScore"]["value"] for each in found))
    assert told == {"clientToken": "comment:7"}
    label = labelled(service, "comment:7")
    assert (label.community, label.values) == ("Coral:https://a.example", {"TOXICITY": {"summary": 1.0}})


def test_no_key_and_no_text_stands_in_any_log(service: Service, python: Any) -> None:
    program = (
        REWRITTEN
        + """
from urllib.request import Request, urlopen
with urlopen(Request(URL + "/v1alpha1/comments:analyze?key=" + KEY, data=TEXTS[0].encode())) as answer:
    print(json.dumps(answer.status))
"""
    )
    body = json.dumps({"comment": {"text": ABUSIVE}, "requestedAttributes": {"TOXICITY": {}}})
    assert python(program, *of(service, body)) == 200
    logs = [path.read_text() for path in (service.up.home / "logs").glob("*.log")]
    assert any("/v1alpha1/comments:analyze" in log for log in logs)
    assert not any(service.door in log or ABUSIVE in log for log in logs)
