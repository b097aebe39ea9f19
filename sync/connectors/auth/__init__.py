"""How a connection proves who it is: a table of methods, and one token for all threads and processes."""

from sync.connectors.auth.authoriser import Authoriser, with_advice
from sync.connectors.auth.credentials import Credential, credential
from sync.connectors.auth.methods import METHODS, AuthMethod, method_of
from sync.connectors.auth.tokens import InMemoryTokenStore, usable

__all__ = [
    "METHODS",
    "AuthMethod",
    "Authoriser",
    "Credential",
    "InMemoryTokenStore",
    "credential",
    "method_of",
    "usable",
    "with_advice",
]
