"""Authors: one name under one brand, nobody's name across brands; and the secret behind it."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.feedback_collector.settings import SALT_FILE, CollectorSettings, author_salt
from services.runtime.settings import Secret, SettingsError, read_settings

SALT = b"0123456789abcdef"


def test_an_author_keeps_the_name_under_a_brand_also_in_another_process() -> None:
    name = Pseudonyms(SALT).of("qinghe", "toy", "1900000001")
    assert name == Pseudonyms(SALT).of("qinghe", "toy", "1900000001")
    assert re.fullmatch("[0-9a-f]{16}", name)
    assert "1900000001" not in name


def test_brands_platforms_authors_and_salts_cannot_be_told_from_each_other() -> None:
    names = {
        Pseudonyms(salt).of(brand, platform, author)
        for salt in (SALT, SALT[::-1])
        for brand in ("qinghe", "other")
        for platform in ("toy", "toy2")
        for author in ("1", "2")
    }
    assert len(names) == 16


def test_platform_and_author_do_not_run_into_each_other() -> None:
    pseudonyms = Pseudonyms(SALT)
    assert pseudonyms.of("b", "toy", "2x") != pseudonyms.of("b", "toy2", "x")


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="16"):
        Pseudonyms(b"short")


def test_the_salt_is_made_once_and_for_the_owners_eyes_only(tmp_path: Path) -> None:
    settings = CollectorSettings(state_dir=tmp_path / "state")
    salt = author_salt(settings)
    assert author_salt(settings) == salt
    assert len(salt) >= 32
    assert stat.S_IMODE((tmp_path / "state" / SALT_FILE).stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "state").iterdir()] == [SALT_FILE]


def test_collectors_that_start_together_agree_on_one_salt(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        salts = set(pool.map(lambda _: author_salt(CollectorSettings(state_dir=tmp_path)), range(64)))
    assert len(salts) == 1


def test_a_salt_that_is_set_is_used_and_leaves_no_file(tmp_path: Path) -> None:
    settings = CollectorSettings(state_dir=tmp_path, author_salt=Secret("一个足够长的盐值"))
    assert author_salt(settings) == "一个足够长的盐值".encode()
    assert list(tmp_path.iterdir()) == []


def test_a_salt_too_short_is_a_problem_of_the_settings_that_does_not_show_it() -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(CollectorSettings, {"TONGBO_AUTHOR_SALT": "tooshort"})
    assert "TONGBO_AUTHOR_SALT" in str(error.value)
    assert "tooshort" not in str(error.value)


def test_a_damaged_salt_file_is_named_and_never_replaced(tmp_path: Path) -> None:
    (tmp_path / SALT_FILE).write_bytes(b"")
    with pytest.raises(SettingsError, match=SALT_FILE):
        author_salt(CollectorSettings(state_dir=tmp_path))
    assert (tmp_path / SALT_FILE).read_bytes() == b""
