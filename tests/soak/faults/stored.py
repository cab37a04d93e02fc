"""Damaged and foreign files in the cache: flipped bytes, files of a newer version, a second server."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.soak.faults.scene import STOCK, STORED, Scene, Untried, command, entry_hash, new_seed, reading

__all__ = [
    "flipped_body",
    "flipped_dataset",
    "flipped_header",
    "flipped_index",
    "flipped_rows",
    "newer_store",
    "two_servers",
]

PAGE = 4096
LEAF = 10  # first byte of a leaf page
LISTED = re.compile(r"(\d+) runs of")
REMOTE = "Classical/20_letter"
TABLE = b"a,b,label\n" + b"".join(b"%d,%d,%d\n" % (row, row * 7 % 11, row % 10 == 0) for row in range(60))


def flipped_header(scene: Scene) -> None:
    """Flip bytes in the header page of the store."""
    _flipped(scene, lambda content, roots: [3, 17, 47], page=True)


def flipped_index(scene: Scene) -> None:
    """Flip bytes in the root page of the store's index by age."""
    _flipped(scene, lambda content, roots: [PAGE * (roots["by_age"] - 1) + place for place in (0, 9)])


def flipped_rows(scene: Scene) -> None:
    """Flip bytes in a table page with several runs; these are trained again, with equal figures."""
    _flipped(scene, _on_a_leaf, page=True)


def flipped_body(scene: Scene) -> None:
    """Flip bytes in the scores of one run and in the summary of another."""
    scene.fill()
    with closing(sqlite3.connect(scene.store)) as connection:
        rows = connection.execute("SELECT key, summary, body FROM entries ORDER BY key").fetchall()
    content = scene.store.read_bytes()
    figures = content.index(rows[5][1][:60].encode())
    _flipped(scene, lambda content, roots: [content.index(rows[2][2][1500:1520]), figures + 20])


def flipped_dataset(scene: Scene) -> None:
    """Flip bytes of a downloaded file, without and with its server, and of an uploaded table."""
    good = _downloaded(scene)
    scene.fill()
    cached = scene.cache / "adbench" / f"{REMOTE}.npz"
    cached.parent.mkdir(parents=True)
    shutil.copy(good / f"{REMOTE}.npz", cached)
    _flip(cached, [cached.stat().st_size // 2])
    name = Path(REMOTE).name
    with _Mirror(good) as mirror:
        scene.environment = {"ANOONLY_MIRROR": mirror.url}
        with scene.serving() as server, scene.visiting(server) as visitor:
            scene.expect(scene.look(visitor, dataset=name), False, name, "the network cannot be reached")
            scene.look(visitor, "your-table")
            visitor.upload("own_upload_0", "mine.csv", TABLE)
            visitor.wait_for("Compare")
            scene.take_in(visitor)
            (own,) = scene.cache.glob("tables/*/table-*.npz")
            _flip(own, [own.stat().st_size // 3])
            shown = json.loads(own.with_name("about.json").read_text())["name"]
            scene.expect(scene.look(visitor, dataset=shown), False, "mine.csv", "upload its file again")
            mirror.begin()
            visitor.open("compare", {"dataset": name, "epochs": "5", "seeds": "1", "seed": new_seed()})
            visitor.wait_until_idle()
            if visitor.has("Try again"):
                visitor.move("Try again")
            scene.go_on(scene.take_in(visitor), scene.run("--dataset", name, "--epochs", "5"))


def newer_store(scene: Scene) -> None:
    """Put a store of a later version next to ours, its rows into ours, and one in place of ours."""
    scene.fill()
    later = scene.store.with_name("runs-9.sqlite")
    later.write_bytes(b"of a later version")
    with closing(sqlite3.connect(scene.store)) as connection:
        connection.execute("ALTER TABLE entries ADD COLUMN later TEXT")
        connection.execute(
            "INSERT INTO entries SELECT 'later', kind, '{\"later\": 1}', summary, created, pinned, bytes, digest, body,"
            " 'later' FROM entries LIMIT 1"
        )
        connection.commit()
    scene.note()
    with scene.serving() as server, scene.visiting(server) as visitor:
        scene.expect(scene.train(visitor), True)
        scene.look(visitor, "runs")
        ours = scene.store.rename(scene.folder / "ours")
        with closing(sqlite3.connect(scene.store)) as connection:
            connection.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, everything BLOB)")
            connection.commit()
        foreign = scene.store.read_bytes()
        scene.expect(scene.train(visitor), True, "another version", "ANOONLY_CACHE")
        scene.expect(scene.run(), True, "another version", "ANOONLY_CACHE")
        if scene.store.read_bytes() != foreign or later.read_bytes() != b"of a later version":
            scene.wrong.append("a later version's file was changed")
        ours.replace(scene.store)
        scene.go_on(scene.train(visitor), scene.run())


def two_servers(scene: Scene) -> None:
    """Let two servers on one store train the same run at once, then different runs that both find."""
    scene.fill()
    shared = new_seed()
    with (
        scene.serving() as one,
        scene.serving() as other,
        scene.visiting(one) as here,
        scene.visiting(other) as there,
    ):
        for seed in (shared, None, None):
            for visitor in (here, there):
                visitor.open(
                    "compare", {"dataset": "breast_cancer", "epochs": "5", "seeds": "1", "seed": seed or new_seed()}
                )
            for visitor in (here, there):
                scene.expect(scene.take_in(visitor), True)
        mine = new_seed()
        scene.go_on(scene.look(here, seed=mine), scene.look(there, seed=mine))


def _flipped(scene: Scene, places: Callable[[bytes, dict[str, int]], list[int]], page: bool = False) -> None:
    """Flip bytes of the store: readable entries must stay equal to the byte, the others are trained again.

    page: True to open a page first, with a run that is lost, so that the server writes where the damage is.
    """
    scene.fill()
    figures = _figures(scene)
    with closing(sqlite3.connect(scene.store)) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_master"))
    seeds = _seeds(scene)
    _flip(scene.store, places(scene.store.read_bytes(), roots))
    scene.before = _untouched(scene)
    scene.seen.append(f"{len(scene.before)} of {STORED} stored runs untouched")
    if page:
        with scene.serving() as server, scene.visiting(server) as visitor:
            lost = min(seeds.keys() - scene.before.keys() or seeds, key=seeds.__getitem__)  # any, if it is no database
            scene.before.pop(lost, None)
            scene.expect(scene.look(visitor, lambda_n="1", seed=seeds[lost]), True)
            scene.look(visitor, "runs")
            listed = int(found[1]) if (found := LISTED.search(visitor.text)) else 0
            if listed < len(scene.before):
                scene.wrong.append(f"the page lists {listed} runs of {len(scene.before)}")
            scene.go_on(scene.train(visitor))
    met = scene.run()
    scene.expect(met, True, *(["was damaged", "the damaged file is"] if met.sentences else []))
    if _figures(scene) != figures:
        scene.wrong.append("the stored runs have other figures than before")
    scene.go_on(scene.run())


def _seeds(scene: Scene) -> dict[str, str]:
    """Return the seed of each stored run by key."""
    with reading(scene.store) as connection:
        rows = connection.execute("SELECT key, config FROM entries WHERE kind = 'run'").fetchall()
    return {key: str(json.loads(config)["seed"]) for key, config in rows}


def _figures(scene: Scene) -> list[object]:
    """Return the metrics of all runs of the stock from the command line, stored or trained again."""
    done = command(scene.cache, scene.environment, "run", *STOCK, "--json")
    return [run["metrics"] for run in json.loads(done.stdout)["runs"]] if done.returncode == 0 else []


def _untouched(scene: Scene) -> dict[str, bytes]:
    """Return the entries that can be read by key; all of them if the file is not a database."""
    found = {}
    with reading(scene.store) as connection:
        try:
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError:
            return scene.before
        for key, content in scene.before.items():
            with suppress(sqlite3.Error):
                if entry_hash(connection, key) == content:
                    found[key] = content
    return found


def _on_a_leaf(content: bytes, roots: dict[str, int]) -> list[int]:
    """Return offsets in the header of a leaf page with entries that is not a root page."""
    for begin in range(2 * PAGE, len(content), PAGE):
        page = content[begin : begin + PAGE]
        if page[0] == LEAF and b'"lambda_n"' in page and begin // PAGE + 1 not in roots.values():
            return [begin, begin + 4]
    raise AssertionError("the stock is so small that its entries begin on one page")


def _flip(path: Path, places: list[int]) -> None:
    """Flip all bits of the bytes at these offsets of a file, in place."""
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 0xFF]))


def _downloaded(scene: Scene) -> Path:
    """Return a folder with the file, from ANOONLY_DATA or downloaded."""
    given = os.environ.get("ANOONLY_DATA")
    if given and (Path(given) / f"{REMOTE}.npz").is_file():
        return Path(given)
    folder = scene.folder / "downloaded"
    done = command(folder, {}, "fetch", Path(REMOTE).name)
    if done.returncode:
        raise Untried(f"no data set here to damage ({done.stderr.strip()})")
    return folder / "adbench"


class _Mirror:
    """A file server for a folder; its port refuses connections before `begin`."""

    def __init__(self, folder: Path) -> None:
        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Quiet, directory=str(folder)), bind_and_activate=False
        )
        self._server.server_bind()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def begin(self) -> None:
        self._server.server_activate()
        self._thread.start()

    def __enter__(self) -> _Mirror:
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
