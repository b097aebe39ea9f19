"""Who may look: a link that works once opens a session, whose cookie is all a browser keeps.

No secret of the sandbox's own (control token, credentials) is on any page. A session ends with the sandbox.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from threading import Lock

_SECRET = re.compile(r"[\w-]{43}")


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(slots=True)
class Session:
    """One browser. `person`: whom it acted as last; `notice`: what the next page says once."""

    csrf: str = field(default_factory=_secret, repr=False)
    person: str = ""
    notice: str = ""

    def sent_this(self, token: str) -> bool:
        """Whether a form was one of ours: it carries the session's own token."""
        return hmac.compare_digest(token.encode(), self.csrf.encode())

    def take_notice(self) -> str:
        notice, self.notice = self.notice, ""
        return notice


class Access:
    """Links and sessions of one platform's pages. The cookie's name holds the port: browsers share cookies between ports."""

    def __init__(self, cookie: str) -> None:
        self._cookie = cookie
        self._pattern = re.compile(rf"(?:^|;\s*){re.escape(cookie)}=({_SECRET.pattern})(?:;|$)")
        self._lock = Lock()
        self._links: set[str] = set()
        self._sessions: dict[str, Session] = {}

    def issue_link(self) -> str:
        """A token that opens one session."""
        token = _secret()
        with self._lock:
            self._links.add(token)
        return token

    def enter(self, token: str, path: str) -> str | None:
        """Spend a link; returns the Set-Cookie header of its session, None for a link that is unknown or spent."""
        with self._lock:
            if token not in self._links:
                return None
            self._links.remove(token)
            key = _secret()
            self._sessions[key] = Session()
        return f"{self._cookie}={key}; Path={path}; Secure; HttpOnly; SameSite=Strict"

    def session(self, cookies: str) -> Session | None:
        """The session that a Cookie header names."""
        found = self._pattern.search(cookies)
        with self._lock:
            return self._sessions.get(found[1]) if found else None
