"""Pages of a list that may hold a million rows: nothing is counted, and nothing skipped, beyond ten thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.paginator import Paginator
from django.utils.functional import cached_property

if TYPE_CHECKING:  # Django's own class takes no parameter while the program runs
    Base: TypeAlias = Paginator[Any]
else:
    Base = Paginator

MOST = 10_000  # rows that a list counts and pages through; what lies behind is found by a filter or a search


class BoundedPaginator(Base):
    """Ends after MOST rows, so that no count reads the whole table and no offset is deep. `is_cut` tells that it did."""

    template_name = "console/list_pages.html"  # where the theme asks for the foot of a list

    @cached_property
    def count(self) -> int:
        return min(self._found, MOST)

    @property
    def is_cut(self) -> bool:
        return self._found > MOST

    @cached_property
    def _found(self) -> int:
        """At most MOST + 1: the slice becomes a LIMIT inside the count."""
        rows: Any = self.object_list
        counted = getattr(rows, "order_by", None)
        if counted is None:
            return len(rows)
        # Sorting before counting would read what the limit spares.
        return int(counted()[: MOST + 1].count()) if not rows.query.is_sliced else int(rows.count())
