"""How requests reach the handlers: parameters, bodies, files of any size, and what happens when we make a mistake."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from services.simulator.http.server import SimulatorError, SimulatorServer
from tests.simulator.toy_platform import TOY_ACCOUNTS, ToyPlatform
from tests.waiting import wait_for

MB = 1024 * 1024


def test_parameters_arrive_decoded_once(http: httpx.Client) -> None:
    echoed = http.post(
        "/toy/echo", params={"id": "@8hx+/a==", "空": "a b"}, data={"status": "100% #新品# %E4 &=+😀", "empty": ""}
    ).json()
    assert echoed["query"] == {"id": "@8hx+/a==", "空": "a b"}
    assert echoed["form"] == {"status": "100% #新品# %E4 &=+😀", "empty": ""}


@pytest.mark.parametrize(
    ("body", "parsed"), [('{"a": ["好"]}', {"a": ["好"]}), ("[1]", [1]), ("{broken", None), ("", None), ("null", None)]
)
def test_a_json_body_is_parsed_and_a_broken_one_is_none(http: httpx.Client, body: str, parsed: object) -> None:
    assert http.post("/toy/echo", content=body.encode()).json()["json"] == parsed


def test_a_path_or_method_the_platform_does_not_have_gets_the_platforms_own_answer(http: httpx.Client) -> None:
    for answer in (http.get("/toy/nowhere"), http.get("/toy/post"), http.get("/toy/upload"), http.get("/toy")):
        assert answer.status_code == 404
        assert answer.json()["toy_error"] == "no such path"


def test_a_mistake_in_a_handler_is_loud_and_counted_and_the_next_call_works(http: httpx.Client) -> None:
    answer = http.get("/toy/broken")
    assert (answer.status_code, answer.json()) == (
        500,
        {"simulator_bug": "RuntimeError: a handler with a mistake in it"},
    )
    assert http.get("/toy/unsendable").status_code == 500
    assert http.get("/_sim/info").json()["bugs"] == 2
    assert http.post("/toy/echo").status_code == 200


def test_a_file_part_is_hashed_and_its_fields_are_kept(http: httpx.Client) -> None:
    content = os.urandom(100_000)
    told = http.post("/toy/upload/", data={"status": "带图"}, files={"pic": ("封面.png", content, "image/png")}).json()
    assert told == {
        "part": "pic",
        "filename": "封面.png",
        "type": "image/png",
        "size": 100_000,
        "sha256": hashlib.sha256(content).hexdigest(),
        "head": 65_536,
        "form": {"status": "带图"},
    }


@pytest.mark.parametrize(
    "body", [b"no boundary at all", b"--x\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n--x--\r\n", b""]
)
def test_a_broken_multipart_body_is_a_bad_request_and_no_bug(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/toy/post", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400
    assert http.post("/toy/post", content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 400
    info = http.get("/_sim/info").json()
    assert (info["bugs"], http.get("/_sim/posts").json()) == (0, [])


def test_bytes_that_are_no_text_do_not_spoil_the_call_log(sim: SimulatorServer, http: httpx.Client) -> None:
    host, _, port = sim.url.removeprefix("http://").partition(":")
    for path in (b"/toy/\xff\xfe", b"/toy/%ff%fe?x=%ff", b"/toy/%ED%A0%80", b"/toy/echo?\xff=\xff"):
        with socket.create_connection((host, int(port)), timeout=60) as odd:
            odd.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\r\nContent-Length: 0\r\n\r\n")
            assert odd.recv(100).startswith(b"HTTP/1.")
    parts = b'--x\r\nContent-Disposition: form-data; name="\xff"; filename="\xfe.png"\r\n\r\nbytes\r\n--x--\r\n'
    odd_file = http.post("/toy/upload/", content=parts, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert odd_file.json()["size"] == 5
    assert len(http.get("/_sim/calls").json()) >= 3
    assert http.get("/_sim/info").json()["bugs"] == 0


def test_a_compressed_body_is_not_unpacked_and_so_is_no_json(http: httpx.Client) -> None:
    gzip_header = {"Content-Encoding": "gzip"}
    assert http.post("/toy/echo", content=b"{}x", headers=gzip_header).json()["json"] is None
    assert http.post("/_sim/clock", content=b"\x1f\x8b", headers=gzip_header).status_code == 400


def test_a_plain_body_beyond_all_bounds_is_refused(http: httpx.Client) -> None:
    answer = http.post("/toy/echo", content=b"x" * (33 * MB))
    assert answer.status_code == 413


def test_a_client_that_leaves_in_the_middle_of_its_request_publishes_nothing(
    sim: SimulatorServer, http: httpx.Client
) -> None:
    host, _, port = sim.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as leaving:
        leaving.sendall(b"POST /toy/post HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\ntext=half")
    calls = wait_for(lambda: http.get("/_sim/calls").json(), "the call is noted")
    assert (calls[0]["fault"], calls[0]["status"]) == ("client_departed", None)
    assert http.get("/_sim/posts").json() == []
    assert http.get("/_sim/info").json()["bugs"] == 0


def test_a_client_that_waits_for_permission_to_send_gets_it(sim: SimulatorServer) -> None:
    host, _, port = sim.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as asking:
        asking.sendall(b"POST /toy/echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert asking.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        asking.sendall(b"{}")
        assert asking.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_an_upload_of_200_mb_takes_no_memory_worth_mentioning(tmp_path: Path) -> None:
    megabyte = os.urandom(MB)
    digest = hashlib.sha256()

    def multipart() -> Iterator[bytes]:
        yield b'--cut\r\nContent-Disposition: form-data; name="video"; filename="v.mp4"\r\n'
        yield b"Content-Type: video/mp4\r\n\r\n"
        for _ in range(200):
            digest.update(megabyte)
            yield megabyte
        yield b"\r\n--cut--\r\n"

    serve = (
        "import sys, time\n"
        "from services.simulator.http.server import SimulatorServer\n"
        "from tests.simulator.toy_platform import TOY_ACCOUNTS, ToyPlatform\n"
        "with SimulatorServer(TOY_ACCOUNTS, platforms=[ToyPlatform()]) as sim:\n"
        "    print(sim.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", serve], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        httpx.post(f"{url}/toy/upload/", files={"video": ("warm.mp4", megabyte)}, timeout=60)
        before = psutil.Process(child.pid).memory_info().rss
        told = httpx.post(
            f"{url}/toy/upload/",
            content=multipart(),
            headers={"Content-Type": "multipart/form-data; boundary=cut"},
            timeout=60,
        ).json()
        grown = psutil.Process(child.pid).memory_info().rss - before
        child.communicate("", timeout=60)
    assert (told["size"], told["sha256"]) == (200 * MB, digest.hexdigest())
    assert grown < 20 * MB


def test_a_port_that_is_taken_is_told_with_a_way_out(sim: SimulatorServer) -> None:
    port = int(sim.url.rpartition(":")[2])
    with pytest.raises(SimulatorError, match=f"{port}.*--port"), SimulatorServer(port=port, platforms=[]):
        pass


def test_a_server_that_is_not_running_says_so() -> None:
    with pytest.raises(SimulatorError, match="not running"):
        SimulatorServer(TOY_ACCOUNTS, platforms=[ToyPlatform()]).clear_faults()
