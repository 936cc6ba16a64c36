"""The HTTP port itself: concurrent work, time, encryption, clients that vanish, and the end."""

import contextlib
import http.client
import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from serving.ports.rest.admission import Gate
from serving.ports.rest.context import RestContext
from serving.server import Server
from serving.server_settings import ServerSettings
from tests.serving.certificates import Authority
from tests.serving.running_server import PATIENCE, POLL, wait_for
from tests.serving.versions_on_disk import MODEL
from trainer.errors import InputError

LENGTHS = {"instances": ["abc"]}


def until(held):
    return {"signature_name": "until_file", "inputs": held.inputs["file"]}


def post(server, body, **options):
    with requests.Session() as session:
        session.trust_env = False
        scheme = "https" if "verify" in options else "http"
        url = f"{scheme}://127.0.0.1:{server.rest_port}/v1/models/{MODEL}:predict"
        reply = session.post(url, json=body, timeout=PATIENCE, **options)
        return reply.status_code, reply.json()


def serving(base, **settings):
    return Server(base.parent, MODEL, poll_seconds=POLL, rest_port=0, **settings)


def test_by_default_nothing_listens(server):
    assert server.rest_port is None


def test_more_than_it_takes_at_a_time_is_refused(base, held):
    with serving(base, max_concurrent=1, rest_timeout_seconds=PATIENCE) as server, ThreadPoolExecutor() as threads:
        server.wait_until_available()
        first = threads.submit(post, server, until(held))
        wait_for(lambda: server.manager.requests_under_way)
        code, body = post(server, LENGTHS)
        assert (code, body) == (429, {"error": "The server has as much work as it takes: try again."})
        held.let_go()
        assert first.result()[0] == 200
        wait_for(lambda: post(server, LENGTHS) == (200, {"predictions": [3]}))


def test_an_answer_that_takes_too_long(base, held):
    with serving(base, rest_timeout_seconds=0.2, max_concurrent=1) as server:
        server.wait_until_available()
        code, body = post(server, until(held))
        assert (code, body["error"]) == (504, "No answer: the answer took longer than rest_timeout_seconds.")
        # It still runs, and takes its place until it ends.
        assert post(server, LENGTHS)[0] == 429
        held.let_go()
        wait_for(lambda: post(server, LENGTHS) == (200, {"predictions": [3]}))


def test_who_vanishes_gives_his_place_back(base):
    with serving(base, max_concurrent=1) as server:
        server.wait_until_available()
        with contextlib.ExitStack() as open_connections:

            def the_place_is_taken():
                # Where one of our whole requests has the place, half a request is refused: another try.
                open_connections.close()
                half = open_connections.enter_context(socket.create_connection(("127.0.0.1", server.rest_port)))
                half.sendall(b"POST /v1/models/shop:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
                return any(post(server, LENGTHS)[0] == 429 for _ in range(50))

            wait_for(the_place_is_taken)
        wait_for(lambda: post(server, LENGTHS) == (200, {"predictions": [3]}))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\r\n\r\n",
        b"POST /v1/models/shop:predict HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n{}",
        b"POST /v1/models/shop:predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /v1/models/shop:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/models/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=["no words", "no length", "negative length", "no chunk", "no UTF-8", "long header"],
)
def test_bytes_that_are_no_http(base, garbage, caplog):
    with serving(base, max_concurrent=1) as server:
        server.wait_until_available()
        # The server may hang up at any step, which for a shutdown is no ConnectionError.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.rest_port)) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        wait_for(lambda: post(server, LENGTHS) == (200, {"predictions": [3]}))
    assert "Traceback" not in caplog.text


def test_a_stop_lets_requests_finish(base, held):
    with ThreadPoolExecutor() as threads:
        server = serving(base, grace_seconds=PATIENCE, rest_timeout_seconds=PATIENCE)
        with server:
            server.wait_until_available()
            kept = http.client.HTTPConnection("127.0.0.1", server.rest_port)

            def status():
                kept.request("GET", f"/v1/models/{MODEL}")
                reply = kept.getresponse()
                return reply.status, json.loads(reply.read())

            assert status()[0] == 200
            under_way = threads.submit(post, server, until(held))
            wait_for(lambda: server.manager.requests_under_way)
            stopping = threads.submit(server.stop)
            wait_for(lambda: status() == (503, {"error": "The server is stopping."}))
            held.let_go()
            assert under_way.result()[0] == 200
            stopping.result()
            with pytest.raises(requests.ConnectionError):
                post(server, LENGTHS)


def test_encryption_and_who_may_ask(tmp_path, base):
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate, key = ours.certify("server")
    settings = {"tls_certificate": certificate, "tls_key": key, "tls_client_ca": ours.ca}
    with serving(base, **settings) as server:
        server.wait_until_available()
        assert post(server, LENGTHS, verify=ours.ca, cert=ours.certify("client")) == (200, {"predictions": [3]})
        for options in ({}, {"cert": theirs.certify("stranger")}):
            with pytest.raises(requests.ConnectionError):
                post(server, LENGTHS, verify=ours.ca, **options)
        with pytest.raises(requests.exceptions.SSLError):
            post(server, LENGTHS, verify=theirs.ca, cert=ours.certify("client"))


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path, base):
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate, key = ours.certify("server")
    with serving(base, tls_certificate=certificate, tls_key=key) as server:
        server.wait_until_available()
        assert post(server, LENGTHS, verify=ours.ca)[0] == 200
        shutil.copy(ours.ca, key)
        assert post(server, LENGTHS, verify=ours.ca)[0] == 200, "half of a renewal leaves the one before"
        for new, old in zip(theirs.certify("renewed"), (certificate, key), strict=True):
            shutil.move(new, old)
        assert post(server, LENGTHS, verify=theirs.ca)[0] == 200
        with pytest.raises(requests.exceptions.SSLError):
            post(server, LENGTHS, verify=ours.ca)


def test_what_cannot_be_used_is_told_in_words(tmp_path, base):
    ours = Authority(tmp_path, "ours")
    (certificate, _), (_, key) = ours.certify("one"), ours.certify("other")
    with (
        pytest.raises(InputError, match="no certificate and its key"),
        serving(base, tls_certificate=certificate, tls_key=key),
    ):
        pass
    with serving(base) as first, pytest.raises(InputError, match="for REST"):
        Server(base.parent, MODEL, rest_port=first.rest_port).start()
    with pytest.raises(ValueError, match="rest_port"):
        ServerSettings(directory="served", rest_port=70_000)


def test_the_context_speaks_for_the_client():
    context = RestContext(seconds=60)
    assert context.is_active()
    context.cancel()
    assert not context.is_active()
    assert not RestContext(seconds=0).is_active()


def test_the_gate_counts_requests_and_bytes():
    gate = Gate(requests=2, size=100)
    assert gate.enter(60)
    assert not gate.enter(50)
    assert gate.enter(40)
    assert not gate.enter(0)
    assert not gate.wait_until_empty(0)
    gate.leave(60)
    assert gate.enter(60)
    gate.leave(60)
    gate.leave(40)
    assert gate.wait_until_empty(0)
