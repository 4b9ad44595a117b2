"""TLS and mTLS between a server and clients that nobody else made certificates for."""

from __future__ import annotations

import datetime as dt
import ipaddress

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

from .servers import online_server

SERVING = health_pb2.HealthCheckResponse.SERVING


class Authority:
    """A certificate authority of one test."""

    def __init__(self, folder):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "momcorp")])
        certificate = self._signed("momcorp", self._key, ca=True)
        self.ca = self._write("ca.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name):
        """(certificate file, key file)."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(name, key, ca=False)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (
            self._write(f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{name}.key", pem),
        )

    def _signed(self, name, key, *, ca):
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name, content):
        path = self._folder / name
        path.write_bytes(content)
        return path


async def status_by(credentials, address):
    """What the server says to a client with these credentials; its gRPC code if it says nothing."""
    channel = (
        grpc.aio.insecure_channel(address) if credentials is None else grpc.aio.secure_channel(address, credentials)
    )
    async with channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return answer.status


async def test_clients_with_a_certificate_are_served_and_others_are_not(tmp_path):
    """TLS: who trusts the authority is served, plaintext is not. mTLS: only who shows a certificate of it."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    client_cert, client_key = authority.issue("client")
    ca = authority.ca.read_bytes()
    trusting = grpc.ssl_channel_credentials(ca)
    known = grpc.ssl_channel_credentials(ca, client_key.read_bytes(), client_cert.read_bytes())
    storage = f"sqlite:///{tmp_path}/store"
    tls = {"tls_cert": str(cert), "tls_key": str(key)}

    async with online_server(storage, **tls) as server:
        by_tls = [await status_by(each, server.address) for each in (trusting, None)]
    async with online_server(storage, **tls, tls_client_ca=str(authority.ca)) as server:
        by_mtls = [await status_by(each, server.address) for each in (known, trusting)]

    assert by_tls == [SERVING, grpc.StatusCode.UNAVAILABLE]
    assert by_mtls == [SERVING, grpc.StatusCode.UNAVAILABLE]
