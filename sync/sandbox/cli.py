"""The sandbox pair as a command: start, say where, serve until told to stop."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sync.sandbox.credentials import Credentials
from sync.sandbox.dialects import read_orders
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.sandbox.platform import ControlError

COULD_NOT_RUN = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--incidents", type=int, default=200, help="incidents made from the seed (200)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same data (1)")
    parser.add_argument(
        "--no-customers",
        action="store_true",
        help="without the demo customers, their services, machines and articles",
    )
    parser.add_argument(
        "--data", type=Path, help="CSV of audited changes to replay, instead of made incidents"
    )
    parser.add_argument(
        "--speed", type=float, default=0.0, help="replayed changes per second; 0: all at once"
    )
    parser.add_argument("--arrivals", type=float, default=0.0, help="new incidents per minute while serving")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds added to every data call")
    parser.add_argument("--jitter", type=float, default=0.0, help="up to so many seconds more, from the seed")
    parser.add_argument("--scenario", type=Path, help="YAML file that says what goes wrong, and when")
    parser.add_argument(
        "--servicenow-port", type=_port, default=0, metavar="PORT", help="0 takes a free port"
    )
    parser.add_argument(
        "--salesforce-port", type=_port, default=0, metavar="PORT", help="0 takes a free port"
    )
    parser.add_argument(
        "--strict-ports", action="store_true", help="fail on a taken port instead of taking a free one"
    )
    parser.add_argument(
        "--jwt-keys", type=Path, metavar="DIR", help="write keys for the JWT bearer grant, registered on both"
    )
    parser.add_argument("--directory", type=Path, help="where the CA file is written (a temporary directory)")
    parser.add_argument(
        "--dialect",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="answer an open question about the platforms so; repeatable, docs/sandbox.md lists them",
    )
    parser.add_argument(
        "--json", action="store_true", help="print addresses and credentials as one JSON line"
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port between 0 and 65535")
    return int(text)


def configure(options: argparse.Namespace) -> PairConfig:
    return PairConfig(
        seed=options.seed,
        incidents=0 if options.data else options.incidents,
        customers=not options.no_customers,
        data_file=options.data,
        speed=options.speed,
        servicenow_port=options.servicenow_port,
        salesforce_port=options.salesforce_port,
        strict_ports=options.strict_ports,
        scenario=options.scenario,
        jwt_keys=options.jwt_keys,
        delay=options.delay,
        jitter=options.jitter,
        arrivals=options.arrivals,
        directory=options.directory,
        switches=read_orders(options.dialect),
    )


def describe(pair: Pair) -> dict[str, Any]:
    """Everything a client needs, secrets included: they were made for this pair and end with it."""
    credentials: Credentials = pair.credentials
    return {
        "servicenow": {
            "url": pair.servicenow.url,
            "pages": pair.servicenow.pages.link(),
            **asdict(credentials.servicenow),
        },
        "salesforce": {
            "url": pair.salesforce.url,
            "pages": pair.salesforce.pages.link(),
            **asdict(credentials.salesforce),
        },
        "jwt_keys": {name: str(key.private_key) for name, key in pair.jwt_keys.items()},
        "ca_file": str(pair.ca_file),
        "control_token": credentials.control_token,
    }


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP (a closed terminal); 2 when the pair cannot start."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        with start_pair(configure(options)) as pair:
            for remark in pair.remarks:
                sys.stderr.write(remark + "\n")
            _say(json.dumps(describe(pair)) if options.json else _page(pair))
            while not stop.wait(1.0):
                pass  # a wait with an end lets the main thread run signal handlers on every system
    except (OSError, ControlError, ValueError) as error:
        sys.stderr.write(f"The sandbox cannot start: {error}\n")
        return COULD_NOT_RUN
    return 0


def _page(pair: Pair) -> str:
    left, right, keys = pair.credentials.servicenow, pair.credentials.salesforce, pair.jwt_keys.values()
    return "\n".join(
        (
            f"ServiceNow    {pair.servicenow.url}",
            f"  client id     {left.client_id}",
            f"  client secret {left.client_secret}",
            f"  {left.username} / {left.password}",
            f"  {left.admin_username} / {left.admin_password}",
            f"  pages, once   {pair.servicenow.pages.link()}",
            f"Salesforce    {pair.salesforce.url}",
            f"  client id     {right.client_id}",
            f"  client secret {right.client_secret}",
            f"  {right.username} / {right.password} + {right.security_token}",
            f"  pages, once   {pair.salesforce.pages.link()}",
            *(f"JWT key       {key.private_key}  (certificate {key.certificate.name})" for key in keys),
            f"CA file       {pair.ca_file}",
            f"Control token {pair.control_token}",
            "Serving until Ctrl-C.",
        )
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Serve a simulated ServiceNow and Salesforce on loopback.")
    add_arguments(parser)
    return serve(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
