"""Whether answers of the bridge are as its OpenAPI document says."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from stream.bridge import openapi

Node = dict[str, Any]


@cache
def described() -> Node:
    return openapi.document()


def answers_to(method: str, path: str) -> Node:
    """Return the answers that a request may get, by status."""
    operations = described()["paths"].get(path)
    everywhere = described()["components"]["responses"]
    if operations is None:
        return {"404": everywhere["NotFound"]}
    unknown = {"responses": {"405": everywhere["MethodNotAllowed"]}}
    answers: Node = operations.get(method.lower(), unknown)["responses"]
    return answers


def conforms(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail unless the document tells of such an answer; header names are in lower case."""
    answers = answers_to(method, path)
    assert str(status) in answers, f"{method} {path} answers {status}, which is not in the document"
    answer = _resolved(answers[str(status)])
    missing = [name for name in answer["headers"] if name.lower() not in headers]
    assert not missing, f"{method} {path} answers {status} without {missing}"
    if method == "HEAD":
        assert body == b""
        return
    ((media_type, content),) = answer["content"].items()
    assert headers["content-type"].split(";")[0] == media_type
    if media_type != "text/plain":
        validator(json.dumps(content["schema"], sort_keys=True)).validate(json.loads(body))


@cache
def validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": described()["components"]})


def _resolved(node: Node) -> Node:
    return described()["components"]["responses"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
