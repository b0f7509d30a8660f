"""The interface in a browser on this machine, through textual-serve.

Whoever has the interface can start processes. So only this machine can connect, and only with the
token that is printed at the start: other users of the machine and other pages in the browser have
neither the token nor the cookie that it is exchanged for.
"""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web
from textual_serve.server import Server

from deepsynth_tui.errors import UserError

HOST = "127.0.0.1"
COMMAND = f"exec {shlex.quote(sys.executable)} -c " + shlex.quote(
    "from deepsynth_tui.tui.app import run_served_app; run_served_app()"
)
"""Without a shell in between, so that the interface sees the server end."""

FOCUS = """<script>
new MutationObserver(() => document.querySelector(".xterm-helper-textarea")?.focus())
    .observe(document.body, {attributes: true});
</script>
"""
"""Gives the terminal the focus once it is shown: textual-serve waits for a click."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TokenServer(Server):
    """Serves the interface at `url`, which holds a token. Each visit is a process of its own.

    Args:
        port: The port of 127.0.0.1.
        announce: Called with `url` once it can be opened.
    """

    def __init__(self, port: int, announce: Callable[[str], None]) -> None:
        super().__init__(COMMAND, host=HOST, port=port, title="DeepSynth")
        self.token = secrets.token_urlsafe(24)
        self._announce = announce
        # Cookies of different ports are not kept apart.
        self._cookie = f"deepsynth-{port}"

    @property
    def url(self) -> str:
        """The address to open, with the token."""
        return f"{self.public_url}/?token={self.token}"

    def initialize_logging(self) -> None:
        """Leave logging as it is: requests hold the token."""

    async def on_startup(self, app: web.Application) -> None:
        self._announce(self.url)

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._check)
        return app

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """Return the page of textual-serve, whose keys go to the interface from the start."""
        page = await super().handle_index(request)
        assert isinstance(page, web.Response)
        assert page.text is not None
        page.text = page.text.replace("</body>", f"{FOCUS}</body>")
        return page

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request pass that comes from this page; exchange the token for a cookie."""
        # Another host name is one that a foreign page has made point here (DNS rebinding).
        if request.headers.get("Host") not in (f"{HOST}:{self.port}", f"localhost:{self.port}"):
            raise web.HTTPForbidden(text=f"Open {self.public_url}.")
        if request.headers.get("Origin") not in (None, self.public_url):
            raise web.HTTPForbidden(text="Another page may not connect.")
        if self._is_token(request.query.get("token")):
            # The address without the token: it stays in no history and no header.
            address = {"Location": self.public_url + request.path}
            response = web.Response(status=303, headers=address)
            response.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict")
            return response
        if not self._is_token(request.cookies.get(self._cookie)):
            text = "Open the address that `deepsynth-tui serve` has printed, with its token."
            raise web.HTTPUnauthorized(text=text)
        return await handler(request)

    def _is_token(self, text: str | None) -> bool:
        return text is not None and secrets.compare_digest(text.encode(), self.token.encode())


def serve(port: int, announce: Callable[[str], None]) -> None:
    """Serve the interface until the process is interrupted.

    Raises:
        UserError: The port cannot be used.
    """
    try:
        TokenServer(port, announce).serve()
    except OSError as error:
        raise UserError(
            f"Cannot listen on port {port} of {HOST}: {error.strerror}", "Give another --port."
        ) from error
