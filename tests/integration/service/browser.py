"""A headless Chromium, driven over the DevTools protocol."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

_PATIENCE = 20  # seconds
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One tab.

    Attributes
    ----------
    complaints
        What the page reported as errors: exceptions, violations of its security policy, failed requests.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._last_id = 0

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        self._last_id += 1
        await self._socket.send_json({"id": self._last_id, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=_PATIENCE)
            if message.get("id") == self._last_id:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"]))
            elif message.get("method") == "Log.entryAdded":
                entry = message["params"]["entry"]
                self.complaints.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")

    async def evaluate(self, expression: str) -> object:
        result = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def open(self, url: str) -> None:
        # A tab without a document, so that the old one cannot be taken for the new one.
        await self.command("Page.navigate", url="about:blank")
        await self.until("location.href === 'about:blank'")
        await self.command("Page.navigate", url=url)
        await self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    async def until(self, condition: str) -> None:
        for _ in range(_PATIENCE * 20):
            if await self.evaluate(condition):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never: {condition}\n{await self.evaluate('document.body.innerText')}")


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Run a browser with a profile of its own."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        switches = [
            "--headless=new",
            "--disable-gpu",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
        ]
        if os.geteuid() == 0:
            switches.append("--no-sandbox")  # Chromium's own sandbox does not work for root
        log = Path(profile) / "log"
        with log.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                PROGRAM, *switches, "about:blank", stdout=sink, stderr=sink
            )
        try:
            endpoint = await _endpoint(log)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://{endpoint}/json") as response:
                    tab = next(each for each in await response.json() if each["type"] == "page")
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    browser = Browser(socket)
                    for domain in ("Page", "Runtime", "Log"):
                        await browser.command(f"{domain}.enable")
                    yield browser
        finally:
            process.terminate()
            await process.wait()


async def _endpoint(log: Path) -> str:
    for _ in range(_PATIENCE * 20):
        if match := re.search(r"ws://(127\.0\.0\.1:\d+)/", log.read_text(errors="replace")):
            return match[1]
        await asyncio.sleep(0.05)
    raise AssertionError(log.read_text(errors="replace"))
