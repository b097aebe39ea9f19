"""Which connector serves which platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sync.connectors.base import Connector, Observer, Profile, TokenStore
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.records import Side

_CONNECTORS: Mapping[Side, Callable[[Profile, TokenStore, Observer], Connector]] = {
    Side.SERVICENOW: ServiceNowConnector,
    Side.SALESFORCE: SalesforceConnector,
}


def open_connector(profile: Profile, tokens: TokenStore, observe: Observer) -> Connector:
    """Make a connector; nothing is sent yet. Raises ConfigurationError for a profile that cannot work."""
    return _CONNECTORS[profile.system](profile, tokens, observe)
