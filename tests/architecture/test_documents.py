"""What the documents say is so."""

import re
from pathlib import Path
from typing import Any  # Any: what an example defines

import pytest
from joserfc.errors import JoseError

from tests.architecture.source import TOP, ours
from tests.world import World

DOCS = TOP / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *TOP.glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_a_link_between_pages_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_decision_is_listed_and_numbered() -> None:
    pages = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    numbers = [name[:4] for name in pages]
    assert sorted(set(numbers)) == numbers, "each number once; gaps are for those under way"
    listed = re.findall(r"\((0[^)]+)\)", (DOCS / "decisions/README.md").read_text("utf-8"))
    assert listed == pages


def test_a_rule_names_tests_that_there_are() -> None:
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "architecture.md").read_text("utf-8")))
    there = {
        name
        for path in ours(TOP / "tests")
        if path.suffix == ".py"
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }
    assert len(named) > 15
    assert named - there == set()


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """Every example of a page in a language, with the file that it is said to be."""
    text = (DOCS / page).read_text("utf-8")
    found = re.findall(rf"(?:`([^`\n]+)`:\n\n)?```{language}\n(.*?)```", text, re.DOTALL)
    assert found
    return found


async def test_the_templates_of_the_page_on_letters_work(sqlite_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    for name, content in blocks("letters.md", "jinja"):
        (tmp_path / name).write_text(content)
    async with World.running(sqlite_url, tmp_path, templates_dir=folder) as world:
        asked = await world.browser().sign_up()
        [mail] = await world.mails()
        assert mail.subject == "Welcome to Vestibule: one click is left"
        assert mail.text.startswith("Hello,\n\none more step")
        assert mail.link is not None
        assert mail.code is not None
        proof = {"sign_up": asked.json()["sign_up"], "code": mail.code}
        assert (await world.browser().prove(**proof)).status_code == 200


async def test_the_verifier_of_the_page_on_tokens_knows_good_from_bad(
    sqlite_url: str, tmp_path: Path
) -> None:
    example: dict[str, Any] = {}  # Any: what an example defines
    exec(compile(blocks("tokens.md", "python")[0][1], "tokens.md", "exec"), example)
    async with World.running(sqlite_url, tmp_path) as world:
        await world.member()
        said = (await world.client().log_in(deliver="tokens")).json()
        published = (await world.client().get("/.well-known/jwks.json")).json()
    verified = example["claims"](said["access_token"], published, "http://localhost:8000")
    assert verified["sub"] == said["account"]["id"]
    for token, issuer in (
        (said["access_token"], "https://evil.test"),
        (said["access_token"][:-9] + "AAAAAAAAA", "http://localhost:8000"),
    ):
        with pytest.raises((ValueError, JoseError)):
            example["claims"](token, published, issuer)


async def test_the_letter_of_the_page_on_letters_arrives(sqlite_url: str, tmp_path: Path) -> None:
    [(_, code)] = blocks("letters.md", "python")
    example: dict[str, Any] = {}  # Any: what an example defines
    exec(compile(code, "letters.md", "exec"), example)
    async with World.running(sqlite_url, tmp_path) as world:
        await example["tell_about_the_invoice"](world.vestibule, "ada@example.org")
        [mail] = await world.mails()
    assert mail.subject == "Your invoice"
    assert mail.text == "Hello,\n\nyour invoice is ready: https://example.com/invoices/1\n"
