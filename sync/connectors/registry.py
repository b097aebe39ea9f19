"""Which connector serves which platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sync.connectors.base import Connector, Observer, Profile, TokenStore
from sync.connectors.http import Dialect, Transport
from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.salesforce.dialect import SalesforceDialect
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.connectors.servicenow.dialect import ServiceNowDialect
from sync.core.records import Side

_CONNECTORS: Mapping[Side, Callable[[Profile, TokenStore, Observer], Connector]] = {
    Side.SERVICENOW: ServiceNowConnector,
    Side.SALESFORCE: SalesforceConnector,
}
_DIALECTS: Mapping[Side, Callable[[], Dialect]] = {
    Side.SERVICENOW: ServiceNowDialect,
    Side.SALESFORCE: SalesforceDialect,
}


def open_connector(profile: Profile, tokens: TokenStore, observe: Observer) -> Connector:
    """Make a connector; nothing is sent yet. Raises ConfigurationError for a profile that cannot work."""
    return _CONNECTORS[profile.system](profile, tokens, observe)


def open_transport(profile: Profile, observe: Observer) -> Transport:
    """Calls that need no token: the exchange of a code, a revocation."""
    return Transport(profile, _DIALECTS[profile.system](), observe)
