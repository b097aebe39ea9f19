"""The knowledge articles of the demo: for customers and for the desk, one in two versions, one with a picture."""

from __future__ import annotations

from dataclasses import dataclass

from sync.sandbox.customers import key

_CUSTOMERS, _DESK = "Customer Knowledge", "Service Desk"
BASES = (
    (_CUSTOMERS, "What customers may read."),
    (_DESK, "How the desk works; not for customers."),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """`content` is Base64 of a PNG."""

    sys_id: str
    file_name: str
    content: str


@dataclass(frozen=True, slots=True)
class Article:
    """One version of an article."""

    number: str
    title: str
    text: str
    base: str
    category: str
    state: str = "published"
    version: int = 1
    latest: bool = True


PICTURE = Picture(
    key("sys_attachment", "vpn-dialog.png"),
    "vpn-dialog.png",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
)
_RENEW = "<ol><li>Open the VPN's settings.</li><li>Set <b>Renew key</b> to 24 hours.</li><li>Connect again.</li></ol>"

ARTICLES = (
    Article(
        "KB0020001",
        "VPN drops every hour",
        "<p>The tunnel closes when its key is renewed.</p>" + _RENEW,
        _CUSTOMERS,
        "Network",
        "outdated",
        latest=False,
    ),
    Article(
        "KB0020001",
        "VPN drops every hour",
        "<p>The tunnel closes when its key is renewed. Until the gateway is updated:</p>"
        + _RENEW
        + f'<p><img src="/sys_attachment.do?sys_id={PICTURE.sys_id}" alt="The dialog"></p>',
        _CUSTOMERS,
        "Network",
        version=2,
    ),
    Article(
        "KB0020002",
        "Mail arrives late in the morning",
        "<h2>What happens</h2><p>After the nightly backup the queue waits for some minutes. No mail is lost.</p>"
        "<h2>What to do</h2><p>Wait a quarter of an hour, then tell the service desk.</p>",
        _CUSTOMERS,
        "Mail",
    ),
    Article(
        "KB0020003",
        "How to order a mailbox",
        "<p>Ask your account manager for a <i>Mailbox Package</i>, or order it in the catalog.</p>",
        _CUSTOMERS,
        "Mail",
    ),
    Article(
        "KB0020004",
        "What to do before a planned maintenance",
        "<p>Save open work, close long queries, and read the notice of the change for its times.</p>",
        _CUSTOMERS,
        "Network",
        "draft",
    ),
    Article(
        "KB0020005",
        "Fax lines",
        "<p>Fax lines are no longer sold.</p>",
        _CUSTOMERS,
        "Network",
        "retired",
    ),
    Article(
        "KB0020006",
        "Restarting the queue runner of a mail server",
        "<p>Log in as the mail operator and restart the service <code>queue</code>.</p>",
        _DESK,
        "Mail",
    ),
)
