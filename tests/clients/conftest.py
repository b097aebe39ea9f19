"""A pair for clients that were written for the real platforms and not for this product.

They get addresses, credentials and the authority's certificate, and nothing else is done to them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sync.sandbox.pair import Pair, PairConfig, start_pair


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One for all tests of a client: each makes the records it looks at."""
    with start_pair(PairConfig()) as pair:
        yield pair


@pytest.fixture(autouse=True)
def authority(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user of requests sets for a private authority: some clients offer no other way."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pair.ca_file))
