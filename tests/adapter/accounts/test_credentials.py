"""Tokens of an account: one owner across threads and processes, never emptied, fetched at a bearable pace, unseen."""

from __future__ import annotations

import stat
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.adapter.accounts.credentials import FileCredentials, Guard, next_guard, trouble_of
from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import NoAnswerError, NotSentError, PlatformError
from services.adapter.contract.shared import Tokens
from services.runtime.clock import ManualClock

START = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)
ACCOUNT = Account(
    platform="echo", account="tea", brand_id="qinghe", way="open", access_token="declared", refresh_token="lasting"
)
REVOKED = PlatformError("refresh_token 已失效", error_class="auth", sent="yes", scope="account", code="10010")
QUOTA = PlatformError("次数用完", error_class="quota", sent="yes", retriable=True, retry_after_s=900, code="45009")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> FileCredentials:
    return FileCredentials(tmp_path / "credentials", clock.now)


def _fail(store: FileCredentials, error: PlatformError) -> None:
    with pytest.raises(PlatformError), store.lease(ACCOUNT):
        raise error


def test_what_is_declared_counts_until_something_newer_is_put_in_its_place(store: FileCredentials) -> None:
    declared = store.load(ACCOUNT)
    assert (declared.access_token, declared.refresh_token, declared.revision) == ("declared", "lasting", 0)
    until = START + timedelta(days=15)
    assert store.replace(ACCOUNT, 0, Tokens("fresh", "lasting", until)) == store.load(ACCOUNT)
    assert store.load(ACCOUNT) == Tokens("fresh", "lasting", until, None, 1)


def test_the_slower_of_two_refreshes_gets_the_winners_token(store: FileCredentials) -> None:
    winner = store.replace(ACCOUNT, 0, Tokens("first"))
    assert store.replace(ACCOUNT, 0, Tokens("second")) == winner == store.load(ACCOUNT)


def test_an_empty_value_never_replaces_a_token(store: FileCredentials) -> None:
    until = START + timedelta(days=1)
    store.replace(ACCOUNT, 0, Tokens("fresh", "rotated", until, until))
    kept = store.replace(ACCOUNT, 1, Tokens("", ""))
    assert (kept.access_token, kept.refresh_token) == ("fresh", "rotated")
    assert (kept.access_expires_at, kept.refresh_expires_at) == (until, until)


def test_a_token_newly_declared_by_a_person_beats_what_was_stored(store: FileCredentials) -> None:
    store.replace(ACCOUNT, 0, Tokens("fresh"))
    _fail(store, REVOKED)
    again = replace(ACCOUNT, access_token="granted-anew", refresh_token="new")
    assert (store.load(again).access_token, store.load(again).revision) == ("granted-anew", 2)
    with store.lease(again):  # and the old trouble is over
        assert store.replace(again, 2, Tokens("newest")).access_token == "newest"
    assert store.load(again).access_token == "newest"


def test_files_are_for_their_owner_only(store: FileCredentials) -> None:
    with store.lease(ACCOUNT):
        store.replace(ACCOUNT, 0, Tokens("fresh"))
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in store.folder.iterdir()} == {0o600}


def test_nothing_that_holds_a_token_shows_it(store: FileCredentials) -> None:
    store.replace(ACCOUNT, 0, Tokens("fresh-secret", "rotated-secret"))
    _fail(store, REVOKED)
    shown = repr(store.load(ACCOUNT)) + repr(store.kept(ACCOUNT)) + str(store.kept(ACCOUNT))
    assert "secret" not in shown
    assert "declared" not in shown
    assert "lasting" not in shown


def test_eight_threads_fetch_a_token_once(store: FileCredentials) -> None:
    fetched, used = [], []

    def refresh() -> None:
        with store.lease(ACCOUNT):
            seen = store.load(ACCOUNT)
            if seen.access_token == "declared":
                fetched.append(1)
                seen = store.replace(ACCOUNT, seen.revision, Tokens("fresh"))
            used.append(seen.access_token)

    threads = [threading.Thread(target=refresh) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(fetched), used) == (1, ["fresh"] * 8)


def test_a_holder_that_hangs_makes_the_others_give_up_without_having_sent_anything(store: FileCredentials) -> None:
    with store.lease(ACCOUNT), pytest.raises(PlatformError) as raised, store.lease(ACCOUNT, patience_s=0.05):
        raise AssertionError("two hold it")
    assert (raised.value.sent, raised.value.retriable) == ("no", True)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (NotSentError("x"), "transient"),
        (NoAnswerError("x"), "transient"),
        (PlatformError("busy", error_class="platform_down", sent="yes", retriable=True), "transient"),
        (QUOTA, "quota"),
        (REVOKED, "revoked"),
        (PlatformError("wait", error_class="auth", sent="yes", retriable=True, retry_after_s=600), "transient"),
        (
            PlatformError("?", error_class="needs_human", sent="yes", outcome="unknown", recognised=False),
            "transient",
        ),
        (PlatformError("new code", error_class="auth", sent="yes", recognised=False), "transient"),
        (PlatformError("config", error_class="auth", sent="no"), "transient"),
    ],
)
def test_only_a_known_refusal_means_revoked(error: PlatformError, trouble: str) -> None:
    assert trouble_of(error) == trouble


def test_a_platform_that_is_down_for_an_hour_is_asked_a_handful_of_times(
    store: FileCredentials, clock: ManualClock
) -> None:
    asked = 0
    for _ in range(3600):
        with suppress(PlatformError), store.lease(ACCOUNT):
            asked += 1
            raise NoAnswerError("HTTP 500")
        clock.advance(1)
    assert 10 <= asked <= 25


def test_passing_trouble_disconnects_nobody(store: FileCredentials, clock: ManualClock) -> None:
    _fail(store, NoAnswerError("HTTP 500"))
    with pytest.raises(PlatformError) as held, store.lease(ACCOUNT):
        raise AssertionError("asked again at once")
    assert (held.value.error_class, held.value.sent, held.value.retriable) == ("platform_down", "no", True)
    assert held.value.retry_after_s == pytest.approx(1)
    clock.advance(1)
    with store.lease(ACCOUNT):
        store.replace(ACCOUNT, 0, Tokens("fresh"))
    assert store.guard(ACCOUNT) is None


def test_a_used_up_quota_is_left_alone_until_the_platform_said(store: FileCredentials, clock: ManualClock) -> None:
    _fail(store, QUOTA)
    with pytest.raises(PlatformError) as held, store.lease(ACCOUNT):
        raise AssertionError("asked again at once")
    assert held.value.error_class == "quota"
    assert held.value.retry_after_s == pytest.approx(900)


def test_a_revoked_account_waits_as_auth_and_says_so(store: FileCredentials) -> None:
    _fail(store, REVOKED)
    with pytest.raises(PlatformError) as held, store.lease(ACCOUNT):
        raise AssertionError("asked again at once")
    assert held.value.error_class == "auth"
    assert "重新授权" in held.value.message
    guard = store.guard(ACCOUNT)
    assert guard is not None
    assert guard.trouble == "revoked"


def test_tokens_that_came_during_a_failing_refresh_are_not_disturbed(store: FileCredentials) -> None:
    with suppress(PlatformError), store.lease(ACCOUNT):
        store.replace(ACCOUNT, 0, Tokens("granted"))
        raise REVOKED
    assert store.guard(ACCOUNT) is None


def test_the_pause_grows_and_has_an_end() -> None:
    guard: Guard | None = None
    pauses = []
    for _ in range(14):
        guard = next_guard(guard, NoAnswerError("x"), START)
        pauses.append((guard.until - START).total_seconds())
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == 300


def test_a_warning_is_given_by_one_and_taken_over_where_its_giver_died(
    store: FileCredentials, clock: ManualClock
) -> None:
    assert store.claim_warning(ACCOUNT, "7d")
    assert not store.claim_warning(ACCOUNT, "7d")
    clock.advance(121)
    assert store.claim_warning(ACCOUNT, "7d")
    store.warning_given(ACCOUNT, "7d")
    clock.advance(100_000)
    assert not store.claim_warning(ACCOUNT, "7d")
    assert store.warnings_given(ACCOUNT) == {"7d"}


# --- files that cannot be used ---


def test_a_damaged_file_sends_nothing_waits_and_names_itself_until_it_is_mended(store: FileCredentials) -> None:
    store.replace(ACCOUNT, 0, Tokens("fresh", "rotated"))
    path = next(store.folder.glob("*.json"))
    whole = path.read_bytes()
    for damage in (whole[:20], b"", b"\xff\xfe", b"[1]"):
        path.write_bytes(damage)
        for use in (lambda: store.load(ACCOUNT), lambda: store.replace(ACCOUNT, 1, Tokens("x")), lambda: _lease(store)):
            with pytest.raises(PlatformError) as raised:
                use()
            assert (raised.value.sent, raised.value.retriable, raised.value.error_class) == (
                "no",
                True,
                "platform_down",
            )
            assert str(path) in raised.value.message
    path.write_bytes(whole)
    assert store.load(ACCOUNT).refresh_token == "rotated"


def _lease(store: FileCredentials) -> None:
    with store.lease(ACCOUNT):
        pass


def test_a_file_that_cannot_be_read_is_no_bug(store: FileCredentials) -> None:
    store.folder.mkdir(parents=True)
    (store.folder / "echo~tea.json").mkdir()
    with pytest.raises(PlatformError) as raised:
        store.load(ACCOUNT)
    assert (raised.value.sent, raised.value.retriable) == ("no", True)


def test_a_new_authorisation_replaces_a_damaged_file_and_keeps_it_aside(store: FileCredentials) -> None:
    store.replace(ACCOUNT, 0, Tokens("fresh", "rotated"))
    path = next(store.folder.glob("*.json"))
    path.write_bytes(b"{")
    store.renew(ACCOUNT, Tokens("granted", "anew"))
    assert store.load(ACCOUNT).access_token == "granted"
    assert path.with_suffix(".damaged").read_bytes() == b"{"


def test_tokens_that_cannot_be_written_are_used_all_the_same_and_written_later(
    store: FileCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that rotates its refresh token takes the old one no longer: the new one must not be lost."""

    def full(path: Path, text: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("services.adapter.accounts.credentials.private_write", full)
        assert store.replace(ACCOUNT, 0, Tokens("fresh", "rotated")).refresh_token == "rotated"
        assert store.load(ACCOUNT).refresh_token == "rotated"
    store.replace(ACCOUNT, 1, Tokens("fresher"))
    assert FileCredentials(store.folder, store.now).load(ACCOUNT).refresh_token == "rotated"
