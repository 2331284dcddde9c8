"""Whatever a brand writes: it is refused before it is sent, or the platform takes it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.events.content import Variant
from services.adapter.localising.text import fingerprint, key_message_survives, to_script
from services.adapter_weibo.limits import STATUS_MAX, status_length
from services.adapter_weibo.post_text import TOPIC
from services.adapter_weibo.simulator import SIMULATOR
from services.simulator.contract import Call
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.samples import ACCOUNTS, COMMERCIAL, OPEN, content, localised

PATHS = {"open": "/2/statuses/share.json", "commercial": "/2/statuses/update/biz.json"}
words = st.text(
    st.sampled_from("茶春香。！#＃@ \n…頭髮abc1.？😀👨\u200d👩🏽\ufe0f【】&<") | st.characters(codec="utf-8"),
    max_size=200,
)


def taken(way: str, text: str) -> object:
    """What a fresh platform answers to this status."""
    world = SimulatorServer([OPEN, COMMERCIAL], platforms=[SIMULATOR]).world("weibo")
    form = {"status": text, "access_token": ACCOUNTS[way].access_token}
    (endpoint,) = [one for one in SIMULATOR.endpoints() if one.path == PATHS[way]]
    return endpoint.handler(world, Call("POST", PATHS[way], {}, form, None, {}, {})).body


@pytest.mark.parametrize("way", ["open", "commercial"])
@pytest.mark.parametrize("script", ["simplified", "traditional"])
@given(title=words, key=words, summary=words, topic=words)
@example(title="", key="#", summary="#a#", topic="#")
def test_what_is_not_refused_is_taken_by_the_platform(
    way: str, script: str, title: str, key: str, summary: str, topic: str
) -> None:
    account = msgspec.structs.replace(ACCOUNTS[way], script=script)
    outcome = localised(content(title=title, key_message=key, summary=summary, topics=(topic, "茶")), account)
    if outcome.draft is None:
        assert outcome.refusals
        return
    text = outcome.draft.text
    assert status_length(text) <= STATUS_MAX
    answer = taken(way, text)
    assert isinstance(answer, dict)
    assert "error_code" not in answer, answer
    assert fingerprint(str(answer["text"])) == outcome.draft.fingerprint
    plain = to_script(TOPIC.sub(r"\1", " ".join(key.split())).replace("#", "＃"), account.script)
    assert key_message_survives(text, plain)


@pytest.mark.parametrize("way", ["open", "commercial"])
@given(text=words)
def test_a_human_text_is_taken_as_it_stands_or_refused(way: str, text: str) -> None:
    master = content(key_message="茶", variants=(Variant(platform="weibo", text=text),))
    outcome = localised(master, ACCOUNTS[way])
    if outcome.draft is None:
        assert outcome.refusals
        return
    assert text.strip() in outcome.draft.text
    answer = taken(way, outcome.draft.text)
    assert isinstance(answer, dict)
    assert "error_code" not in answer, answer
