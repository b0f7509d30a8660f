"""A headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 120.0
SIZE = (1200, 800)


def find_chromium() -> str | None:
    """Return the path of a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """The only page of a browser. `received` is the text that its WebSockets have received."""

    def __init__(self, connection: ClientWebSocketResponse) -> None:
        self._connection = connection
        self._number = 0
        self.received = ""

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        number = self._number
        await self._connection.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def wait_for(self, condition: Callable[[str], bool]) -> None:
        """Read until what was received meets `condition`."""
        async with asyncio.timeout(SECONDS):
            while not condition(self.received):
                await self._next()

    async def press(self, key: str, code: int) -> None:
        """Press a key that types no character; `code` is its virtual key code."""
        for kind in ("rawKeyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    async def text(self) -> str:
        """Return the text of the document."""
        result = await self.call("Runtime.evaluate", expression="document.body.innerText")
        return result["result"].get("value", "")

    async def screenshot(self) -> bytes:
        """Return a picture of the page as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])

    async def _next(self) -> dict[str, Any]:
        message = await self._connection.receive_json(timeout=SECONDS)
        if message.get("method") == "Network.webSocketFrameReceived":
            frame = message["params"]["response"]
            data = frame["payloadData"]
            is_binary = frame["opcode"] == 2
            self.received += base64.b64decode(data).decode() if is_binary else data
        return message


@asynccontextmanager
async def chromium_page(program: str, profile: Path) -> AsyncIterator[Page]:
    """Start a browser with an empty page; end it after."""
    width, height = SIZE
    process = await asyncio.create_subprocess_exec(
        program,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--no-proxy-server",
        f"--window-size={width},{height}",
        f"--user-data-dir={profile}",
        "--remote-debugging-port=0",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                pages = [each for each in await response.json() if each["type"] == "page"]
            address = pages[0]["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as connection:
                page = Page(connection)
                for domain in ("Page", "Network", "Runtime"):
                    await page.call(f"{domain}.enable")
                yield page
    finally:
        process.terminate()
        await process.wait()


async def _port(file: Path) -> int:
    """Return the port that the browser writes once it listens."""
    async with asyncio.timeout(SECONDS):
        while True:
            if file.exists() and (lines := file.read_text().split()):
                return int(lines[0])
            await asyncio.sleep(0.05)
