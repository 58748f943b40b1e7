"""What the README says is what the run wrote."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_leaderboard_in_the_readme_is_the_last_run_s():
    table = ROOT / "reports" / "leaderboard.md"
    if not table.is_file():
        pytest.skip("reports/leaderboard.md is absent: run `make repro` first")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    between = re.search(r"<!-- begin:leaderboard -->\n(.*?)<!-- end:leaderboard -->", readme, re.DOTALL)
    assert between and between[1].strip() == table.read_text(encoding="utf-8").strip()


def test_every_link_of_the_readme_leads_to_a_file():
    if not (ROOT / "reports" / "leaderboard.md").is_file():
        pytest.skip("reports/ is empty: run `make repro` first")
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links and [link for link in links if not (ROOT / link).exists()] == []
