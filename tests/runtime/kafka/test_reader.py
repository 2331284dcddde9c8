"""Reading to the end on the real broker, where transaction markers and aborted records occupy offsets."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from kafka import KafkaConsumer
from kafka import errors as client

from services.runtime.kafka.admin import ensure_topics, lag, list_groups, partition_count
from services.runtime.kafka.consumer import GroupConsumer, PartitionCallbacks
from services.runtime.kafka.errors import KafkaUnavailable, RecordTooLarge, UnknownTopic
from services.runtime.kafka.producer import MAX_RECORD_BYTES, Producer, TransactionalProducer
from services.runtime.kafka.reader import LogEnds, Tail, read_partition, read_topic
from services.runtime.kafka.records import Outgoing, Record, TopicPartition
from services.runtime.settings import KafkaSettings
from tests.conftest import Layout
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka
Topics = Callable[..., str]


def test_a_reader_ends_although_aborted_records_and_markers_are_last(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("markers")
    producer = TransactionalProducer(kafka_settings, unique)
    producer.commit([Outgoing(topic, b"1", b"k", 0), Outgoing(topic, b"2", b"k", 1)])
    for _ in range(2):
        with pytest.raises(RecordTooLarge):
            producer.commit(
                [Outgoing(topic, b"aborted", b"k", 0), Outgoing(topic, b"x" * (MAX_RECORD_BYTES + 1), b"k", 0)]
            )
    _abort_after_writing(producer, topic)
    producer.close()
    assert [record.value for record in read_partition(kafka_settings, topic, 0)] == [b"1"]
    assert [record.value for record in read_topic(kafka_settings, topic)] == [b"1", b"2"]
    assert list(read_partition(kafka_settings, topic, 0, from_offset=1)) == []


def test_a_broker_that_goes_away_under_any_call_of_a_reader_is_said_in_our_own_words(
    kafka_settings: KafkaSettings, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = topics("gone")

    def gone(*_: object, **__: object) -> None:
        raise client.KafkaConnectionError("reset by peer")

    following = Tail(kafka_settings, [topic])
    monkeypatch.setattr(KafkaConsumer, "position", gone)
    with pytest.raises(KafkaUnavailable):
        following.positions()
    following.close()
    monkeypatch.undo()
    monkeypatch.setattr(KafkaConsumer, "partitions_for_topic", gone)
    with pytest.raises(KafkaUnavailable):
        list(read_topic(kafka_settings, topic))
    with pytest.raises(KafkaUnavailable):
        list(read_partition(kafka_settings, topic, 0))
    monkeypatch.undo()

    def gap(*_: object, **__: object) -> None:
        raise KeyError(topic)  # what the library does when it loses the broker after half of the answers

    log_ends = LogEnds(kafka_settings, [topic], threading.Event())
    monkeypatch.setattr(KafkaConsumer, "end_offsets", gap)
    with pytest.raises(KafkaUnavailable):
        log_ends.ask()
    with pytest.raises(KafkaUnavailable):
        list(read_topic(kafka_settings, topic))
    log_ends.close()


def _abort_after_writing(producer: TransactionalProducer, topic: str) -> None:
    producer._client.begin_transaction()
    producer._client.send(topic, value=b"aborted", key=b"k", partition=0).get(timeout=10)
    producer._client.abort_transaction()


def test_a_reader_waits_for_a_transaction_that_is_still_open_instead_of_missing_it(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("open")
    producer = TransactionalProducer(kafka_settings, unique)
    producer._client.begin_transaction()
    producer._client.send(topic, value=b"on its way", key=b"k", partition=0).get(timeout=10)
    found: list[Record] = []
    reading = threading.Thread(target=lambda: found.extend(read_partition(kafka_settings, topic, 0)))
    reading.start()
    reading.join(1.5)
    assert reading.is_alive()
    assert not found
    producer._client.commit_transaction()
    reading.join(60)
    producer.close()
    assert [record.value for record in found] == [b"on its way"]


def test_empty_and_missing_topics_are_told_apart(kafka_settings: KafkaSettings, topics: Topics, unique: str) -> None:
    assert list(read_topic(kafka_settings, topics("empty"))) == []
    with pytest.raises(UnknownTopic, match=f"absent-{unique}"):
        list(read_topic(kafka_settings, f"absent-{unique}"))
    with pytest.raises(UnknownTopic, match="-9"):
        list(read_partition(kafka_settings, topics("small"), 9))


def test_a_tail_from_latest_sees_what_comes_after_it_was_made_and_nothing_before(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("tail")
    producer = Producer(kafka_settings, unique)
    producer.send(Outgoing(topic, b"before", b"k", 0))
    late, early = Tail(kafka_settings, [topic], "latest"), Tail(kafka_settings, [topic])
    try:
        assert late.caught_up()
        assert not early.caught_up()
        producer.send(Outgoing(topic, b"after", b"k", 3))
        assert _collected(late, 1) == [b"after"]
        assert sorted(_collected(early, 2)) == [b"after", b"before"]
        assert early.caught_up()
        assert early.positions()[TopicPartition(topic, 0)] == 1
    finally:
        for one in (late, early, producer):
            one.close()


def _collected(tail: Tail, count: int) -> list[bytes]:
    found: list[bytes] = []

    def enough() -> bool:
        found.extend(record.value or b"" for record in tail.poll(0.2))
        return len(found) >= count

    wait_for(enough, f"{count} records are read")
    return found


def test_creating_topics_again_changes_nothing_and_tells_what_differs(
    kafka_settings: KafkaSettings, unique: str
) -> None:
    wished = [Layout(f"a-{unique}", cleanup_policy="compact"), Layout(f"b-{unique}", 1, config={"retention.ms": "-1"})]
    assert [report.outcome for report in ensure_topics(kafka_settings, wished)] == ["created", "created"]
    assert [report.outcome for report in ensure_topics(kafka_settings, wished)] == ["existing", "existing"]
    assert partition_count(kafka_settings, f"a-{unique}") == kafka_settings.partitions
    other = [Layout(f"b-{unique}", 2, config={"retention.ms": "1000"})]
    (report,) = ensure_topics(kafka_settings, other)
    assert report.outcome == "differs"
    assert report.differences == ("partitions: 1, wanted 2", "retention.ms: -1, wanted 1000")
    assert partition_count(kafka_settings, f"b-{unique}") == 1


def test_lag_counts_what_a_group_has_not_committed_yet(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("lag", partitions=1)
    producer = TransactionalProducer(kafka_settings, unique)
    producer.commit([Outgoing(topic, b"1", b"k", 0), Outgoing(topic, b"2", b"k", 0)])
    member = GroupConsumer(
        kafka_settings, unique, [topic], PartitionCallbacks(lambda _: None, lambda _: None), client_id="lag"
    )
    wait_for(lambda: member.poll(0.05) or member.assignment(), "the member has its partitions")
    producer.commit([], {TopicPartition(topic, 0): 1}, member.group_metadata())
    member.close()
    producer.close()
    behind = wait_for(lambda: lag(kafka_settings, unique), "the committed offsets can be seen")
    assert behind == {TopicPartition(topic, 0): 2}  # one record, one transaction marker
    assert unique in list_groups(kafka_settings)
