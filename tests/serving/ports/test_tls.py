"""Encrypted connections, over the wire, with certificates made here."""

import shutil

import pytest

from serving.client import Client
from serving.client.answers import ClientError
from serving.server import Server
from serving.server_settings import ServerSettings
from tests.serving.certificates import Authority
from tests.serving.running_server import POLL
from tests.serving.versions_on_disk import MODEL, put_version
from trainer.errors import InputError


@pytest.fixture
def ours(tmp_path):
    put_version(tmp_path / "served" / MODEL, 1)
    return Authority(tmp_path, "ours")


def _serving(tmp_path, certificate, key, **settings):
    return Server(tmp_path / "served", MODEL, poll_seconds=POLL, tls_certificate=certificate, tls_key=key, **settings)


def _state(server, **encryption):
    with Client(f"127.0.0.1:{server.port}", MODEL, **encryption) as client:
        return client.status()[0].state


def test_who_may_ask_an_encrypted_server(tmp_path, ours):
    with _serving(tmp_path, *ours.certify("server")) as server:
        server.wait_until_available()
        assert _state(server, ca=ours.ca) == "AVAILABLE"
        for encryption in ({}, {"tls": True}, {"ca": Authority(tmp_path, "theirs").ca}):
            with pytest.raises(ClientError, match="UNAVAILABLE"):
                _state(server, **encryption)


def test_mutual_tls_wants_a_certificate_that_the_authority_signed(tmp_path, ours):
    theirs = Authority(tmp_path, "theirs")
    with _serving(tmp_path, *ours.certify("server"), tls_client_ca=ours.ca) as server:
        server.wait_until_available()
        certificate, key = ours.certify("client")
        assert _state(server, ca=ours.ca, certificate=certificate, key=key) == "AVAILABLE"
        stranger, strange_key = theirs.certify("stranger")
        for encryption in ({}, {"certificate": stranger, "key": strange_key}):
            with pytest.raises(ClientError, match="UNAVAILABLE"):
                _state(server, ca=ours.ca, **encryption)


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path, ours):
    certificate, key = ours.certify("server")
    theirs = Authority(tmp_path, "theirs")
    with _serving(tmp_path, certificate, key) as server:
        server.wait_until_available()
        assert _state(server, ca=ours.ca) == "AVAILABLE"
        for new, old in zip(theirs.certify("renewed"), (certificate, key), strict=True):
            shutil.move(new, old)
        assert _state(server, ca=theirs.ca) == "AVAILABLE"
        with pytest.raises(ClientError, match="UNAVAILABLE"):
            _state(server, ca=ours.ca)


def test_a_certificate_that_has_gone_leaves_the_one_before(tmp_path, ours, caplog):
    certificate, key = ours.certify("server")
    with _serving(tmp_path, certificate, key) as server:
        server.wait_until_available()
        shutil.move(certificate, certificate + ".away")
        assert _state(server, ca=ours.ca) == "AVAILABLE"
    assert "the certificate stays as it was" in caplog.text
    assert "PRIVATE" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tls_certificate": "c.pem"}, "go together"),
        ({"tls_key": "k.pem"}, "go together"),
        ({"tls_client_ca": "ca.pem"}, "needs tls_certificate"),
    ],
)
def test_halves_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        ServerSettings(directory="served", **settings)


def test_files_that_are_none_are_told_in_words(tmp_path, ours):
    certificate, key = ours.certify("server")
    for files in ((str(tmp_path / "missing"), key), (ours.certify("other")[0], key)):
        with pytest.raises(InputError, match=r"cannot be read|no certificate and its key"), _serving(tmp_path, *files):
            pass
    with pytest.raises(ValueError, match="missing cannot be read"):
        Client("127.0.0.1:1", MODEL, ca=str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="needs its key"):
        Client("127.0.0.1:1", MODEL, certificate=certificate)


def test_an_open_address_without_encryption_is_warned_of(tmp_path, ours, caplog):
    with Server(tmp_path / "served", MODEL, poll_seconds=POLL, host="0.0.0.0"):
        pass
    assert "without encryption" in caplog.text
