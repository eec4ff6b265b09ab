"""The files of TLS: good ones, and each way in which they are not."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from apportion.errors import ApportionError
from apportion.gateway.certificates import Files, context, ends_at
from tests.gateway.issuing import Authority, Issued


def files(issued: Issued, authority: Path | None = None) -> Files:
    return Files(str(issued.certificate), str(issued.key), str(authority) if authority else None).stamped()


def test_good_files_make_a_context_of_today(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    made = context(files(authority.issue("gateway"), authority.path))
    assert made.minimum_version == ssl.TLSVersion.TLSv1_2
    assert made.verify_mode == ssl.CERT_REQUIRED


def test_a_certificate_says_when_it_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    end = ends_at(files(authority.issue("gateway", days=10)))
    assert end is not None
    assert abs(end - time.time() - 10 * 86400) < 120
    assert ends_at(files(authority.issue("old", days=-1))) is None


def test_a_change_of_any_file_is_seen(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("gateway")
    before = files(issued, authority.path)
    assert files(issued, authority.path) == before
    authority.issue("gateway")
    assert files(issued, authority.path) != before
    assert Files.of(before._asdict() | {"stamp": list(before.stamp)}) == before


def _missing(folder: Path, authority: Authority) -> Files:
    return files(Issued(folder / "none.pem", authority.issue("g").key, 0))


def _no_certificate(folder: Path, authority: Authority) -> Files:
    (folder / "text.pem").write_text("not one")
    return files(Issued(folder / "text.pem", authority.issue("g").key, 0))


def _no_key(folder: Path, authority: Authority) -> Files:
    (folder / "text.key").write_text("not one")
    return files(Issued(authority.issue("g").certificate, folder / "text.key", 0))


def _others_key(folder: Path, authority: Authority) -> Files:
    del folder
    return files(Issued(authority.issue("g").certificate, authority.issue("h").key, 0))


def _locked(folder: Path, authority: Authority) -> Files:
    del folder
    return files(authority.issue("g", password=b"secret"))


def _no_authority(folder: Path, authority: Authority) -> Files:
    (folder / "empty.pem").write_text("")
    return files(authority.issue("g"), folder / "empty.pem")


@pytest.mark.parametrize(
    ("made", "says", "setting"),
    [
        (_missing, "cannot be read: No such file", "certificate"),
        (_no_certificate, "holds no certificate in PEM", "certificate"),
        (_no_key, "holds no private key", "key"),
        (_others_key, "is not the key of the certificate", "key"),
        (_locked, "is locked with a password", "key"),
        (_no_authority, "holds no certificate in PEM", "client_ca"),
    ],
)
def test_each_fault_is_told_with_its_file_and_its_setting(
    tmp_path: Path, made: object, says: str, setting: str
) -> None:
    assert callable(made)
    found = made(tmp_path, Authority(tmp_path))
    with pytest.raises(ApportionError) as caught:
        context(found)
    assert (caught.value.slug, says in str(caught.value)) == ("tls-unusable", True)
    assert f"`gateway: tls: {setting}:`" in (caught.value.cure or "")
    assert str(tmp_path) in str(caught.value)
