"""Acts of others in the middle of work: another program locks the store, another tab removes an uploaded table."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

from tests.soak.faults.scene import Scene, entries, new_seed, reading, wait_until
from tests.soak.visitor import Visitor

__all__ = ["locked_store", "removed_upload"]

TABLE = b"a,b,label\n" + b"".join(b"%d,%d,%d\n" % (row, row * 7 % 11, row % 10 == 0) for row in range(60))
EPOCH = re.compile(r"epoch [1-9]\d* of 4000")


def locked_store(scene: Scene) -> None:
    """Hold the store locked while pages read it and trainers write to it, then release it."""
    scene.fill()
    with scene.serving() as server, scene.visiting(server) as visitor:
        scene.expect(scene.train(visitor), True)
        scene.note()
        with closing(sqlite3.connect(scene.store, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            scene.expect(scene.look(visitor, "runs"), False, "locked")
            if "No runs yet" in visitor.text:
                scene.wrong.append("a locked store counts as empty")
            scene.expect(scene.train(visitor), True, "locked", most=2)
            scene.expect(scene.run(), True, "locked", most=2)
            lock.execute("ROLLBACK")
        visitor.wait(lambda: not any("locked" in alert for alert in visitor.alerts), "the end of the notice")
        scene.go_on(scene.train(visitor), scene.run())


def removed_upload(scene: Scene) -> None:
    """Remove an uploaded table in one tab while another tab trains on it: nothing of it is left."""
    scene.fill()
    with scene.serving() as server, scene.visiting(server) as visitor:
        scene.look(visitor, "your-table")
        visitor.upload("own_upload_0", "mine.csv", TABLE)
        visitor.wait(lambda: visitor.has_now("Compare"), "the reading of the table")
        visitor.wait_until_idle()
        (about,) = scene.cache.glob("tables/*/about.json")
        name = json.loads(about.read_text())["name"]
        with Visitor(server.port, cookie=visitor.cookie) as other:
            settings = {"dataset": name, "seeds": "1", "seed": new_seed()}
            scene.expect(scene.look(other, **settings), True)
            if not _stored(scene, name):
                scene.wrong.append("no run of the table was stored")
            other.open("compare", {**settings, "epochs": "4000"})
            other.wait(lambda: EPOCH.search(other.text), "an epoch of the long run")
            visitor.move("Remove table")
            visitor.wait(lambda: visitor.idle and not visitor.has_now("Remove table"), "the removal")
            other.open("compare", settings)
            seen = scene.take_in(other)
            scene.seen.append(str(seen))
            if "was deleted" not in str(seen):
                scene.wrong.append(f"the other tab says {seen}")
            scene.wrong += other.broken
        wait_until(lambda: not about.parent.exists(), "the end of its folder")
        wait_until(lambda: not _stored(scene, name), "the end of its results")
        scene.go_on(scene.train(visitor), scene.run())
    if not entries(scene.store).keys() >= scene.before.keys():
        scene.wrong.append("results of others were removed with the table")


def _stored(scene: Scene, name: str) -> int:
    """Return the number of stored entries that were made from a table."""
    with reading(scene.store) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM entries WHERE instr(config, ?) > 0", (name,)).fetchone()
    return int(count)
