"""Receiving what a broker answers: however it is cut on its way, it is put together once and copied nowhere."""

from __future__ import annotations

import asyncio
import ssl
import struct
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.fetch import FetchRequest

from services.engagement_aggregator.fetch import frames
from services.engagement_aggregator.fetch.batch import keep_fetched_bytes
from services.engagement_aggregator.fetch.frames import FrameConnection, FrameReceiver
from tests.runtime.kafka.certificates import Authority

FETCH_VERSION = 11
keep_fetched_bytes()


def asked() -> FetchRequest:
    return FetchRequest(100, 1, 50_000_000, 1, [("feedback", [(0, 10, 2_000_000)])])


def fetched(correlation: int, *records: bytes) -> bytes:
    """What a broker answers to a fetch of as many partitions, with its size in front."""
    [kind] = [one.RESPONSE_TYPE for one in FetchRequest._CLASSES if one.API_VERSION == FETCH_VERSION]
    partitions = [(number, 0, 99, 98, 0, [(7, 12)], -1, part) for number, part in enumerate(records)]
    body = struct.pack(">i", correlation) + kind(0, 0, 0, [("feedback", partitions)]).encode()
    return struct.pack(">i", len(body)) + bytes(body)


def records_of(answer: Any) -> list[Any]:
    return [partition[-1] for _, partitions in answer.topics for partition in partitions]


class Broker:
    """A listener that answers the question for versions, and then sends what a test gives it, piece by piece."""

    def __init__(self) -> None:
        self.received = 0
        self._sent = 0
        self._connected: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def versions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        correlation = struct.unpack_from(">i", await reader.readexactly(size), 4)[0]
        kind = ApiVersionRequest._CLASSES[0].RESPONSE_TYPE
        body = struct.pack(">i", correlation) + kind(0, [(1, 4, FETCH_VERSION)]).encode()
        self._connected.set_result(writer)
        await self.send(struct.pack(">i", len(body)) + body)

    async def send(self, *pieces: bytes) -> None:
        """Each piece only after all before it have been received."""
        writer = await self._connected
        for piece in pieces:
            writer.write(piece)
            self._sent += len(piece)
            while self.received < self._sent:  # noqa: ASYNC110 - both ends are in this loop
                await asyncio.sleep(0)

    async def hang_up(self) -> None:
        (await self._connected).close()


class Counting(FrameReceiver):
    """Tells the broker of the test what has arrived."""

    broker: Broker

    def buffer_updated(self, nbytes: int) -> None:
        self.broker.received += nbytes
        super().buffer_updated(nbytes)


Test = Callable[[FrameConnection, Broker], Awaitable[None]]


def connected(monkeypatch: pytest.MonkeyPatch, test: Test, keys: tuple[Path, Path] | None = None) -> None:
    """Run a test with a connection of the client to a listener of this process. keys: of the server, and who signed."""

    async def run() -> None:
        Counting.broker = broker = Broker()
        monkeypatch.setattr(frames, "FrameReceiver", Counting)
        server = await asyncio.start_server(broker.versions, "127.0.0.1", 0, ssl=_context(keys, server=True))
        port = server.sockets[0].getsockname()[1]
        connection = FrameConnection(
            "127.0.0.1",
            port,
            security_protocol="SSL" if keys else "PLAINTEXT",
            ssl_context=_context(keys, server=False),
        )
        await connection.connect()
        await test(connection, broker)
        connection.close()
        await broker.hang_up()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(run(), 60))


def _context(keys: tuple[Path, Path] | None, *, server: bool) -> ssl.SSLContext | None:
    if keys is None:
        return None
    if not server:
        return ssl.create_default_context(cafile=str(keys[1]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys[0])
    return context


@pytest.fixture(params=["plain", "tls"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path] | None:
    authority = Authority(tmp_path)
    return (authority.keystore("127.0.0.1"), authority.file) if request.param == "tls" else None


def test_answers_that_are_cut_anywhere_on_their_way_arrive_whole_and_in_order(
    monkeypatch: pytest.MonkeyPatch, keys: tuple[Path, Path] | None
) -> None:
    """Two answers to two questions; some of the cuts fall into a size, and the second is larger than the first room."""
    monkeypatch.setattr(frames, "_FIRST_BYTES", 160)

    async def test(connection: FrameConnection, broker: Broker) -> None:
        cut, length = 0, 1
        while cut < length:
            first = connection._correlation_id + 1
            answers = [connection.send(asked()), connection.send(asked())]
            sent = fetched(first, b"small", b"") + fetched(first + 1, b"large" * 40, b"x" * 7)
            cut, length = cut + 1, len(sent)
            await broker.send(sent[:cut], sent[cut:])
            found = [[bytes(part) for part in records_of(await answer)] for answer in answers]
            assert found == [[b"small", b""], [b"large" * 40, b"x" * 7]], cut

    connected(monkeypatch, test, keys)


def test_megabytes_are_in_memory_once_and_the_records_of_all_partitions_lie_in_them(
    monkeypatch: pytest.MonkeyPatch, keys: tuple[Path, Path] | None
) -> None:
    parts = [bytes([number]) * 2_000_000 for number in range(4)]

    async def test(connection: FrameConnection, broker: Broker) -> None:
        answer = connection.send(asked())
        frame = memoryview(fetched(connection._correlation_id, *parts))
        pieces = [bytes(frame[at : at + 100_000]) for at in range(0, len(frame), 100_000)]
        await broker.send(*pieces[:-1])
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        await broker.send(pieces[-1])
        found = records_of(await answer)
        assert found == parts
        assert len({id(part.obj) for part in found}) == 1
        assert tracemalloc.get_traced_memory()[1] - held < 1_500_000

    tracemalloc.start()
    try:
        connected(monkeypatch, test, keys)
    finally:
        tracemalloc.stop()


def test_records_of_an_answer_stay_what_they_are_when_the_next_ones_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small answers come into one room; large ones are writable while they come in."""

    async def test(connection: FrameConnection, broker: Broker) -> None:
        held, sent = [], [bytes([number]) * size for number, size in enumerate((50, 60, 200_000, 50, 210_000, 70))]
        for records in sent:
            answer = connection.send(asked())
            await broker.send(fetched(connection._correlation_id, records))
            held += records_of(await answer)
        assert held == sent
        assert all(view.readonly for view in held)

    connected(monkeypatch, test)


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_connection_lost_in_the_middle_of_an_answer_fails_who_waits_and_is_known_to_be_lost(
    monkeypatch: pytest.MonkeyPatch, keys: tuple[Path, Path] | None, size: int
) -> None:
    async def test(connection: FrameConnection, broker: Broker) -> None:
        answer = connection.send(asked())
        await broker.send(fetched(connection._correlation_id, b"a" * size)[:-1])
        assert connection.connected()
        await broker.hang_up()
        with pytest.raises(KafkaConnectionError):
            await answer
        assert not connection.connected()
        with pytest.raises(KafkaConnectionError):
            await connection.send(asked())

    connected(monkeypatch, test, keys)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (fetched(-5, b"of another question"), "CorrelationIdError"),
        (struct.pack(">i", -4) + b"x", "frame of -4 bytes"),
        (struct.pack(">iii", 8, 2, 0), "unpack requires a buffer"),
        (struct.pack(">i", len(fetched(2, b"abc")) - 5) + fetched(2, b"abc")[4:-1], "fetched records are cut off"),
    ],
    ids=["another", "size", "content", "records"],
)
def test_what_cannot_be_the_answer_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, cause: str
) -> None:
    async def test(connection: FrameConnection, broker: Broker) -> None:
        waiting = connection.send(asked())
        await broker.send(answer)
        with pytest.raises(KafkaError) as raised:
            await waiting
        assert cause in repr(raised.value) + repr(raised.value.__cause__)
        assert not connection.connected()

    connected(monkeypatch, test)


def test_what_comes_in_after_the_client_closed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS deciphers and hands over what it has received, closed or not; nobody waits for it any more."""

    async def test(connection: FrameConnection, broker: Broker) -> None:
        answer, receiver = connection.send(asked()), connection._writer.transport.get_protocol()
        connection.close()
        late = fetched(connection._correlation_id, b"late")
        receiver.get_buffer(-1)[: len(late)] = late
        receiver.buffer_updated(len(late))
        with pytest.raises(KafkaConnectionError):
            await answer

    connected(monkeypatch, test)
