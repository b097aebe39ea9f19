import json
import signal
import subprocess
import sys
from pathlib import Path

import requests

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


def test_the_command_says_in_one_line_why_it_cannot_start(tmp_path):
    with start("--data", str(tmp_path / "missing.csv")) as process:
        _, complaint = process.communicate(timeout=30)

    assert process.returncode == 2
    assert complaint.startswith("The sandbox cannot start: ")
    assert len(complaint.splitlines()) == 1
