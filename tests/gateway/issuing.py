"""An authority for tests, and the certificates that it issues."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)
_PEM = serialization.Encoding.PEM


class Issued(NamedTuple):
    """A certificate and its key, in PEM.

    Attributes:
        certificate: Its file.
        key: Its file.
        serial: Its number.
    """

    certificate: Path
    key: Path
    serial: int


class Authority:
    """Issues certificates.

    Attributes:
        path: Of its own, which is to be trusted.
    """

    def __init__(self, folder: Path, name: str = "Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._built(self._name, self._key.public_key(), days=30).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.path = folder / f"{name.lower()}.pem"
        self.path.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def issue(
        self, file: str, name: str = "localhost", *, days: int = 90, password: bytes | None = None, uri: str = ""
    ) -> Issued:
        """Issue one.

        Args:
            file: How its two files begin.
            name: Whom it names; nobody where it is empty.
            days: How long it is good; below zero it has ended.
            password: Of its key.
            uri: A further name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        whom = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
        others: list[x509.GeneralName] = [x509.DNSName("localhost")]
        others += [x509.UniformResourceIdentifier(uri)] if uri else []
        built = self._built(whom, key.public_key(), days=days)
        made = built.add_extension(x509.SubjectAlternativeName(others), critical=not name)
        issued = made.sign(self._key, hashes.SHA256())
        certificate, secret = self._folder / f"{file}.pem", self._folder / f"{file}.key"
        certificate.write_bytes(issued.public_bytes(_PEM))
        locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        secret.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, locked))
        return Issued(certificate, secret, issued.serial_number)

    def caller(self, shown: Issued | None = None) -> ssl.SSLContext:
        """What a caller connects with who trusts this authority.

        Args:
            shown: What it shows of itself.
        """
        made = ssl.create_default_context(cafile=str(self.path))
        if shown is not None:
            made.load_cert_chain(shown.certificate, shown.key)
        return made

    def _built(self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        end = now + days * _DAY
        begin = min(now, end) - 2 * _DAY
        return (
            x509.CertificateBuilder(self._name, name, key, x509.random_serial_number(), begin, end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
