"""The troubles that the people of Acme call about: what tickets are made of."""

from __future__ import annotations

from dataclasses import dataclass

from sync.sandbox.people import GROUPS


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of trouble. `{place}`, `{asset}` and `{since}` in the texts are filled in for each ticket."""

    category: str
    subcategory: str
    symptom: str
    group: str
    subjects: tuple[str, ...]
    details: tuple[str, ...]
    resolution: str


PLACES = ("Berlin", "Munich", "Hamburg", "Vienna", "Zurich", "Lyon", "Austin", "Leeds", "Oslo", "Porto")
SINCE = (
    "this morning",
    "yesterday",
    "Monday",
    "the last update",
    "lunch time",
    "last week",
    "the office move",
)
CLOSINGS = (
    "Please call me back, I am at my desk until five.",
    "A colleague next to me has the same problem.",
    "It is not urgent, but it happens every day.",
    "We have a customer visiting tomorrow and need this to work.",
    "I have restarted twice already, without success.",
    "Feel free to take over my screen.",
    "Thanks for looking into it!",
)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "network",
        "vpn",
        "No connection",
        "Network",
        ("VPN drops every few minutes", "VPN does not connect from {place}", "VPN asks for the code twice"),
        (
            "Since {since} the VPN client loses its connection after five to ten minutes.",
            "The client shows 'gateway not reachable' and then reconnects by itself.",
            "I work from home near {place}, the laptop is {asset}.",
        ),
        "Client profile renewed and the old gateway removed from it.",
    ),
    Scenario(
        "network",
        "wireless",
        "Slow",
        "Network",
        (
            "Wi-Fi very slow in {place}",
            "No Wi-Fi in meeting room {place}",
            "Wi-Fi login page does not appear",
        ),
        (
            "The wireless network in the {place} office has been very slow since {since}.",
            "Video calls freeze and files from the share take minutes to open.",
            "On a cable everything is fast, so it must be the access point.",
        ),
        "Access point moved to a free channel, signal checked on site.",
    ),
    Scenario(
        "hardware",
        "printer",
        "Does not work",
        "Hardware",
        (
            "Printer {asset} on the 3rd floor jams",
            "Printer {asset} prints blank pages",
            "Toner empty: {asset}",
        ),
        (
            "The printer {asset} in {place} takes the job and then stops with a paper jam.",
            "Nobody can see any paper in it, and it has happened since {since}.",
            "Accounting needs it for the month-end papers.",
        ),
        "Feed roller replaced, test page printed.",
    ),
    Scenario(
        "hardware",
        "laptop",
        "Does not start",
        "Hardware",
        (
            "Laptop {asset} does not start",
            "Battery of {asset} lasts ten minutes",
            "Docking station shows no picture",
        ),
        (
            "My laptop {asset} stays black when I press the button.",
            "The light blinks three times, then nothing happens. It worked until {since}.",
            "I am in {place} this week and can bring it to the service desk.",
        ),
        "Memory module reseated; the device starts normally.",
    ),
    Scenario(
        "software",
        "email",
        "Error message",
        "Software",
        (
            "Mailbox full, cannot send",
            "Outlook asks for the password again and again",
            "Shared mailbox is gone",
        ),
        (
            "I can not send any e-mail since {since}; it says that the mailbox is full.",
            "I have deleted the large attachments, but the message stays.",
            "The shared mailbox of the {place} team shows the same.",
        ),
        "Quota raised and the online archive switched on.",
    ),
    Scenario(
        "software",
        "erp",
        "Error message",
        "Software",
        (
            "SAP: posting period not open",
            "SAP logon fails with 'user locked'",
            "SAP order print stays in the queue",
        ),
        (
            "When I save a posting in SAP I get the message 'posting period not open'.",
            "It concerns company code {place}, and it began {since}.",
            "The screenshot is with my colleague in controlling.",
        ),
        "Authorisation corrected; the user posted the document.",
    ),
    Scenario(
        "software",
        "office",
        "Crash",
        "Software",
        (
            "Excel crashes with the budget file",
            "Teams: no sound in meetings",
            "PDF export shows boxes – “wrong font”",
        ),
        (
            "The program closes without a message as soon as I open the file.",
            "Smaller files are fine. It has been like this since {since} on {asset}.",
            "I have tried it on a second device in {place}, with the same result.",
        ),
        "Add-in updated to the current version.",
    ),
    Scenario(
        "inquiry",
        "access",
        "Access needed",
        "Service Desk",
        (
            "Access to the {place} project share",
            "New colleague needs an account",
            "Password reset for the portal",
        ),
        (
            "I need read and write access to the project share of {place}.",
            "My manager has agreed, the e-mail is attached to the request.",
            "The work starts soon; I have been waiting since {since}.",
        ),
        "Membership of the group added and confirmed by the user.",
    ),
    Scenario(
        "inquiry",
        "question",
        "How to",
        "Service Desk",
        (
            "How do I book a meeting room?",
            "Which cable for the new screen?",
            "Phone number still shows the old name",
        ),
        (
            "I could not find in the handbook how this works since {since}.",
            "The page for {place} leads to an empty list.",
            "A short answer is enough.",
        ),
        "Explained by phone, article sent.",
    ),
    Scenario(
        "database",
        "reporting",
        "Wrong data",
        "Database",
        (
            "Sales report shows yesterday's numbers",
            "Report for {place} runs for hours",
            "Query times out at noon",
        ),
        (
            "The daily report still shows old numbers since {since}.",
            "The source system is up to date, so the load must have failed.",
            "{place} is missing completely from the second page.",
        ),
        "Nightly load restarted, statistics renewed.",
    ),
)

GROUP_NAMES = tuple(group.name for group in GROUPS)
