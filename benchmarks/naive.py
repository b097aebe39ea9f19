"""The naive script, as a cron job runs it: ask for ten active incidents by offset, post each as a Case, one by one."""

from __future__ import annotations

import sys

import requests

from benchmarks.contender import API, COLUMNS, TOKEN_PATHS, Platforms, case_of, given, measured

TEN = 10


def login(platforms: Platforms, system: str) -> dict[str, str]:
    answer = requests.post(
        platforms.url(system) + TOKEN_PATHS[system],
        data=platforms.token_form(system),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        verify=platforms.ca_file,
        timeout=60,
    )
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def main(platforms: Platforms, records: int) -> int:
    servicenow, salesforce = platforms.url("servicenow"), platforms.url("salesforce")
    here, there = login(platforms, "servicenow"), login(platforms, "salesforce")
    done = 0
    while done < records:
        answer = requests.get(
            f"{servicenow}/api/now/table/incident",
            params={
                "sysparm_query": "active=true",
                "sysparm_fields": COLUMNS,
                "sysparm_limit": str(TEN),
                "sysparm_offset": str(done),
                "sysparm_exclude_reference_link": "true",
            },
            headers=here,
            verify=platforms.ca_file,
            timeout=60,
        )
        answer.raise_for_status()
        rows = answer.json()["result"]
        if not rows:
            break
        for row in rows:
            case = case_of(row, servicenow)
            del case["attributes"]
            posted = requests.post(
                f"{salesforce}{API}/sobjects/Case",
                json=case,
                headers=there,
                verify=platforms.ca_file,
                timeout=60,
            )
            posted.raise_for_status()
        done += len(rows)
    return done


if __name__ == "__main__":
    held = given()
    measured(lambda: main(held, int(sys.argv[1])))
