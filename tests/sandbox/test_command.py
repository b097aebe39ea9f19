import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from sync.sandbox.cli import main
from sync.sandbox.jwt_keys import jwt_key
from sync.sandbox.pair import PairConfig, start_pair
from sync.sandbox.scenario_file import BadScenario

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sync.sandbox.cli", "--json", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_prints_one_line_of_json_and_serves_until_it_is_told_to_stop(tmp_path):
    with start("--incidents", "3", "--directory", str(tmp_path)) as process:
        try:
            told = json.loads(process.stdout.readline())
            demo = told["servicenow"]
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(
                    f"{demo['url']}/api/now/table/incident",
                    auth=(demo["username"], demo["password"]),
                    verify=told["ca_file"],
                    timeout=10,
                )
        finally:
            process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=20)

    assert len(answer.json()["result"]) == 3
    assert Path(told["ca_file"]).parent == tmp_path
    assert status == 0


def test_a_closed_terminal_ends_it_and_leaves_no_files():
    with start("--incidents", "0") as process:
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGHUP)
        status = process.wait(timeout=20)

    assert status == 0
    assert not Path(told["ca_file"]).parent.exists()


@pytest.mark.parametrize("port", ["99999", "-1", "https"])
def test_a_port_that_is_none_is_told(port, capsys):
    with pytest.raises(SystemExit) as ended:
        main([f"--servicenow-port={port}"])

    assert ended.value.code == 2
    assert f"'{port}' is no port between 0 and 65535" in capsys.readouterr().err


def test_the_command_says_in_one_line_why_it_cannot_start(tmp_path):
    with start("--data", str(tmp_path / "missing.csv")) as process:
        _, complaint = process.communicate(timeout=30)

    assert process.returncode == 2
    assert complaint.startswith("The sandbox cannot start: ")
    assert len(complaint.splitlines()) == 1


def taken_port() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_a_taken_port_is_named_and_a_free_one_is_used():
    with taken_port() as listener:
        port = listener.getsockname()[1]
        with start("--incidents", "0", "--servicenow-port", str(port)) as process:
            try:
                told = json.loads(process.stdout.readline())
            finally:
                process.send_signal(signal.SIGTERM)
            _, complaint = process.communicate(timeout=20)

    assert complaint.startswith(f"Port {port} is taken; ")
    assert not told["servicenow"]["url"].endswith(f":{port}")


def test_a_taken_port_is_an_error_when_ports_are_strict():
    with taken_port() as listener:
        config = PairConfig(salesforce_port=listener.getsockname()[1], strict_ports=True)
        with pytest.raises(OSError, match="in use"), start_pair(config):
            pass


def test_a_scenario_that_cannot_be_followed_starts_nothing(tmp_path):
    story = tmp_path / "story.yaml"
    story.write_text("servicenow:\n  - fault: {kind: locks}\n")

    told = pytest.raises(BadScenario, match=r"story\.yaml: servicenow, order 1: ")
    with told, start_pair(PairConfig(scenario=story)):
        pass


def assertion(key: Path, *, issuer: str, subject: str, audience: str) -> str:
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "exp": int(time.time()) + 120,
        "jti": str(uuid4()),
    }
    return jwt.encode(claims, key.read_text(), algorithm="RS256")


def test_the_keys_it_writes_log_in_by_jwt_bearer_on_both_platforms(tmp_path):
    keys = tmp_path / "keys"
    with start_pair(PairConfig(jwt_keys=keys)) as pair, requests.Session() as session:
        session.trust_env = False
        session.verify = str(pair.ca_file)
        left, right = pair.credentials.servicenow, pair.credentials.salesforce
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
        at_servicenow = assertion(
            keys / "servicenow-jwt.key", issuer=left.client_id, subject=left.username, audience=left.client_id
        )
        at_salesforce = assertion(
            keys / "salesforce-jwt.key",
            issuer=right.client_id,
            subject=right.username,
            audience="https://login.salesforce.com",
        )
        registered = {"client_id": left.client_id, "client_secret": left.client_secret}
        answers = [
            session.post(
                f"{pair.servicenow.url}/oauth_token.do",
                data={**form, **registered, "assertion": at_servicenow},
                timeout=10,
            ),
            session.post(
                f"{pair.salesforce.url}/services/oauth2/token",
                data={**form, "assertion": at_salesforce},
                timeout=10,
            ),
        ]

    assert [answer.json().get("token_type") for answer in answers] == ["Bearer", "Bearer"]
    assert (keys / "salesforce-jwt.crt").read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert (keys / "servicenow-jwt.key").stat().st_mode & 0o077 == 0


def test_keys_that_are_there_already_are_kept(tmp_path):
    first = jwt_key(tmp_path, "salesforce")

    assert jwt_key(tmp_path, "salesforce") == first


def test_a_file_that_holds_no_usable_key_is_named(tmp_path):
    protected = generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
    )
    for name, content in {"servicenow": b"garbage", "salesforce": protected}.items():
        (tmp_path / f"{name}-jwt.key").write_bytes(content)
        with pytest.raises(
            ValueError, match=rf"{name}-jwt\.key holds no private key as PEM without a passphrase"
        ):
            jwt_key(tmp_path, name)
