"""The address of a page: its parameters, read when a session comes to the page, and written back.

Each page declares its parameters once and registers them. A page passes over the parameters of other pages and gives a
notice of a parameter that no page has.

A session comes to a page by a link, by the menu, or by the browser's Back or Forward. A link says what the page shows,
and so does an entry of the browser's history. By the menu the page begins with the settings that the session left it
with. It does so too if Back or Forward brings an address that the page never had: a browser may send the parameters of
the page that was left.

A link costs little whatever it holds: one beyond `MAX_LENGTH` or `MAX_PARAMETERS` is not read, and `MAX_NOTICES` bounds
the notices of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ..navigation import mark_writer
from ..widgets import notices
from .address_names import give_labels
from .parameters import Parameter

__all__ = [
    "Arrival",
    "Link",
    "PageAddress",
    "bound_parameters",
    "current_link",
    "enter_page",
    "link_to_here",
    "names_of_all_pages",
    "page_address",
    "pages_written_by_server",
    "register",
    "take_refusal",
]

LINK = "link"
PAGE = "page"
ARRIVAL = "arrival"
MOST_ENTRIES = 200  # addresses of a page that a session remembers
REFUSED = "refused_link"
MAX_LENGTH = 16_384  # characters of an address's query; browsers and proxies pass on about 8 KB
MAX_PARAMETERS = 500
MAX_NOTICES = 50
Texts = Mapping[str, list[str]]


class Arrival(StrEnum):
    """The way in which a session came to a page; it decides where the page reads its parameters."""

    LINK = "link"  # a new tab, a reload, a pasted address, or a link of another page
    MENU = "menu"
    HISTORY = "history"  # the browser's Back or Forward, from another page
    STEP = "step"  # the browser's Back or Forward, from another entry of the same page


_registered: dict[str, PageAddress] = {}


@dataclass
class Link:
    """The parameters that a session read when it came to the current page, from its URL or from memory.

    Parameters
    ----------
    values : dict
        The value of each parameter by name; one without a usable value is missing.
    notices : list of str
        A sentence about each text that cannot be used.
    unchecked : set of str
        Parameters of a link that the page has not yet drawn (see `PageAddress.among`).
    state : tuple
        The page's state when the notices were first drawn, as the only item; empty before.
    has_headline : bool
        True once the page has drawn its headline. The browser keeps it, grayed, while the next one is computed.
    """

    values: dict[str, Any] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    unchecked: set[str] = field(default_factory=set)
    state: tuple[object, ...] = ()
    has_headline: bool = False


@dataclass(frozen=True)
class PageAddress:
    """The declared parameters of a page, and the rules by which they are read and written.

    Parameters
    ----------
    page : str
        The page's name in `app.navigation.PAGES`.
    parameters : tuple of Parameter
        All URL parameters of the page.
    bound : bool
        True if widgets are bound to their parameters, so that Streamlit writes the address; else `write` does.
    memory : str
        The page whose settings this one takes over when a session comes by the menu; by default none.
    prefix : str
        Prefix of the session-state keys of its widgets.
    """

    page: str
    parameters: tuple[Parameter, ...] = ()
    bound: bool = True
    memory: str = ""
    prefix: str = ""

    def __getitem__(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)

    @property
    def names(self) -> frozenset[str]:
        """Names of the URL parameters of this page."""
        return frozenset(parameter.name for parameter in self.parameters)

    def key(self, name: str) -> str:
        """Return the session-state key of the widget of the parameter `name`."""
        return f"{self.prefix}{name}"

    # Reading

    def read(self, texts: Texts) -> tuple[dict[str, Any], list[str]]:
        """Parse the URL parameters of an address into values; nothing is stored.

        Parameters
        ----------
        texts : mapping of str to list of str
            All texts of each URL parameter, by its name.

        Returns
        -------
        values : dict
            The value of each parameter of this page with a usable text, by name.
        notices : list of str
            One sentence about each unusable text and about each name that no page has; names of other pages are passed
            over. At most MAX_NOTICES: beyond that the last one counts the others.
        """
        values: dict[str, Any] = {}
        complaints: list[str] = []
        names, all_names = self.names, names_of_all_pages()
        for name, given in texts.items():
            if name in names:
                value, wrong = self[name].read(given)
                complaints += wrong
                if value is not None:
                    values[name] = value
            elif name not in all_names:
                complaints.append(f"The link sets {name[:40]!r}, which this page does not know.")
        return values, _bounded(complaints)

    def arrive(self) -> None:
        """Read the page's parameters when the session has just come to the page; do nothing on its later runs.

        A link, and an entry of the browser's history, is read from the address; from the menu the page takes the values
        that the session left it with. The result becomes the current `Link`, and the state of the page's widgets is
        dropped. On a page with bound widgets this may rewrite the address and rerun the script.
        """
        if LINK in st.session_state:
            return
        arrival = st.session_state.pop(ARRIVAL, Arrival.LINK)
        given = _texts_of_address()
        texts = given if arrival == Arrival.LINK else self._texts_left(arrival)
        values, complaints = self.read(texts)
        for name in self.names:
            st.session_state.pop(self.key(name), None)  # a value that Streamlit kept would outdo the link
        linked = arrival == Arrival.LINK
        complaints = [*take_refusal(), *complaints] if linked else []
        st.session_state[LINK] = Link(values, complaints, set(values) if linked else set())
        others = names_of_all_pages() - self.names
        wanted = {name: each for name, each in texts.items() if name not in others}
        if self.bound:
            # A bound control drops a text that it would write otherwise, such as 1e-3.
            wanted |= {name: self[name].widget_texts(value) for name, value in values.items()}
        if not linked:
            self._note(wanted)
        if self.bound and arrival == Arrival.STEP:
            return  # the address is the page's own, and the controls on display cannot be written
        if not linked or (self.bound and wanted != given):
            # Each time and in one go: the browser may have put parameters of the page that was left into the address.
            # A link is not written again: before assets/history.js runs that would be a further entry to go back over.
            _write_address(wanted)
        if self.bound and wanted != given:
            st.rerun()

    def _texts_left(self, arrival: Arrival) -> Texts:
        """Return the texts, by parameter, with which the page begins if no link brought the session here.

        From the menu (`arrival`) they are those that the session left the page with. From the browser's history they
        are those of the address or, for an address that the page never had, also those that the session left it with.
        """
        if arrival == Arrival.MENU:
            return self.remembered()
        # Not st.query_params: Streamlit drops the parameters that the page left has too.
        context = get_script_run_ctx()
        given = parse_qs(context.query_string) if context else {}
        texts = {name: each for name, each in given.items() if name in self.names}
        left: Texts | None = st.session_state.get(self._own_memory_key)
        known = st.session_state.get(self._entries_key, {})
        if arrival == Arrival.STEP or left is None or _as_entry(texts) in known:
            return texts
        return {name: each for name, each in left.items() if name in self.names}

    def among(self, name: str, options: Sequence[Any]) -> Any:
        """Return the value that a parameter had in the URL by which the session came, if it is one of `options`.

        For a parameter whose options are known only while the page is drawn. Any other value is dropped; if a link
        brought it, a notice is added to those that `draw_notices` shows.

        Parameters
        ----------
        name : str
            The parameter.
        options : sequence
            The values that the page accepts now.

        Returns
        -------
        object or None
            The value; None if the URL had none or it is not among the options.
        """
        link = current_link()
        if name not in link.values:
            return None
        parameter = self[name].among(options)
        value, complaints = parameter.read(self[name].texts(link.values.pop(name)))
        if value is not None:
            link.values[name] = value
        if name in link.unchecked:
            link.notices += complaints
            link.unchecked.discard(name)
        return value

    def forget(self, names: Iterable[str]) -> None:
        """Drop the values that parameters had in the URL by which the session came, and the state of their widgets.

        The widgets then begin with their defaults. `names` are names of parameters.
        """
        for name in names:
            current_link().values.pop(name, None)
            st.session_state.pop(self.key(name), None)

    # Labels of bound widgets

    def offer(self, name: str, labels: Mapping[Any, str]) -> None:
        """Take the options of a bound parameter, known only while the page is drawn, before its widget is drawn.

        Parameters
        ----------
        name : str
            The parameter.
        labels : mapping
            The label in the widget of each option. A value of the link that is none of them is noted.
        """
        self.draw_refused(name, tuple(labels))
        give_labels([replace(self[name], labels=labels)])

    def named(self, texts: Texts) -> dict[str, list[str]]:
        """Return the texts of an address with the names of options in place of their labels."""
        names = self.names
        return {name: [self[name].name_of(t) for t in each] if name in names else each for name, each in texts.items()}

    # Widgets that are not bound

    def linked(self, name: str, default: Any = None) -> Any:
        """Return the value that the parameter `name` had in the URL by which the session came to the page.

        Without one, return `default`, or the default of the parameter if that is None.
        """
        return current_link().values.get(name, self[name].default if default is None else default)

    def begin(self, name: str, default: Any = None) -> str:
        """Set the initial value of the widget of a parameter in the session state, and return the widget's key.

        The widget begins with the value of the parameter `name` in the URL by which the session came, else `default`,
        else the parameter's default. A widget that has been drawn before keeps its value.
        """
        key = self.key(name)
        # Set each time: a browser that was too slow to show the first drawing learns it from the next.
        st.session_state[key] = st.session_state.get(key, self.linked(name, default))
        return key

    def drawn(self) -> dict[str, Any]:
        """Return the current values of the page's widgets by parameter; a parameter without a widget is left out."""
        state = st.session_state
        return {name: state[self.key(name)] for name in self.names if state.get(self.key(name)) is not None}

    # Writing

    def write(self, values: Mapping[str, Any]) -> None:
        """Write the page's values into the browser's address, and remember them for the session's return to the page.

        `values` are by parameter; those equal to the default, or None, are left out.
        """
        self.remember(values)
        st.session_state[self._drawn_key] = self.drawn()
        # Each time: the browser forgets what was written while it was still coming from another page.
        _write_address({name: texts for name, texts in self.remembered().items() if name in self.names})

    def write_changes(self) -> None:
        """Write the values of widgets that changed since the last `write` into the address, before the page is drawn.

        A visitor who leaves the page at once interrupts the run of the script that would write them at its end.
        """
        before: Mapping[str, Any] = st.session_state.get(self._drawn_key, {})
        if not before:
            return
        changes = {name: value for name, value in self.drawn().items() if value != before.get(name)}
        if changes:
            values, _ = self.read(st.session_state.get(self._own_memory_key, {}))
            self.write(values | changes)

    def remember(self, values: Mapping[str, Any] | None = None) -> None:
        """Remember values in the session, for its return to this page from another one.

        Parameters
        ----------
        values : mapping, optional
            Values by parameter; those equal to the default, or None, are left out. By default, the texts of the present
            address are remembered, unless it holds parameters of another page.
        """
        if values is not None:
            self._note(
                {
                    parameter.name: parameter.texts(value)
                    for parameter in self.parameters
                    if (value := values.get(parameter.name)) is not None and value != parameter.default
                }
            )
        elif (names_of_all_pages() - self.names).isdisjoint(st.query_params):
            self._note(_texts_of_address())
        # Else the browser has sent the address of the page that it came from.

    def remember_changes(self, query: str) -> None:
        """Update what the session remembers for this page with the page's parameters in a query string.

        Other parameters of the query string are ignored.
        """
        changes = {name: texts for name, texts in parse_qs(query).items() if name in self.names}
        self._note({**st.session_state.get(self._own_memory_key, {}), **changes})

    def remembered(self) -> dict[str, list[str]]:
        """Return the texts, by parameter, that the session left the page with.

        A page with `memory` shares them with the page of that name.
        """
        noted: Texts = st.session_state.get(self._memory_key, {})
        return {name: texts for name, texts in noted.items() if name in self.names}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Make the next script run of this page begin with these values, by parameter, as after a click in the menu.

        Clears the address and the values of the current link.
        """
        self.remember(values)
        st.query_params.clear()
        st.session_state.pop(LINK, None)
        st.session_state[ARRIVAL] = Arrival.MENU

    def _note(self, texts: Texts) -> None:
        shared: Texts = st.session_state.get(self._memory_key, {})
        others = {name: each for name, each in shared.items() if name not in self.names}
        st.session_state[self._memory_key] = {**others, **texts}
        st.session_state[self._own_memory_key] = dict(texts)
        entries = st.session_state.setdefault(self._entries_key, {})
        entries.pop(_as_entry(texts), None)
        entries[_as_entry(texts)] = True
        for oldest in list(entries)[:-MOST_ENTRIES]:
            del entries[oldest]

    @property
    def _memory_key(self) -> str:
        return f"{self.memory or self.page}_address"

    @property
    def _own_memory_key(self) -> str:
        return f"{self.page}_left"

    @property
    def _entries_key(self) -> str:
        return f"{self.page}_entries"

    @property
    def _drawn_key(self) -> str:
        return f"{self.page}_drawn"

    def link_parameters(self) -> dict[str, str | list[str]]:
        """Return the URL parameters of a link to the page as it is now; those with the default value are left out."""
        values, _ = self.read(_texts_of_address())
        texts = {name: self[name].texts(value) for name, value in values.items() if value != self[name].default}
        return {name: each[0] if len(each) == 1 else each for name, each in texts.items()}

    # Notices

    def draw_notices(self, state: object = None) -> None:
        """Draw a warning for each text of the link that cannot be used.

        `state` is any value that describes what the page shows. Once it differs from the value of the first call after
        the session came to the page, no warning is drawn.
        """
        link = current_link()
        link.state = link.state or (state,)
        if link.state == (state,):
            for notice in _bounded(link.notices):
                notices.warning(notice)

    def draw_refused(self, name: str, options: Sequence[Any]) -> None:
        """Drop the link's value of the parameter `name` if it is not among `options`, and draw a warning about it.

        For a parameter that is checked after `draw_notices` was called.
        """
        before = len(current_link().notices)
        self.among(name, options)
        for notice in _bounded(current_link().notices[before:]):
            notices.warning(notice)


def current_link() -> Link:
    """Return the parameters that the session read when it came to the current page; an empty `Link` before that."""
    link: Link = st.session_state.get(LINK) or Link()
    return link


def page_address() -> str:
    """Return the address of the current page with its URL parameters; "" if there is no browser."""
    here = (st.context.url or "").split("?")[0]
    address = _registered.get(st.session_state.get(PAGE, ""))
    texts = _texts_of_address()
    query = urlencode(address.named(texts) if address else texts, doseq=True)
    return f"{here}?{query}" if here and query else here


def enter_page(name: str) -> None:
    """Note in the session state how the session came to a page, for `PageAddress.arrive` to read the right parameters.

    Call this at the start of each script run. If the session is on the page already, only changes of widgets that are
    not bound are written to the address. A query string that is too long is dropped; `take_refusal` returns the notice.

    A bound widget finds the label of its option where the browser's address has the name.

    Parameters
    ----------
    name : str
        The page that is about to be drawn, by its name in `app.navigation.PAGES`.
    """
    _note_arrival(name)
    if _registered[name].bound:
        give_labels(_registered[name].parameters)


def _note_arrival(name: str) -> None:
    context = get_script_run_ctx()
    if context is not None and (refusal := _refusal(context.query_string)):
        context.query_string = ""
        st.query_params.clear()
        st.session_state[REFUSED] = [refusal]
    left = st.session_state.get(PAGE)
    is_history = context is not None and context.is_history_navigation
    if left == name and not is_history:
        if name in pages_written_by_server():
            _registered[name].write_changes()
        return
    if left is None or context is None:
        arrival = Arrival.LINK
    elif is_history:
        arrival = Arrival.STEP if left == name else Arrival.HISTORY
        mark_writer(name, context.query_string)
    else:
        arrival = Arrival.MENU
        mark_writer(name)
        if left in _registered and _registered[left].bound:
            # The menu sends what the controls of the page left have in the address, changes of the last moment too.
            _registered[left].remember_changes(context.query_string)
    st.session_state[PAGE] = name
    st.session_state[ARRIVAL] = arrival
    st.session_state.pop(LINK, None)


def _as_entry(texts: Texts) -> frozenset[tuple[str, tuple[str, ...]]]:
    return frozenset((name, tuple(each)) for name, each in texts.items())


def take_refusal() -> list[str]:
    """Return the notice about a link that was too long to be read, in a list, and forget it; empty without one."""
    refusal: list[str] = st.session_state.pop(REFUSED, [])
    return refusal


def _refusal(query: str) -> str:
    """Return a sentence for the user if a query string is too long to be read, else ""."""
    if len(query) > MAX_LENGTH:
        return (
            f"The link has {len(query):,} characters, and at most {MAX_LENGTH:,} are read, so this page begins with "
            "its defaults: shorten the link."
        )
    if (count := query.count("&") + 1) > MAX_PARAMETERS:
        return (
            f"The link has {count:,} parameters, and at most {MAX_PARAMETERS} are read, so this page begins with its "
            "defaults: shorten the link."
        )
    return ""


def _bounded(complaints: list[str]) -> list[str]:
    """Return at most MAX_NOTICES notices; of more, the last one returned tells the number of those left out."""
    if len(complaints) <= MAX_NOTICES:
        return complaints
    others = len(complaints) - MAX_NOTICES + 1
    return [*complaints[: MAX_NOTICES - 1], f"The link has {others:,} further parts that cannot be used."]


def link_to_here() -> dict[str, str | list[str]]:
    """Return the URL parameters of a link to the current page as it is now, without those at their default."""
    return _registered[st.session_state[PAGE]].link_parameters()


def _texts_of_address() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _write_address(texts: Texts) -> None:
    st.query_params.from_dict({name: each[0] if len(each) == 1 else each for name, each in texts.items()})


def register(address: PageAddress) -> PageAddress:
    """Register the URL parameters of a page, so that other pages do not report them as unknown; return `address`."""
    _registered[address.page] = address
    return address


def pages_written_by_server() -> frozenset[str]:
    """Return the names of the registered pages with URL parameters that are not bound to widgets."""
    return frozenset(name for name, address in _registered.items() if address.parameters and not address.bound)


def bound_parameters() -> list[Parameter]:
    """Return the parameters of all registered pages whose widgets are bound to them."""
    return [parameter for address in _registered.values() if address.bound for parameter in address.parameters]


def names_of_all_pages() -> frozenset[str]:
    """Return the names of the URL parameters of all registered pages."""
    return frozenset().union(*(address.names for address in _registered.values()))
