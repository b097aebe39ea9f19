"""The machines of the demo customers: each a configuration item and, unless it is virtual, an asset."""

from __future__ import annotations

from dataclasses import dataclass

MAKER = "Northwind Hardware"


@dataclass(frozen=True, slots=True)
class Machine:
    """`table` is the item's class; the asset is always hardware. Days count from the sandbox's start.

    `within` names the machine that this one is built into, `service` what runs on it.
    """

    name: str
    table: str
    model: str
    customer: str
    serial: str
    installed_days: int
    warranty_days: int
    within: str = ""
    service: str = ""
    retired: bool = False
    virtual: bool = False  # a configuration item alone


_SERVER, _NETGEAR, _COMPUTER = "cmdb_ci_server", "cmdb_ci_netgear", "cmdb_ci_computer"
_MAIL, _NETWORK, _DATABASE = "Mail and Calendar", "Managed Network", "Database Hosting"

MACHINES = (
    Machine("acme-rack-1", "cmdb_ci_hardware", "Rack 42", "Acme", "NW-R42-1001", -900, 190),
    Machine("acme-mail-1", _SERVER, "Server S3", "Acme", "NW-S3-1002", -880, 215, "acme-rack-1", _MAIL),
    Machine("acme-gw-1", _NETGEAR, "Gateway G2", "Acme", "NW-G2-1003", -400, 700, "acme-rack-1", _NETWORK),
    Machine("acme-gw-0", _NETGEAR, "Gateway G1", "Acme", "NW-G1-0077", -2500, -700, retired=True),
    Machine("edge-rack-1", "cmdb_ci_hardware", "Rack 42", "Edge Communications", "NW-R42-2001", -700, 400),
    Machine(
        "edge-db-1",
        _SERVER,
        "Server S4",
        "Edge Communications",
        "NW-S4-2002",
        -690,
        410,
        "edge-rack-1",
        _DATABASE,
    ),
    Machine(
        "edge-switch-1",
        _NETGEAR,
        "Switch W8",
        "Edge Communications",
        "NW-W8-2003",
        -690,
        45,
        "edge-rack-1",
        _NETWORK,
    ),
    Machine(
        "edge-vm-1", _SERVER, "Virtual", "Edge Communications", "", -300, 65, service=_DATABASE, virtual=True
    ),
    Machine("hotel-desk-1", _COMPUTER, "Laptop L5", "Grand Hotels", "NW-L5-3001", -200, 895),
    Machine("hotel-desk-2", _COMPUTER, "Laptop L5", "Grand Hotels", "NW-L5-3002", -200, 895),
    Machine("hotel-desk-0", _COMPUTER, "Laptop L3", "Grand Hotels", "NW-L3-0012", -1900, -800, retired=True),
)
