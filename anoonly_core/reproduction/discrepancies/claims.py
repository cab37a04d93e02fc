"""What the text says otherwise than the runs do, each measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anoonly_core.data.catalogue import DATASETS
from anoonly_core.reproduction.cells import signed
from anoonly_core.reproduction.differences import readme_grid
from anoonly_core.reproduction.discrepancies.discrepancy import (
    NOT_MEASURED,
    Discrepancy,
    Finding,
    Rows,
    change_text,
    gain_of,
    join_words,
    mean_of,
    means_text,
    of_system,
    pair_text,
    runs_of,
    scopes,
)
from anoonly_core.reproduction.evidence import Evidence
from anoonly_core.reproduction.experiments import ANOONLY, HEADS, READINGS
from anoonly_core.reproduction.families import PAPER_FAMILIES, files_of
from anoonly_core.reproduction.grid import Grid
from anoonly_core.reproduction.published import AVERAGE, paper_norms, paper_tables, readme
from anoonly_core.reproduction.significance import gains
from anoonly_core.reproduction.tables import ALL, VALUE_LABELS

__all__ = ["IN_THE_TEXT"]


def _mvtec_baseline(evidence: Evidence) -> Finding | None:
    rows: Rows = []
    found = {}
    for words, name, where in (
        ("the code as published", "table1", {"reading": "code"}),
        ("as the text says, without the leak", "table1", {"reading": "text"}),
        ("the code, anomalies left in the pool", "fig8", {"reading": "code", "contamination": "natural"}),
    ):
        runs = _of_head(runs_of(evidence, name, **where), "DeepSAD", "MVTec-AD")
        if (change := gain_of(runs, "DeepSAD", ["MVTec-AD"])) is not None:
            rows.append((words, means_text(runs, "DeepSAD", ["MVTec-AD"]), change.text()))
            found[words] = (mean_of(runs, ["MVTec-AD"], system="DeepSAD"), change)
    printed = [paper_tables()["aucroc", system, "MVTec-AD"] for system in ("DeepSAD", "DeepSAD + AnoOnly")]
    if "the code as published" not in found:
        return None
    mean, change = found["the code as published"]
    sentence = (
        f"Table 1 prints {pair_text(*printed)} for DeepSAD and DeepSAD + AnoOnly on MVTec-AD. The published code gives "
        f"**{mean:.1f}** for the first, over {change.files} of {change.of} files; AnoOnly changes it by "
        f"{change.text()}."
    )
    if (leak_free := found.get("as the text says, without the leak")) is not None:
        sentence += f" Without the leak, as the text says, it is {leak_free[0]:.1f}, and AnoOnly {leak_free[1].text()}."
    columns = ("", "DeepSAD → + AnoOnly", "change")
    printed_row = ("printed in Table 1", pair_text(*printed), signed(printed[1] - printed[0]))
    return Finding(sentence, Grid("AUCROC in % on MVTec-AD", columns, (printed_row, *rows)))


_NORMS = ("none", "layer", "batch_no_affine", "batch")


def _first_column(evidence: Evidence) -> Finding | None:
    rows: Rows = []
    words: dict[str, list[str]] = {"text": [], "code": []}
    for reading, said in words.items():
        runs = of_system(runs_of(evidence, "table2", reading=reading), "DeepSAD")
        for scope, families in scopes(runs):
            means = [mean_of(_of_norm(runs, norm), families) for norm in _NORMS]
            if np.isnan(means).any():
                continue
            rows.append((READINGS[reading], scope, *means))
            batch = _of_norm(runs, "batch")
            none, layer = (change_text(_of_norm(runs, norm), batch, families) for norm in ("none", "layer"))
            said.append(f"{scope} {none} and {layer}")
    if not words["text"] or not words["code"]:
        return None
    printed = [paper_norms()["DeepSAD", norm] for norm in _NORMS]
    rows.append(("printed in Table 2", "average of ten data sets", *printed))
    sentence = (
        f"Table 2 has plain DeepSAD, λₙ = 1, {signed(printed[3] - printed[0])} points better with batch norm than "
        f"without a norm, and {signed(printed[3] - printed[1])} better than with layer norm. Measured, as the text "
        f"says and without the leak: {'; '.join(words['text'])}. As the code does it: {'; '.join(words['code'])}."
    )
    columns = ("DeepSAD, λₙ = 1", "where", *(VALUE_LABELS["norm", norm] for norm in _NORMS))
    return Finding(sentence, Grid("AUCROC in %", columns, tuple(rows)))


def _of_head(runs: pd.DataFrame, head: str, family: str) -> pd.DataFrame:
    return runs[(runs["baseline"] == head) & (runs["family"] == family)] if len(runs) else runs


def _of_norm(runs: pd.DataFrame, norm: str) -> pd.DataFrame:
    return runs[runs["norm"] == norm] if len(runs) else runs


def _layer(evidence: Evidence) -> Finding | None:
    runs = runs_of(evidence, "table2", reading="text")
    rows: Rows = []
    for scope, families in scopes(runs):
        rival = of_system(_of_norm(runs, "layer"), "DeepSAD")
        anoonly = of_system(_of_norm(runs, "batch_no_affine"), "DeepSAD + AnoOnly")
        plain = of_system(_of_norm(runs, "batch_no_affine"), "DeepSAD")
        means = [mean_of(own, families) for own in (plain, rival, anoonly)]
        if not np.isnan(means).any():
            rows.append((scope, *means, change_text(rival, anoonly, families)))
    if not rows:
        return None
    sentence = (
        "DeepSAD with its full loss, and layer norm in place of batch norm, is a simpler rival of AnoOnly's; "
        f"Table 2 prints {paper_norms()['DeepSAD', 'layer']:.1f} for it. What AnoOnly with batch norm is "
        f"ahead of it, in points of AUCROC: **{join_words([f'{row[0]} {row[-1]}' for row in rows])}**."
    )
    columns = (
        *("", "DeepSAD, batch norm", "DeepSAD, layer norm", "DeepSAD + AnoOnly, batch norm"),
        "AnoOnly less layer norm ± 95 %",
    )
    return Finding(sentence, Grid("AUCROC in %, clean pool", columns, tuple(rows)))


def _robust(evidence: Evidence) -> Finding | None:
    rows: Rows = []
    words: dict[str, list[str]] = {"text": [], "code": []}
    for reading, said in words.items():
        clean, dirty = (runs_of(evidence, "fig8", reading=reading, contamination=pool) for pool in (0.0, "natural"))
        for head in HEADS if len(clean) and len(dirty) else ():
            families = [family for _, of in scopes(clean[clean["baseline"] == head])[-1:] for family in of]
            systems = (head, f"{head}{ANOONLY}")
            falls = [change_text(of_system(dirty, own), of_system(clean, own), families) for own in systems]
            if not families or NOT_MEASURED in falls:
                continue
            falls = [fall.removeprefix("+") for fall in falls]
            rows.append(
                (head, READINGS[reading], *(means_text(runs, head, families) for runs in (clean, dirty)), *falls)
            )
            said.append(f"{head} {falls[0]} alone, {falls[1]} with AnoOnly")
    if not words["text"] or not words["code"]:
        return None
    sentence = (
        "§ 4.6 calls AnoOnly natively robust to unlabeled anomalies in the pool. What they cost, in points of "
        "AUCROC from the clean to the natural pool, as the text says and without the leak: "
        f"{'; '.join(words['text'])}. As the code does it: {'; '.join(words['code'])}."
    )
    columns = ("head → + AnoOnly", "", "clean pool", "anomalies left in", "cost alone", "cost with AnoOnly")
    return Finding(sentence, Grid(f"AUCROC in %, {ALL}", columns, tuple(rows)))


def _share(evidence: Evidence) -> Finding | None:
    rows: Rows = []
    mvtec: list[float] = []
    for family in PAPER_FAMILIES:
        shares = [
            share for name in files_of(family) if (share := DATASETS[name].known_facts().anomaly_share) is not None
        ]
        if not shares:
            continue
        span = f"{min(shares):.1%}" if len(shares) == 1 else f"{min(shares):.1%} to {max(shares):.1%}"
        rows.append((family, f"{len(shares)} of {len(files_of(family))}", span))
        if family == "MVTec-AD":
            mvtec = shares
    if not mvtec:
        return None
    sentence = (
        f"§ 4.1 states 5 % anomalies. MVTec-AD's files hold **{min(mvtec):.0%} to {max(mvtec):.0%}** ({len(mvtec)} "
        f"of {len(files_of('MVTec-AD'))} files counted). What scores without any skill get as AUCPR is that share, "
        "so its AUCPR does not compare with the others'."
    )
    columns = ("data set", "files counted", "share of anomalies")
    return Finding(sentence, Grid("Anomalies in ADBench's files", columns, tuple(rows)))


def _readme(evidence: Evidence) -> Finding | None:
    apart = {name: readme()[name] - paper_tables()["aucroc", name, AVERAGE] for name in readme()}
    furthest = min(apart, key=lambda name: apart[name])
    sentence = (
        f"Of {len(apart)} averages, {sum(abs(own) > 0.05 for own in apart.values())} differ, by "
        f"{signed(max(apart.values()))} to {signed(min(apart.values()))} points ({furthest}). In the repository's "
        "history an earlier README has the paper's figures."
    )
    return Finding(sentence, readme_grid())


def _one_seed(evidence: Evidence) -> Finding | None:
    runs = runs_of(evidence, "table1", reading="code")
    if runs.empty:
        return None
    runs = runs[runs["baseline"].isin(HEADS)]
    rows = []
    for family in PAPER_FAMILIES:
        own = runs[runs["family"] == family]
        if own.empty or own["seed"].nunique() < 2:
            continue
        per_file = own.groupby(["system", "dataset"])["aucroc"]
        widest = per_file.agg(lambda values: values.max() - values.min())
        at = widest.idxmax()
        assert isinstance(at, tuple)
        rows.append(
            (
                scopes(own)[0][0],
                float(per_file.std(ddof=1).mean()),
                float(widest.mean()),
                float(widest.max()),
                f"{at[0]} on {at[1]}",
            )
        )
    if not rows:
        return None
    found = [one for one in gains(runs, "code", "aucroc") if one.scope != ALL]
    clear = sum(one.is_clear and one.mean > 0 for one in found)
    worse = sum(one.is_clear and one.mean < 0 for one in found)
    worst = max(rows, key=lambda row: row[3])
    sentence = (
        f"One seed (42) and no spread was published. Over {evidence.seeds} seeds one file's AUCROC moves by "
        f"{join_words([f'{row[2]:.1f} points on {row[0]}' for row in rows])} on average, at most by {worst[3]:.0f} "
        f"({worst[4]}). Of AnoOnly's {len(found)} gains by head and data set in the code as published, "
        f"**{clear}** are clear over the seeds, {worse} {'is a clear loss' if worse == 1 else 'are clear losses'}."
    )
    columns = ("data set", "deviation over seeds", "largest less smallest", "at most", "where")
    return Finding(sentence, Grid(f"AUCROC of one file over {evidence.seeds} seeds, in points", columns, tuple(rows)))


IN_THE_TEXT = (
    Discrepancy(
        "mvtec-baseline",
        "DeepSAD's baseline on MVTec-AD",
        "Table 1 has it well below what the code gives.",
        ("table1", "fig8"),
        _mvtec_baseline,
    ),
    Discrepancy(
        "norms",
        "Table 2's first column",
        "Table 2: batch norm helps plain DeepSAD as well.",
        ("table2",),
        _first_column,
    ),
    Discrepancy(
        "layer-norm", "Layer norm, a rival left out", "Table 2 sets layer norm beside no norm.", ("table2",), _layer
    ),
    Discrepancy(
        "robustness",
        "Robustness, head by head",
        "§ 4.6 and Fig. 8: AnoOnly is natively robust to label noise.",
        ("fig8",),
        _robust,
    ),
    Discrepancy("anomaly-share", "Not 5 % anomalies", "§ 4.1: 5 % of the rows are anomalies.", (), _share),
    Discrepancy("one-seed", "One seed and no spread", "All figures are of seed 42.", ("table1",), _one_seed),
    Discrepancy(
        "readme", "The README against the paper", "Both print averages over the same ten data sets.", (), _readme
    ),
)
