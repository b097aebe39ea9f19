"""How well texts answer a text: BM25F, as a share of the best there could be. Pure.

    weight(word) = ln(1 + (N - n + 0.5) / (n + 0.5))        N candidates and 50 others, of which n hold the word
    tf(word)     = sum over fields of boost * count / (1 - b + b * length / average length)
    score        = sum(weight * tf / (k1 + tf)) / sum(weight), over the words that are asked for

Source: S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", Foundations and Trends in
Information Retrieval 3(4), 2009, sections 3.4 to 3.6. What is ours: the first field is the title and counts three times; the
candidates were looked up by the words, so fifty texts that hold none of them are counted beside them, or a word that all
candidates share would tell nothing; and the sum is divided by what a text would have that holds each word without end. So a
score lies between 0 and 1, and a threshold means the same for few candidates and for many.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

K1, B = 1.2, 0.75
TITLE = 3.0  # how often a word of the first field counts
OTHERS = 50  # texts beside the candidates, which hold none of the words
LONGEST = 32_768  # characters of a field that are looked at
MOST_WORDS = 64  # of what is asked for
SHORTEST = 2  # characters of a word
DIGITS = 4  # decimal places of a score

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
STOP_WORDS = frozenset(
    "a about after all also am an and any are as at be been but by can cannot can't could did do does doesn't don't for from "
    "had has have he her his how i if in into is isn't it its me my no not of off on or our out she so some than that the "
    "their them then there these they this to up us was we were what when where which who why will with won't would you your".split()
)


@dataclass(frozen=True)
class Candidate:
    """`fields`: its texts as a reader sees them, the title first."""

    key: str
    fields: tuple[str, ...]

    @cached_property
    def counts(self) -> tuple[Counter[str], ...]:
        return tuple(Counter(words(text)) for text in self.fields)


@dataclass(frozen=True, slots=True)
class Ranked:
    """`score`: from 0, nothing in common, to below 1."""

    key: str
    score: float


def words(text: str) -> list[str]:
    """The words of a text, folded so that Café and CAFE are one; stop words and single characters are left out."""
    return [_folded(word) for word in spellings(text)]


def spellings(text: str) -> list[str]:
    """The same words, as they are written."""
    cut = unicodedata.normalize("NFC", text[:LONGEST]).casefold().replace("’", "'")
    return [word for word in _WORD.findall(cut) if len(word) >= SHORTEST and word not in STOP_WORDS]


def _folded(word: str) -> str:
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFKD", word)
    return "".join(part for part in parts if not unicodedata.combining(part)).casefold()


def telling(asked: str, most: int) -> list[str]:
    """The words of a text to look for where not all can be: the longest, which are the rarest as a rule."""
    found = sorted(dict.fromkeys(spellings(asked)), key=lambda word: (-len(word), word))
    return found[:most]


def ranked(
    asked: str, candidates: Sequence[Candidate], *, at_least: float = 0.0, limit: int | None = None
) -> list[Ranked]:
    """The candidates that have something in common with what is asked, the best first; of equals, by their keys."""
    weights = _weights(asked, candidates)
    averages = _averages(candidates)
    most = math.fsum(weights.values())
    found = [Ranked(each.key, _score(each, weights, averages, most)) for each in candidates] if most else []
    fit = [each for each in found if each.score > 0 and each.score >= at_least]
    return sorted(fit, key=lambda each: (-each.score, each.key))[:limit]


def _weights(asked: str, candidates: Sequence[Candidate]) -> Mapping[str, float]:
    """What each word that is asked for is worth: the fewer candidates hold it, the more it tells."""
    wanted = list(dict.fromkeys(words(asked)))[:MOST_WORDS]
    holders = {
        word: sum(any(word in count for count in each.counts) for each in candidates) for word in wanted
    }
    every = len(candidates) + OTHERS
    return {word: math.log1p((every - held + 0.5) / (held + 0.5)) for word, held in holders.items()}


def _averages(candidates: Sequence[Candidate]) -> list[float]:
    """The mean length of each field, in words."""
    most = max((len(each.fields) for each in candidates), default=0)
    lengths = [
        [each.counts[place].total() for each in candidates if place < len(each.fields)]
        for place in range(most)
    ]
    return [sum(field) / len(field) for field in lengths]


def _score(each: Candidate, weights: Mapping[str, float], averages: Sequence[float], most: float) -> float:
    total = math.fsum(
        weight * often / (K1 + often)
        for word, weight in weights.items()
        if (often := _often(each, word, averages)) > 0
    )
    return round(total / most, DIGITS)


def _often(each: Candidate, word: str, averages: Sequence[float]) -> float:
    """How often a candidate holds a word, its fields weighted, and long ones made as short as the others."""
    found = 0.0
    for place, count in enumerate(each.counts):
        if word in count:
            length = count.total() / averages[place]
            found += (TITLE if place == 0 else 1.0) * count[word] / (1 - B + B * length)
    return found
