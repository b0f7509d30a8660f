"""The interface through a web server: who gets in, and what they get."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType, WSServerHandshakeError, web
from PIL import Image, ImageChops

from deepsynth_tui.tui.serve import HOST, TokenServer
from tests.tui.chromium import Page, chromium_page, find_chromium


@pytest.fixture
async def server(home: Path) -> AsyncIterator[TokenServer]:
    """A server on a free port."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    announced: list[str] = []
    served = TokenServer(port, announced.append)
    app_runner = web.AppRunner(await served._make_app())
    await app_runner.setup()
    await web.TCPSite(app_runner, HOST, port).start()
    assert announced == [served.url]
    yield served
    await app_runner.cleanup()
    while any("waitpid" in thread.name for thread in threading.enumerate()):
        await asyncio.sleep(0.02)  # until asyncio has seen the interface end


async def test_without_the_token_nothing_is_served(server: TokenServer) -> None:
    async with ClientSession() as session:
        for path in ("/", "/?token=", "/?token=wrong", "/ws", "/static/js/textual.js"):
            async with session.get(server.public_url + path) as response:
                assert response.status == 401, path
        with pytest.raises(WSServerHandshakeError):
            await session.ws_connect(server.public_url + "/ws")


async def test_other_hosts_and_pages_are_refused_even_with_the_token(server: TokenServer) -> None:
    async with ClientSession() as session:
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            async with session.get(server.url, headers=headers) as response:
                assert response.status == 403


async def test_the_token_opens_the_page_and_the_interface_behind_it(server: TokenServer) -> None:
    # aiohttp keeps no cookies of addresses otherwise; browsers do.
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        async with session.get(server.url) as response:
            assert str(response.url) == server.public_url + "/"  # the token is gone
            assert response.status == 200
            assert "textual-terminal" in await response.text()
        async with session.ws_connect(server.public_url + "/ws?width=100&height=30") as connection:
            shown = ""
            while "DeepSynth" not in shown:
                message = await connection.receive(timeout=60)
                assert message.type in (WSMsgType.BINARY, WSMsgType.TEXT), shown
                if message.type is WSMsgType.BINARY:
                    shown += message.data.decode()


CHROMIUM = find_chromium()
F3 = 114  # virtual key code
LEAST_COLOURS = 16


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
async def test_a_browser_draws_the_interface_and_its_keys_act(
    server: TokenServer, tmp_path: Path
) -> None:
    assert CHROMIUM is not None
    async with chromium_page(CHROMIUM, tmp_path / "profile") as page:
        await page.call("Page.navigate", url=f"{server.public_url}/?token=wrong")
        while "with its token" not in await page.text():
            await asyncio.sleep(0.05)
        assert page.received == ""
        await page.call("Page.navigate", url=server.url)
        await page.wait_for(lambda text: "Text column" in text)
        first = await drawn(page)
        (tmp_path / "first.png").write_bytes(await page.screenshot())
        await page.press("F3", F3)
        await page.wait_for(lambda text: "Learning rate" in text)
        while ImageChops.difference(first, await drawn(page)).getbbox() is None:
            await asyncio.sleep(0.05)


async def drawn(page: Page) -> Image.Image:
    """Return a picture of the page once there is text in several colours on it."""
    async with asyncio.timeout(60):
        while True:
            picture = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
            colours = picture.getcolors(1 << 24) or []
            if len(colours) > LEAST_COLOURS:
                return picture
            await asyncio.sleep(0.05)
