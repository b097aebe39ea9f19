"""Who is who by something that both platforms know of a person: an e-mail address, an employee number, a federation id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A user of one side. `name`: user_name or Username. `mark`: what people are told apart by; "" matches nobody."""

    id: str
    name: str
    label: str
    active: bool
    mark: str

    @property
    def plain(self) -> str:
        """The mark as either platform compares it: without spaces around it, letter case apart."""
        return self.mark.strip().casefold()


@dataclass(frozen=True, slots=True)
class Matching:
    """`ambiguous`: the names of those who share a mark with somebody of their side. A pair is nobody's other pair."""

    pairs: Sequence[tuple[Account, Account]]
    ambiguous: Sequence[tuple[str, ...]]
    alone: tuple[int, int]  # active accounts of either side without a counterpart


def match(here: Iterable[Account], there: Iterable[Account]) -> Matching:
    """Accounts with the same mark, by the names of this side. Of several with one mark the only active one counts."""
    sides = tuple(_by_mark(accounts) for accounts in (here, there))
    pairs, ambiguous = [], []
    for mark in sides[0].keys() & sides[1].keys():
        chosen = [_only(side[mark]) for side in sides]
        if chosen[0] is None or chosen[1] is None:
            ambiguous.append(tuple(sorted(account.name for side in sides for account in side[mark])))
        else:
            pairs.append((chosen[0], chosen[1]))
    paired = {(index, account.id) for pair in pairs for index, account in enumerate(pair)}
    alone = [
        sum(
            account.active and (index, account.id) not in paired
            for accounts in side.values()
            for account in accounts
        )
        for index, side in enumerate(sides)
    ]
    return Matching(sorted(pairs, key=lambda pair: pair[0].name), sorted(ambiguous), (alone[0], alone[1]))


def _by_mark(accounts: Iterable[Account]) -> Mapping[str, list[Account]]:
    found: dict[str, list[Account]] = {}
    for account in {each.id: each for each in accounts}.values():
        if account.plain:
            found.setdefault(account.plain, []).append(account)
    return found


def _only(accounts: Sequence[Account]) -> Account | None:
    if len(accounts) == 1:
        return accounts[0]
    active = [account for account in accounts if account.active]
    return active[0] if len(active) == 1 else None
