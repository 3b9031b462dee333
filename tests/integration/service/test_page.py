"""What a person sees in a browser."""

import asyncio
import json
import os

import pytest

from tests.integration.service.browser import PROGRAM, Browser, browser
from tests.integration.service.support import RunningService

pytestmark = pytest.mark.skipif(
    PROGRAM is None and os.environ.get("CI") != "true", reason="there is no Chromium on this machine"
)
HOSTILE = "<img src=x onerror=document.title='owned'>"


async def fill_in(page: Browser, form: str, button: str = "button", **fields: str) -> None:
    for name, value in fields.items():
        await page.evaluate(f"{form}.querySelector('[name={name}]').value = {json.dumps(value)}")
    await page.evaluate(f"{form}.querySelector('{button}').click()")


def form(name: str) -> str:
    return f"document.getElementById('{name}')"


def test_person_signs_up_and_keeps_a_list_of_tasks(service: RunningService) -> None:
    async def visit() -> None:
        async with browser() as page:
            await page.open(service.url)
            await page.until("document.getElementById('version').textContent === 'Version 1.2.3'")
            await page.until("!document.getElementById('welcome').hidden")
            # Who is not signed in yet gets that answer, and that is all.
            assert all("401" in complaint for complaint in page.complaints)
            page.complaints.clear()

            credentials = {"email": "person@example.com", "password": "correct horse battery"}
            await fill_in(page, form("credentials"), "[name=sign-up]", **credentials)
            await page.until("!document.getElementById('board').hidden")
            await fill_in(page, form("new-project"), name="Harbour")
            await page.until("document.getElementById('project-name').textContent === 'Harbour'")
            for title in ("Lift containers", HOSTILE):
                await fill_in(page, form("new-task"), title=title)
                titles = "[...document.querySelectorAll('#tasks span')].map((each) => each.textContent)"
                await page.until(f"{titles}.includes({json.dumps(title)})")
                await page.until("!document.querySelector('#new-task button').disabled")
            await page.evaluate("document.querySelector('#tasks input').click()")
            await page.until("!document.querySelector('#tasks input').disabled")

            await page.open(service.url)
            await page.until("document.querySelectorAll('#tasks li').length === 2")
            assert await page.evaluate("document.querySelector('#tasks input').checked")
            await page.evaluate("document.querySelector('#tasks button').click()")
            await page.until("document.querySelectorAll('#tasks li').length === 1")
            assert await page.evaluate("document.title") == "Taskboard"
            await page.evaluate("document.getElementById('sign-out').click()")
            await page.until("!document.getElementById('welcome').hidden")
            assert page.complaints == []

            credentials["password"] = "not the right one"
            await fill_in(page, form("credentials"), "[name=sign-in]", **credentials)
            await page.until("document.getElementById('message').textContent.includes('wrong')")

    asyncio.run(visit())


def test_api_documentation_needs_nothing_from_elsewhere(service: RunningService) -> None:
    async def visit() -> None:
        async with browser() as page:
            await page.open(f"{service.url}/api/docs")
            await page.until("document.querySelectorAll('.opblock').length > 10")
            origins = await page.evaluate(
                "performance.getEntriesByType('resource').map((each) => new URL(each.name).origin)"
            )
            assert isinstance(origins, list)
            assert set(origins) == {service.url}
            assert page.complaints == []

    asyncio.run(visit())
