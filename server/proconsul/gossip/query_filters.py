"""Whether a query concerns us: all its filters must match (wire/gossip/serf.md section 2)."""

from collections.abc import Iterable, Mapping

from proconsul.filters.pattern import Pattern, PatternError
from proconsul.gossip.journal import Journal
from proconsul.gossip.serf_messages import Filter, NodeFilter, TagFilter, UnknownFilter


def concerns(
    filters: Iterable[Filter], *, name: str, tags: Mapping[str, str], journal: Journal
) -> bool:
    """Whether a member of this name and with these tags is meant."""
    return all(_matches(each, name, tags, journal) for each in filters)


def _matches(each: Filter, name: str, tags: Mapping[str, str], journal: Journal) -> bool:
    match each:
        case NodeFilter():
            return name in each.names
        case TagFilter():
            try:
                return Pattern(each.expression).search(tags.get(each.tag, ""))
            except PatternError as error:
                journal.warning(f"failed to compile filter regex ({each.expression}): {error}")
                return False
        case UnknownFilter():
            journal.warning(f"query has unrecognized filter type: {each.data[:1].hex()}")
            return False
