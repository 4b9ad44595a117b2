"""Bodies of requests as they were before their Content-Encoding: gzip is read, other encodings are refused."""

from __future__ import annotations

import zlib

from featurama.errors import InvalidInput

ACCEPTED = {"Accept-Encoding": "gzip"}
_GZIP = 31
_MAGIC = b"\x1f\x8b"


class UnsupportedEncoding(InvalidInput):
    """A body in an encoding that is not read, or in one that its headers do not name."""


def decoded(body: bytes, encoding: str, limit: int) -> bytes | None:
    """The body without its encoding, or None if it has more than `limit` bytes.

    Raises UnsupportedEncoding, and InvalidInput for a body that is not in the named encoding.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        if body.startswith(_MAGIC):
            raise UnsupportedEncoding("the body is gzip; send it with Content-Encoding: gzip", field="body")
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedEncoding(f"Content-Encoding {encoding[:80]!r} is not read; send gzip or none", field="body")
    stream = zlib.decompressobj(_GZIP)
    try:
        # One byte more than the limit shows that there is more; the rest is never inflated.
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise _not_gzip() from error
    if len(content) > limit:
        return None
    if not stream.eof or stream.unused_data:
        raise _not_gzip()
    return content


def _not_gzip() -> InvalidInput:
    return InvalidInput("the body is not gzip, as Content-Encoding says; send all of one gzip stream", field="body")
