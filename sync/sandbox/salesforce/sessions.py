"""Logins, sessions and the org's call budget: who may ask, and how often."""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from dataclasses import dataclass

from sync.sandbox.credentials import SalesforceCredentials
from sync.sandbox.salesforce.ids import to15
from sync.sandbox.salesforce.org import Org
from sync.sandbox.salesforce.problems import Refusal

_HOUR = 3600  # seconds
_DAY = 24 * _HOUR


class LoginRefused(Exception):
    """An OAuth error: `{"error", "error_description"}`, always with status 400."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


@dataclass(slots=True)
class Session:
    """Times in seconds since 1970 UTC; every use makes the session live longer."""

    token: str
    user_id: str
    used_at: int
    opened_at: int


class Sessions:
    """Access tokens of the org. The caller holds the org's lock."""

    def __init__(self, org: Org, credentials: SalesforceCredentials, org_id: str) -> None:
        self._org = org
        self._credentials = credentials
        self._org_id = org_id
        self._sessions: dict[str, Session] = {}
        self._logins: deque[int] = deque()

    def check_client_id(self, client_id: str) -> None:
        """Raises LoginRefused."""
        if not _same(client_id, self._credentials.client_id):
            raise LoginRefused("invalid_client_id", "client identifier invalid")

    def check_client(self, client_id: str, client_secret: str) -> None:
        """Raises LoginRefused."""
        self.check_client_id(client_id)
        if not _same(client_secret, self._credentials.client_secret):
            raise LoginRefused("invalid_client", "invalid client credentials")

    def check_password(self, username: str, password: str) -> None:
        """The password is followed by the security token. Raises LoginRefused, the same for every reason."""
        known = self.knows(username, password, security_token=True)
        if not (known and self._org.dialect.password_grant):
            raise LoginRefused("invalid_grant", "authentication failure")

    def knows(self, username: str, password: str, *, security_token: bool) -> bool:
        """Say whether a password is right: as people type it, or followed by the security token."""
        wanted = self._credentials.password + (self._credentials.security_token if security_token else "")
        known = _same(username.lower(), self._credentials.username.lower())
        return _same(password, wanted) and known

    def open(self, username: str) -> Session:
        """Return the user's session: a living one if the org gives the same again. Raises LoginRefused."""
        user = self._org.find("User", "Username", username)
        if user is None or not user.values[self._org.tables["User"].slots["IsActive"]]:
            raise LoginRefused("inactive_user", "user is inactive")
        user_id, now = str(user.values[0]), self._org.now()
        self._count_login(now)
        if self._org.dialect.reuses_sessions:
            for session in self._sessions.values():
                if session.user_id == user_id and not self._is_over(session, now):
                    session.used_at = now
                    return session
        token = f"{to15(self._org_id)}!{secrets.token_urlsafe(60)}"
        session = self._sessions[token] = Session(token, user_id, now, now)
        return session

    def _count_login(self, now: int) -> None:
        """Raises LoginRefused. Only one user can log in here, so one count is enough."""
        while self._logins and self._logins[0] <= now - _HOUR:
            self._logins.popleft()
        if len(self._logins) >= self._org.dialect.logins_per_hour:
            raise LoginRefused("invalid_grant", "login rate exceeded")
        self._logins.append(now)

    def find(self, authorization: str) -> Session | None:
        """Return the living session that an Authorization header names, and note its use."""
        scheme, _, token = authorization.partition(" ")
        session = self._sessions.get(token.strip()) if scheme in ("Bearer", "OAuth") else None
        now = self._org.now()
        if session is None or self._is_over(session, now):
            return None
        session.used_at = now
        return session

    def living(self, token: str) -> Session | None:
        """Return the session of a token, without that being a use of it."""
        session = self._sessions.get(token)
        return None if session is None or self._is_over(session, self._org.now()) else session

    def end(self, token: str) -> bool:
        """End one session; False if there is none."""
        return self._sessions.pop(token, None) is not None

    def authenticate(self, authorization: str) -> Session:
        """Raises Refusal (INVALID_SESSION_ID)."""
        session = self.find(authorization)
        if session is None:
            raise Refusal("INVALID_SESSION_ID", "Session expired or invalid")
        return session

    def expire_all(self) -> int:
        ended = len(self._sessions)
        self._sessions.clear()
        return ended

    def _is_over(self, session: Session, now: int) -> bool:
        return now - session.used_at >= self._org.dialect.session_seconds


class Budget:
    """Calls of the last 24 hours, counted by the minute. The caller holds the org's lock."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._minutes: deque[list[int]] = deque()  # [minute, calls]
        self._used = 0

    @property
    def maximum(self) -> int:
        return self._org.dialect.daily_api_requests

    @property
    def used(self) -> int:
        oldest = (self._org.now() - _DAY) // 60
        while self._minutes and self._minutes[0][0] <= oldest:
            self._used -= self._minutes.popleft()[1]
        return self._used

    def charge(self, calls: int = 1) -> None:
        """Raises Refusal (REQUEST_LIMIT_EXCEEDED) when nothing is left; a refused call is not counted."""
        if self.used >= self.maximum:
            raise Refusal("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self._add(calls)

    def leave(self, remaining: int) -> None:
        """Spend or return calls so that just `remaining` are left."""
        self._add(self.maximum - remaining - self.used)

    def _add(self, calls: int) -> None:
        minute = self._org.now() // 60
        if self._minutes and self._minutes[-1][0] == minute:
            self._minutes[-1][1] += calls
        else:
            self._minutes.append([minute, calls])
        self._used += calls

    def header(self) -> str:
        return f"api-usage={self.used}/{self.maximum}"


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
