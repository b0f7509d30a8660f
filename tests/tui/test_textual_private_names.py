"""The private names of Textual that the interface relies on, for the version that is pinned.

When this fails after an update: read what has changed, adapt the modules named here, and take over
the new digests.
"""

from __future__ import annotations

import hashlib
import inspect
from importlib.metadata import version
from pkgutil import resolve_name

import pytest
from textual.app import App

VERSION = "8.2.8"

DIGESTS = {
    # changed_cells, terminal_cells: the updates of the compositor, and how they are displayed
    "textual._compositor:CompositorUpdate": "3c3ba1394893",
    "textual._compositor:LayoutUpdate": "619efe1cea78",
    "textual._compositor:ChopsUpdate": "7c7d3e0bf714",
    "textual.app:App._display": "4b78dff6669a",
    "textual.strip:Strip.render": "2ba7a4913a72",
    "textual.strip:Strip.render_ansi": "08043dedb90d",
    # calm_screen: what is rendered, and what follows a change of focus without a repaint
    "textual._compositor:Compositor.render_partial_update": "888dccc892d8",
    "textual._compositor:Compositor._regions_to_spans": "af3b73d8e34f",
    "textual._compositor:Compositor.cuts": "205385a66fda",
    "textual._compositor:Compositor.visible_widgets": "6eddec5f2716",
    "textual.screen:Screen.set_focus": "56cfb5778970",
    "textual.screen:Screen._update_focus_styles": "cc50d6be558c",
    "textual.screen:Screen._on_timer_update": "421401660de1",
    # shared_styles: what a match of the rules depends on, and when sources are parsed
    "textual.css.stylesheet:Stylesheet.apply": "1faf3687bbba",
    "textual.css.stylesheet:Stylesheet.copy": "5364e49bbbdc",
    "textual.css.stylesheet:Stylesheet.set_variables": "f8c97f5d9d75",
    "textual.css.stylesheet:Stylesheet.reparse": "dd193eb05f8b",
    "textual.css.stylesheet:Stylesheet.parse": "21678f7a02b1",
    "textual.css.model:Selector.check": "d016c4a383cb",
    # field_select: the list that opens
    "textual.widgets._select:SelectOverlay": "e2e5d683a087",
    # key_order: the way of a key to the focused widget, and of its message up to the application
    "textual.app:App.on_event": "3dbf14d69491",
    "textual.app:App._on_key": "474680364759",
    "textual.app:App._check_bindings": "c9643552d942",
    "textual.message_pump:MessagePump.call_later": "39889507a370",
    "textual.message_pump:MessagePump._on_message": "12c0b6eb18e5",
    # app: which characters of the keyboard the bindings of ancestors get
    "textual.screen:Screen._binding_chain": "003c1b578e69",
    # terminal_driver: the end of input, and the way of what is read
    "textual.drivers.linux_driver:LinuxDriver.disable_input": "6154c5a7c174",
    "textual.drivers.linux_driver:LinuxDriver.stop_application_mode": "9a7e99c8d4bd",
    "textual.drivers.linux_driver:LinuxDriver.run_input_thread": "d796af6d69db",
    # run_table: what measures new rows
    "textual.widgets._data_table:DataTable._update_dimensions": "c62ef3216f7c",
    # log_pane: what measures the lines that are written
    "textual.widgets._log:Log.write_lines": "3f11e8b02182",
    "textual.widgets._log:Log._update_size": "87b52081c53b",
    "textual.widgets._log:Log._update_maximum_width": "831f49492746",
    # configured_app, keymap: the keymap, and lines that widgets keep until their style changes
    "textual.app:App._invalidate_css": "c9221af3705f",
    "textual.binding:BindingsMap.apply_keymap": "9b73d1d65f80",
    "textual.keys:_normalize_key_list": "4c80a72d00c2",
}
"""The first characters of the SHA-256 of the source of each."""

ATTRIBUTES = ("_batch_count", "_running", "_exit", "_closed", "_driver", "_screen_stacks")
"""Private attributes of `App`."""


def digest(name: str) -> str:
    """Return the digest of the source of a class, method or property."""
    owner, _, attribute = name.rpartition(".")
    member = resolve_name(name)
    if ":" in owner:
        member = inspect.getattr_static(resolve_name(owner), attribute)
    match member:
        case property(fget=function) if function is not None:
            source = inspect.getsource(function)
        case classmethod(__func__=function):
            source = inspect.getsource(function)
        case _:
            source = inspect.getsource(member)
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("textual") == VERSION


@pytest.mark.parametrize("name", DIGESTS)
def test_a_private_name_is_as_it_was_read(name: str) -> None:
    assert digest(name) == DIGESTS[name]


def test_an_application_has_the_private_attributes() -> None:
    assert all(hasattr(App(), attribute) for attribute in ATTRIBUTES)
