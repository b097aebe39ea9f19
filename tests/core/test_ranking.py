"""Which texts answer a text best: laws of the ranking, and what it makes of a desk's articles."""

from __future__ import annotations

from random import Random
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from sync.core.ranking import LONGEST, Candidate, Ranked, ranked, telling, words

WORDS = ("vpn", "printer", "mail", "certificate", "renew", "router", "paper", "outlook", "the", "Café")
text = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
pool = st.lists(st.tuples(text, text), max_size=8).map(
    lambda rows: [Candidate(f"KB{place}", fields) for place, fields in enumerate(rows)]
)
DESK = [
    Candidate("KB1", ("Renew the certificate of the VPN", "Open the client, choose Renew, restart.")),
    Candidate("KB2", ("Printer on fire", "Keep calm. Unplug the printer and call the fire brigade.")),
    Candidate("KB3", ("Clear a paper jam", "Open the printer, pull the paper, close the printer.")),
    Candidate("KB4", ("Travel expenses", "Send your receipts by mail.")),
]


def keys(found: list[Ranked]) -> list[str]:
    return [each.key for each in found]


@given(text, pool, st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_come_changes_nothing(
    asked: str, among: list[Candidate], chance: Random
) -> None:
    mixed = chance.sample(among, len(among))

    assert ranked(asked, mixed) == ranked(asked, among)


@given(text, pool)
def test_a_score_lies_between_nothing_and_one_and_the_best_comes_first(
    asked: str, among: list[Candidate]
) -> None:
    scores = [each.score for each in ranked(asked, among)]

    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


@given(text, pool, st.integers(0, 5), st.sampled_from(WORDS[:8]))
def test_one_more_word_that_is_asked_for_never_ranks_lower(
    asked: str, among: list[Candidate], place: int, more: str
) -> None:
    """Of two texts of one length, the one that holds a word that is asked for where the other holds an idle one."""
    words_before = ["idle"] * 6
    words_after = [*words_before[:place], more, *words_before[place + 1 :]]
    without, having = (
        Candidate("X", ("", " ".join(words_before))),
        Candidate("Y", ("", " ".join(words_after))),
    )

    scores = {each.key: each.score for each in ranked(f"{asked} {more}", [*among, without, having])}

    assert scores["Y"] > scores.get("X", 0.0)


@given(text, pool, st.floats(0, 1), st.integers(0, 4))
def test_a_threshold_and_a_limit_only_leave_out(
    asked: str, among: list[Candidate], at_least: float, limit: int
) -> None:
    every = ranked(asked, among)

    assert (
        ranked(asked, among, at_least=at_least, limit=limit)
        == [e for e in every if e.score >= at_least][:limit]
    )


def test_an_incidents_words_find_its_articles_and_no_others() -> None:
    assert keys(ranked("Cannot connect to VPN: certificate expired", DESK)) == ["KB1"]
    assert keys(ranked("The printer in the lobby is on fire", DESK)) == ["KB2", "KB3"]
    assert ranked("the of and", DESK) == ranked("", DESK) == ranked("VPN", []) == []


def test_a_word_in_the_title_outweighs_the_same_word_in_the_text() -> None:
    among = [Candidate("A", ("Mail", "Restart it.")), Candidate("B", ("Restart", "Mail it."))]

    assert keys(ranked("mail", among)) == ["A", "B"]


def test_one_candidate_is_judged_as_it_would_be_among_many() -> None:
    """A threshold means the same however few there are: what holds all that is asked scores high, alone or not."""
    (alone,) = ranked("renew certificate", DESK[:1])
    (among,) = ranked("renew certificate", DESK)

    assert min(alone.score, among.score) > 0.6


def test_spelling_and_case_make_no_difference() -> None:
    assert words("CAFÉ Straße naïve") == words("Café STRASSE naïve") == ["cafe", "strasse", "naive"]
    assert telling("The printer printer is on fire again", 2) == ["printer", "again"]


def test_two_hundred_long_articles_are_ranked_in_seconds() -> None:
    chance = Random(1)
    vocabulary = [f"word{number}" for number in range(5_000)]
    long = [" ".join(chance.choices(vocabulary, k=4_000))[:LONGEST] for _ in range(20)]
    among = [Candidate(f"KB{place}", ("Title", long[place % 20])) for place in range(200)]
    began = process_time()

    found = ranked(" ".join(vocabulary[:500]), among, limit=3)

    assert len(found) == 3
    assert process_time() - began < 10
