"""A visitor without a browser: speaks the pages' own protocol, and says what no browser would say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

_WAIT = 60


class Forger:
    """One session. Widgets are named by what stands in their id, such as ``-approve``."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._pages: dict[str, str] = {}
        self._page = ""
        self._query = ""
        self._kept: dict[str, WidgetState] = {}
        self.widgets: dict[str, Any] = {}
        """By id, the buttons and checkboxes that the last run of the script drew."""
        self.words = ""
        """All that the last run said in Markdown, text and alerts."""

    def open(self, page: str = "", query: str = "") -> None:
        """Run a page by its address."""
        self._page, self._query = self._pages.get(page, ""), query
        self.send()

    def id_of(self, part: str) -> str:
        """The id of the one widget whose id ends so."""
        (found,) = [name for name in self.widgets if name.endswith(part)]
        return found

    def tick(self, part: str) -> None:
        """Say that every checkbox whose id has this part is ticked, from now on."""
        for name in [name for name in self.widgets if part in name]:
            self._kept[name] = WidgetState(id=name, bool_value=True)
        self.send()

    def click(self, widget_id: str) -> None:
        """Say that a button was clicked, whatever it looks like."""
        self.send(WidgetState(id=widget_id, trigger_value=True))

    def send(self, *once: WidgetState) -> None:
        """Ask for a run with these states, and read until it has ended."""
        message = BackMsg()
        state = message.rerun_script
        state.page_script_hash, state.query_string = self._page, self._query
        state.widget_states.widgets.extend([*self._kept.values(), *once])
        self._socket.send(message.SerializeToString())
        self._read()

    def _read(self) -> None:
        self.widgets, words = {}, list[str]()
        while True:
            raw = self._socket.recv(_WAIT)
            assert isinstance(raw, bytes)
            said = ForwardMsg.FromString(raw)
            kind = said.WhichOneof("type")
            if kind == "navigation":
                self._pages = {one.url_pathname: one.page_script_hash for one in said.navigation.app_pages}
                self._page = said.navigation.page_script_hash
            elif kind == "page_info_changed":
                self._query = said.page_info_changed.query_string
            elif kind == "delta":
                self._drawn(said.delta.new_element, words)
            # A run that gives way to another one (a redirect, say) ends differently.
            elif kind == "script_finished" and said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self.words = "\n".join(words)
                return

    def _drawn(self, element: Any, words: list[str]) -> None:
        kind = element.WhichOneof("type")
        if kind in ("button", "checkbox"):
            one = getattr(element, kind)
            self.widgets[one.id] = one
        elif kind in ("markdown", "text", "alert", "heading"):
            words.append(getattr(element, kind).body)


@contextmanager
def forger(address: str) -> Iterator[Forger]:
    """Connected to the pages at this address, once the first page is drawn."""
    place = address.replace("http://", "ws://") + "/_stcore/stream"
    with connect(place, origin=address, subprotocols=["streamlit"], max_size=None) as socket:
        session = Forger(socket)
        session.send()
        yield session
