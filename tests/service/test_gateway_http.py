"""The gateway as any HTTP client meets it: HEAD, encodings of bodies and answers, parameters that are none, paths that
are none."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from .gateway_fixtures import gateway_server, http_client
from .test_gateway_errors import problem

NEAR = {"delivery_id": "delivery_near"}
PACKED = gzip.compress(b"{}", mtime=0)
GZIPPED = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


@pytest.mark.parametrize("path", ["/health", "/features/delivery_near", "/features/batch", "/docs", "/openapi.json"])
async def test_head_is_the_answer_of_get_without_its_body(gateway, path):
    """Status, type and length are those of GET, for every resource that can be read."""
    by_get, by_head = await gateway.get(path), await gateway.head(path)
    headers = ("content-type", "content-length")

    assert by_head.content == b""
    assert (by_get.status_code, [by_get.headers.get(each) for each in headers]) == (
        by_head.status_code,
        [by_head.headers.get(each) for each in headers],
    )


async def test_head_of_what_cannot_be_read_is_405(gateway):
    """As GET is."""
    answer = await gateway.head("/predict")

    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


async def test_a_gzipped_body_is_read(gateway):
    """The prediction is that of the plain body; the name of the encoding has no case."""
    plain = (await gateway.post("/predict", json=NEAR)).json()
    body = gzip.compress(json.dumps(NEAR).encode())
    answers = [
        await gateway.post("/predict", content=body, headers={**GZIPPED, "Content-Encoding": encoding})
        for encoding in ("gzip", "GZIP", "x-gzip")
    ]

    assert [plain["predicted_duration"]] * 3 == [each.json()["predicted_duration"] for each in answers]


@pytest.mark.parametrize(
    ("body", "encoding", "status", "said"),
    [
        (b"{}", "br", 415, "'br' is not read"),
        (b"{}", "gzip, gzip", 415, "'gzip, gzip' is not read"),
        (PACKED, "identity", 415, "send it with Content-Encoding: gzip"),
        (b"{}", "gzip", 400, "is not gzip"),
        (b"", "gzip", 400, "is not gzip"),
        (zlib.compress(b"{}"), "gzip", 400, "is not gzip"),
        (PACKED[:-1], "gzip", 400, "is not gzip"),
        (PACKED + b"{}", "gzip", 400, "is not gzip"),
    ],
)
async def test_a_body_in_an_encoding_that_is_not_read_is_refused_as_that(gateway, body, encoding, status, said):
    """It is never called "not JSON"; 415 names the encoding that is read."""
    answer = await gateway.post("/predict", content=body, headers={**GZIPPED, "Content-Encoding": encoding})

    assert problem(answer) == (status, "INVALID_ARGUMENT")
    assert answer.json()["field"] == "body"
    assert said in answer.json()["detail"]
    assert (answer.headers.get("accept-encoding") == "gzip") == (status == 415)


async def test_a_gzipped_body_counts_with_its_own_size():
    """A bomb of a few bytes is 413, and is not inflated beyond the limit."""
    bomb = gzip.compress(b" " * 10_000_000)
    async with gateway_server("127.0.0.1:1", max_body_bytes=20_000) as server, http_client(server.address) as client:
        refused = await client.post("/predict", content=bomb, headers=GZIPPED)
        fits = await client.post("/predict", content=gzip.compress(b"[" + b" " * 19_999), headers=GZIPPED)

    assert len(bomb) < 20_000
    assert problem(refused) == (413, "LIMIT_EXCEEDED")
    assert fits.status_code == 400


async def test_a_long_answer_is_compressed_for_a_client_that_accepts_it(gateway):
    """Short answers, and those for other clients, are sent as they are."""
    ids = ["delivery_near"] * 100
    accepts = {"Accept-Encoding": "gzip"}
    packed = await gateway.post("/features/batch", json=ids, headers=accepts)
    plain = await gateway.post("/features/batch", json=ids, headers={"Accept-Encoding": "identity"})
    refused = await gateway.post("/features/batch", json=ids, headers={"Accept-Encoding": "br, gzip; q=0.0"})
    short = await gateway.get("/health", headers=accepts)

    sent = [each.headers.get("content-encoding") for each in (packed, plain, refused, short)]
    assert ["gzip", None, None, None] == sent
    assert ["Accept-Encoding"] * 2 == [each.headers.get("vary") for each in (packed, plain)]
    assert packed.json()["predictions"] == plain.json()["predictions"]
    assert int(packed.headers["content-length"]) * 5 < int(plain.headers["content-length"])


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/features/delivery_near?feature_name=distance", "feature_name"),
        ("GET", "/features/delivery_near?feature_names=distance&limit=5", "limit"),
        ("POST", "/predict?model=m", "model"),
        ("POST", "/features/batch?version=1", "version"),
        ("GET", "/health?verbose=1", "verbose"),
    ],
)
async def test_an_unknown_query_parameter_is_refused_as_an_unknown_field_is(gateway, method, path, name):
    """It is named, and so are those that the resource has."""
    body = {"json": ["delivery_near"] if "batch" in path else NEAR} if method == "POST" else {}
    answer = await gateway.request(method, path, **body)

    assert problem(answer) == (422, "INVALID_ARGUMENT")
    assert answer.json()["field"] == name
    assert "is not a parameter of this resource; its parameters: " in answer.json()["detail"]


async def test_what_is_no_resource_is_named_and_what_is_no_method_of_one_names_those_that_are(gateway):
    """404 UNKNOWN_RESOURCE and 405 METHOD_NOT_ALLOWED."""
    missing = await gateway.get("/feature/char_fry")
    refused = await gateway.delete("/features/char_fry")

    assert problem(missing) == (404, "UNKNOWN_RESOURCE")
    assert missing.json()["detail"] == "there is no resource '/feature/char_fry'; see /docs"
    assert problem(refused) == (405, "METHOD_NOT_ALLOWED")
    assert refused.json()["detail"] == "'/features/char_fry' does not support DELETE; use GET, HEAD"
    assert refused.headers["allow"] == "GET, HEAD"


async def test_a_refusal_names_field_and_value(gateway):
    """Of a value of another type, of a field that is none, and of the character at which a body is no JSON."""
    number = (await gateway.post("/predict", json={"delivery_id": 5})).json()
    unknown = (await gateway.post("/predict", json={**NEAR, "delivery": "x"})).json()

    broken = await gateway.post("/predict", content=b'{"delivery_id": x}', headers={"Content-Type": "application/json"})

    assert broken.json()["detail"] == "the body is not JSON (RFC 8259) at character 16; send JSON"
    assert number["detail"] == "delivery_id: Input should be a valid string, not 5"
    assert unknown["detail"] == "delivery: is not a field of this request; leave it out, or see /docs for its fields"
