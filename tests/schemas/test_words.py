"""Every state and every class of errors has words in both languages, in the one file that has them."""

from __future__ import annotations

from typing import get_args

from schemas.events.placement import ErrorClass, State
from schemas.words import all_words, error_class_words, state_words


def test_the_file_has_the_words_of_all_states_and_classes_and_of_nothing_else() -> None:
    states, classes = all_words()
    assert list(states) == ["ACCEPTED_BY_PUBLISHER", *get_args(State)]
    assert list(classes) == list(get_args(ErrorClass))


def test_no_word_is_empty_and_no_two_states_have_the_same_name() -> None:
    states, classes = all_words()
    every = [one for said in states.values() for one in (said.name, said.says)]
    every += [one for said in classes.values() for one in (said.name, said.says, said.way_out, said.when_failed)]
    assert all(one.zh.strip() and one.en.strip() for one in every)
    assert len({said.name.zh for said in states.values()}) == len(states)


def test_what_a_newer_version_brought_is_shown_as_it_is() -> None:
    assert state_words("ARCHIVED").says.both() == "ARCHIVED / ARCHIVED"
    assert error_class_words("weather").way_out.en == "weather"
