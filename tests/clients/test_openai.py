"""OpenAI's own clients against the moderations door, by their documented setting for the address and nothing else."""

from typing import Any

import pytest

from tests.clients.conftest import Service
from tests.docs.pages import PUBLIC, blocks

pytestmark = [pytest.mark.clients, pytest.mark.slow]

ABUSIVE = "You are a stupid, worthless idiot and everybody here hates you."
CIVIL = "I disagree with the treaty, but thank you for this clear article."


def test_the_python_client_parses_every_answer_strictly(service: Service, python: Any) -> None:
    program = """
import json, sys
from openai import OpenAI
url, key, abusive, civil = sys.argv[1:]
client = OpenAI(api_key=key, base_url=url + "/v1", _strict_response_validation=True)
one = client.moderations.create(input=abusive, model="omni-moderation-latest")
many = client.moderations.create(input=[civil, abusive])
parts = client.moderations.create(input=[{"type": "text", "text": civil}, {"type": "text", "text": abusive}])
result = one.results[0]
print(json.dumps({
    "id": one.id, "request": one._request_id, "flagged": [[r.flagged for r in found.results] for found in (one, many, parts)],
    "harassment": [result.categories.harassment, result.category_scores.harassment],
    "types": result.category_applied_input_types.model_dump(by_alias=True), "unbacked": result.category_scores.self_harm_intent,
}))
"""
    found = python(program, service.url, service.door, ABUSIVE, CIVIL)
    assert found["id"].startswith("modr-")
    assert found["request"]
    assert found["flagged"] == [[True], [False, True], [True]]
    assert found["harassment"][0] is True
    assert found["harassment"][1] >= 0.4
    assert len(found["types"]) == 13
    assert found["unbacked"] == 0.0


def test_the_example_of_the_migration_page_is_what_the_python_client_wants(service: Service, python: Any) -> None:
    (example,) = blocks("migrate/openai.md", "python")
    program = example.replace(PUBLIC, service.url).replace('"KEY"', repr(service.door))
    assert python(f"{program}\nfound = client.moderations.create(input='x')\nprint(len(found.results))") == 1


def test_the_python_client_knows_each_of_our_errors(service: Service, python: Any) -> None:
    program = """
import json, sys
import openai
url, key, civil = sys.argv[1:]
image = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
found = []
for shown, given in ((key, []), (key, image), ("abcdefghijkl", civil)):
    client = openai.OpenAI(api_key=shown, base_url=url + "/v1", max_retries=0)
    try:
        client.moderations.create(input=given)
    except openai.APIStatusError as error:
        found.append([type(error).__name__, error.status_code, error.code, error.type, error.param, bool(error.request_id)])
print(json.dumps(found))
"""
    assert python(program, service.url, service.door, CIVIL) == [
        ["BadRequestError", 400, "empty_array", "invalid_request_error", "input", True],
        ["BadRequestError", 400, "image_not_supported", "invalid_request_error", "input", True],
        ["AuthenticationError", 401, "invalid_api_key", "invalid_request_error", None, True],
    ]


def test_the_node_client_is_served(service: Service, node: Any) -> None:
    program = """
const OpenAI = require('openai');
const [url, key, abusive, civil] = process.argv.slice(1);
(async () => {
  const client = new OpenAI({ apiKey: key, baseURL: url + '/v1' });
  const found = await client.moderations.create({ input: [civil, abusive] });
  let refused;
  try {
    await new OpenAI({ apiKey: 'abcdefghijkl', baseURL: url + '/v1', maxRetries: 0 }).moderations.create({ input: civil });
  } catch (error) { refused = [error.constructor.name, error.status, error.code]; }
  console.log(JSON.stringify({
    flagged: found.results.map(each => each.flagged), names: Object.keys(found.results[0].categories).length,
    request: Boolean(found._request_id), refused,
  }));
})();
"""
    assert node(program, service.url, service.door, ABUSIVE, CIVIL) == {
        "flagged": [False, True],
        "names": 13,
        "request": True,
        "refused": ["AuthenticationError", 401, "invalid_api_key"],
    }
