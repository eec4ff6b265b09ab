"""TLS at the gateway's own address: the files that it takes, what may be wrong with them, and whom a caller's names.

Sources: Python 3.11, `ssl`; OpenSSL 3.0, `SSL_CTX_use_certificate_chain_file`; read 2026-11-27.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from apportion.errors import ApportionError

HANDSHAKE_SECONDS: Final = 10.0
_MISMATCH: Final = "KEY_VALUES_MISMATCH"
# Of X.509's verification: the day has passed, or has not come.
_EXPIRED, _NOT_YET = 10, 9


class Files(NamedTuple):
    """Where TLS finds what it needs, each in PEM.

    Attributes:
        certificate: Of the gateway, and those between it and the authority behind it.
        key: Of the certificate, without a password.
        client_ca: Authorities of callers' certificates; None where callers need none.
        stamp: Changes when one of the files does.
    """

    certificate: str
    key: str
    client_ca: str | None = None
    stamp: tuple[int, ...] = ()

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Files:
        """Those that the control plane hands over."""
        return cls(said["certificate"], said["key"], said["client_ca"], tuple(said["stamp"]))

    def stamped(self) -> Files:
        """The same, as the files are now."""
        return self._replace(stamp=tuple(number for path in self._paths() for number in _stamp(path)))

    def _paths(self) -> tuple[str, ...]:
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path is not None)


def context(files: Files) -> ssl.SSLContext:
    """What listens with TLS 1.2 or later.

    Args:
        files: That it takes.

    Raises:
        ApportionError: One of them cannot be used.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    _load(made, files)
    if files.client_ca is not None:
        _read("authorities", "client_ca", files.client_ca)
        try:
            made.load_verify_locations(cafile=files.client_ca)
        except (ssl.SSLError, OSError) as error:
            raise _unusable("client_ca", files.client_ca, "holds no certificate in PEM") from error
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def ends_at(files: Files) -> float | None:
    """When the certificate ends, in seconds of the epoch; None where it is of no use today.

    The certificate is shown to a client that trusts it and nothing else, in memory, and that client is asked.

    Args:
        files: That can be used.
    """
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(ours, files)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.check_hostname = False
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    theirs.load_verify_locations(cafile=files.certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = theirs.wrap_bio(back, there), ours.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return None
    found: Mapping[str, Any] = asking.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(found["notAfter"])) if "notAfter" in found else None


def subject(certificate: Mapping[str, Any] | None) -> str:
    """Whom a certificate names: its common name, else the first URI or host of its alternative names; empty for nobody.

    Args:
        certificate: As `getpeercert` has it.
    """
    if not certificate:
        return ""
    names = [value for part in certificate.get("subject", ()) for kind, value in part if kind == "commonName"]
    if len(names) == 1:
        return str(names[0])
    others = certificate.get("subjectAltName", ())
    return str(next((value for wanted in ("URI", "DNS") for kind, value in others if kind == wanted), ""))


def _load(made: ssl.SSLContext, files: Files) -> None:
    """Take a certificate and its key."""
    _read("certificate", "certificate", files.certificate)
    _read("key", "key", files.key)
    try:
        made.load_cert_chain(files.certificate, files.key, password=_no_password)
    except _LockedError as error:
        raise _unusable("key", files.key, "is locked with a password, and nobody is there to give it") from error
    except ssl.SSLError as error:
        if error.reason == _MISMATCH:
            raise _unusable("key", files.key, f"is not the key of the certificate in {files.certificate}") from error
        if not _has_certificate(files.certificate):
            raise _unusable("certificate", files.certificate, "holds no certificate in PEM") from error
        raise _unusable("key", files.key, "holds no private key in PEM that this TLS can use") from error


def _has_certificate(path: str) -> bool:
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        probe.load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        return False
    return True


def _read(what: str, setting: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        cure = f"Put the {what} there, in PEM, where this account may read it, or mend `gateway: tls: {setting}:`."
        message = f"{path} of the gateway's TLS cannot be read: {error.strerror}"
        raise ApportionError("tls-unusable", message, cure=cure) from error


def _unusable(setting: str, path: str, why: str) -> ApportionError:
    cures = {
        "certificate": "Put the certificate there, in PEM, with those between it and its authority behind it.",
        "key": "Put the certificate's own key there, in PEM and without a password.",
        "client_ca": "Put the certificates of the authorities there, in PEM.",
    }
    cure = f"{cures[setting]} `gateway: tls: {setting}:` names the file."
    return ApportionError("tls-unusable", f"{path} {why}", cure=cure)


class _LockedError(Exception):
    """A key wants a password."""


def _no_password() -> str:
    raise _LockedError


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ino, found.st_size
