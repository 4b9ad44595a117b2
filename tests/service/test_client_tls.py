"""FeatureStore over TLS and mTLS."""

from __future__ import annotations

import pytest

import featurama
from featurama.errors import InvalidInput, StoreUnavailable

from .servers import online_server
from .test_transport_security import Authority

ONCE = featurama.Retries(attempts=1)


async def test_a_client_trusts_and_shows_the_certificates_it_is_given(tmp_path):
    """With the authority it is served; without it, or without its own certificate where one is asked for, it is not."""
    authority = Authority(tmp_path)
    (cert, key), (client_cert, client_key) = authority.issue("server"), authority.issue("client")
    trusting = featurama.Tls(ca_file=authority.ca)
    known = featurama.Tls(ca_file=authority.ca, certificate_file=client_cert, key_file=client_key)
    server_tls = {"tls_cert": str(cert), "tls_key": str(key), "tls_client_ca": str(authority.ca)}

    async with online_server(f"sqlite:///{tmp_path}/store", **server_tls) as server:
        async with featurama.connect(f"grpc://{server.address}", tls=known) as client:
            assert await client.is_serving()
        for tls in (trusting, None):
            async with featurama.connect(f"grpc://{server.address}", tls=tls, retries=ONCE) as client:
                with pytest.raises(StoreUnavailable, match=server.address):
                    await client.list_features()


async def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="ca_file"):
        async with featurama.connect("grpc://127.0.0.1:1", tls=featurama.Tls(ca_file=tmp_path / "none.pem")):
            pass
