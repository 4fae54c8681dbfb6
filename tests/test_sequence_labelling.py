"""Sequence labelling from end to end on a tiny genome with planted sites: one run, which most tests look at."""

import dataclasses
import itertools
import json
import re
import shutil
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atrous
import dna
from atrous.cli import main
from atrous.data.fasta import UNKNOWN, one_hot, read_fasta, reverse_complement
from atrous.models import splicenet
from atrous.recipes import find
from atrous.run import Run
from atrous.tasks.sequence_labelling import baseline, evaluation, metrics, network, plan, recipe, windows
from atrous.tasks.sequence_labelling.data import SequencePart, Stretch, load
from atrous.tasks.sequence_labelling.plan import Plan
from atrous.tasks.sequence_labelling.prediction import chunks
from atrous.tasks.sequence_labelling.task import plan_of
from atrous.tasks.sequence_labelling.windows import WindowBatches, probabilities

OPTIONS = {
    "variant": "80nt",
    "blocks": 2,
    "filters": 8,
    "batch_size": 4,
    "window": 100,
    "windows": 280,
    "epochs": 2,
    "learning_rate": 1e-2,
    "mutate": 0,
    "quiet": True,
}
SMALL = find("sequence-labelling", "").replace({name: value for name, value in OPTIONS.items() if name != "quiet"})
TYPES = ("acceptor", "donor")


def command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def data(once):
    return once("dna-data", lambda place: dna.folder(place / "dna")) / "dna"


@pytest.fixture(scope="module")
def run(data, once):
    def make(place):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan, "_LEAST", 3000)  # chunks as small as the genome
            atrous.train("sequence-labelling", data, output=place / "first", **OPTIONS)

    return Run(once("sequence-labelling", make) / "first")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(plan, "_LEAST", 3000)


def test_a_run_learns_and_says_how_well(run):
    rows = run.metrics
    assert set(rows[0]) == {"epoch", "loss", "val_loss", "val_ap", "learning_rate", "seconds"}
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert run.best(rows)["val_ap"] == max(row["val_ap"] for row in rows)
    made = plan_of(run.config)
    assert (made.variant, made.stages, made.context) == ("80nt", ((11, 1),), 40)
    assert run.config.names == TYPES
    assert sum(run.config.sites_of.values()) < 79
    test = run.test
    assert test["positions"] == 12_000
    assert set(test["classes"]) == set(TYPES)
    assert test["ap"] == pytest.approx(np.mean([row["ap"] for row in test["classes"].values()]))
    assert test["ap"] > 0.5  # of 20 sites in 12,000 bases
    assert json.loads(json.dumps(atrous.evaluate(run))) == test


def test_the_test_is_what_single_bases_give(run):
    held, model, made = run.load_data(), run.load_model(), plan_of(run.config)
    assert [(each.strand, len(each)) for each in held.test.stretches] == [(0, 6000), (1, 6000)]
    scores, _ = evaluation.score(model, held.test, made)
    codes = held.records[0].codes
    for position in (18_000, 18_019, 20_999, 21_000, 23_990, 23_999):
        seen = np.array([codes[i] if 0 <= i < len(codes) else UNKNOWN for i in range(position - 20, position + 21)], np.uint8)
        for strand, bases in enumerate((seen, reverse_complement(seen))):
            logits = np.asarray(model(one_hot(bases)[None]))[0, 0]
            said = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            place = position - 18_000 if strand == 0 else 12_000 - 1 - (position - 18_000)
            np.testing.assert_allclose(scores[place], said[1:], rtol=2e-3, atol=1e-6)
    labels = held.test.labels()
    for position, strand, kind in dna.genome()[1]:
        if position >= 18_000:
            place = position - 18_000 if strand == "+" else 12_000 - 1 - (position - 18_000)
            assert labels[place] == 1 + TYPES.index(kind)
    assert (labels > 0).sum() == sum(position >= 18_000 for position, _, _ in dna.genome()[1])


def test_the_other_strand_is_the_same_dna_read_backwards(run, tmp_path):
    held, model, made = run.load_data(), run.load_model(), plan_of(run.config)
    (stretch, other) = held.validation.stretches
    turned = dataclasses.replace(held.records[0], codes=reverse_complement(held.records[0].codes))
    length = len(turned)
    region = dataclasses.replace(stretch.region, first=length - stretch.region.last, last=length - stretch.region.first)
    again = Stretch(turned, region, 1, stretch.places, stretch.labels)
    np.testing.assert_array_equal(again.bases(-30, 50), stretch.bases(-30, 50))
    np.testing.assert_allclose(probabilities(model, again, made), probabilities(model, stretch, made), atol=1e-6)
    assert [other.position(place) for place in (0, len(other) - 1)] == [other.region.last - 1, other.region.first]


@settings(max_examples=40)
@given(
    scores=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_average_precision_and_top_k_by_their_definitions(scores, seed):
    scores = np.array(scores, float)
    truth = np.random.default_rng(seed).random(len(scores)) < 0.4
    k = int(truth.sum())
    if not k:
        assert metrics.average_precision(scores, truth) is None
        assert metrics.top_k(scores, truth) == (None, None)
        return
    area, found = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        called = scores >= threshold
        recall = (called & truth).sum() / k
        area += (recall - found) * (called & truth).sum() / called.sum()
        found = recall
    assert metrics.average_precision(scores, truth) == pytest.approx(area)
    share, threshold = metrics.top_k(scores, truth)
    draws = [np.lexsort((np.random.default_rng(i).random(len(scores)), -scores))[:k] for i in range(200)]
    assert share == pytest.approx(np.mean([truth[draw].mean() for draw in draws]), abs=0.15)
    assert threshold == np.sort(scores)[::-1][k - 1]
    curve = metrics.precision_at(scores, truth, [0.0, 0.5, 1.0])
    best = [
        max((c & truth).sum() / c.sum() for t in set(scores) for c in [scores >= t] if (c & truth).sum() >= r * k)
        for r in (0, 0.5, 1)
    ]
    assert curve == pytest.approx(best)


def test_average_precision_of_a_perfect_and_of_no_order():
    truth = np.arange(1000) % 10 == 0
    assert metrics.average_precision(truth.astype(float), truth) == 1
    assert metrics.top_k(truth.astype(float), truth) == (1, 1.0)
    assert metrics.average_precision(np.zeros(1000), truth) == pytest.approx(0.1)
    assert metrics.top_k(np.zeros(1000), truth)[0] == pytest.approx(0.1)


def test_the_matrix_finds_planted_motifs_and_is_kept(run, monkeypatch):
    held = run.load_data()
    matrices = baseline.fit(held.train, TYPES)
    assert [matrices[name].shape for name in TYPES] == [(23, 4), (9, 4)]
    assert ["ACGT"[i] for i in matrices["donor"].argmax(axis=1)] == list(dna.DONOR)
    assert ["ACGT"[i] for i in matrices["acceptor"].argmax(axis=1)] == list(dna.ACCEPTOR)
    stretch = held.test.stretches[1]
    scored = baseline.scored(matrices["donor"], stretch, baseline.span_of("donor"))
    for place in (0, 1, 777, 5999):
        bases = stretch.bases(place - 2, place + 7)
        by_hand = sum(row[base] if base < 4 else row.min() for row, base in zip(matrices["donor"], bases, strict=True))
        assert scored[place] == pytest.approx(by_hand, rel=1e-5)
    kept = baseline.of_run(run, held.train, held.test, TYPES)
    assert kept["ap"] > 0.99
    monkeypatch.setattr(baseline, "fit", lambda *_: pytest.fail("computed again"))
    assert baseline.of_run(run, held.train, held.test, TYPES) == kept


@pytest.fixture(scope="module")
def held(data):
    return load(str(data), SMALL)


@settings(max_examples=25)
@given(
    epoch=st.integers(0, 3), seed=st.integers(0, 3), around=st.sampled_from([0.0, 0.5, 1.0]), prefetch=st.sampled_from([0, 2])
)
def test_windows_hold_what_the_dna_holds(held, epoch, seed, around, prefetch):
    batches = WindowBatches(held.train, held.plan, 150, 8, around, 0.0, seed, prefetch)
    batches.epoch = epoch
    taken, labels = batches[3]
    assert (taken.shape, labels.shape, taken.dtype, labels.dtype) == ((8, 190, 4), (8, 150), np.float32, np.int32)
    strands = ["".join("ACGT-"[code] for code in each.bases(-20, len(each) + 20)) for each in held.train.stretches]
    for window, own in zip(taken, labels, strict=True):
        text = "".join("ACGT"[int(base.argmax())] if base.any() else "-" for base in window)
        which, first = next((i, each.find(text)) for i, each in enumerate(strands) if text in each)
        np.testing.assert_array_equal(own, held.train.stretches[which].dense(first, first + 150))
    every = np.concatenate([batches[i][1] for i in range(len(batches))])
    assert len(every) == 280
    assert every.any(axis=1).sum() >= around * 280
    again = WindowBatches(held.train, held.plan, 150, 8, around, 0.0, seed, 0)
    again.epoch = epoch
    np.testing.assert_array_equal(again[3][0], taken)


def test_bases_are_replaced_where_they_are_known(held):
    plain, changed = (WindowBatches(held.train, held.plan, 200, 96, 1.0, share, 0, 0)[0] for share in (0.0, 0.2))
    np.testing.assert_array_equal(plain[1], changed[1])
    known = plain[0].any(axis=2)
    np.testing.assert_array_equal(known, changed[0].any(axis=2))
    assert 0.12 < (plain[0] != changed[0]).any(axis=2)[known].mean() < 0.18  # a quarter of the new ones are the old ones


def test_training_sees_no_site_of_the_others(data, held, tmp_path):
    other = shutil.copytree(data, tmp_path / "dna")
    rows = (other / "sites.tsv").read_text().splitlines()[1:]
    moved = [row for row in rows if int(row.split("\t")[0]) < 12_000]
    rest = [f"{int(row.split(chr(9))[0]) + 1}\t{row.split(chr(9), 1)[1]}" for row in rows if row not in moved]
    (other / "sites.tsv").write_text("\n".join(["position\tstrand\ttype", *moved, *rest]) + "\n")
    again = load(str(other), SMALL)
    batches, others = (WindowBatches(each.train, each.plan, 200, 8, 0.5, 0.1, 1, 0) for each in (held, again))
    for batch, twin in zip(batches[5], others[5], strict=True):
        np.testing.assert_array_equal(batch, twin)


def test_a_stretch_shorter_than_a_window_shows_nothing_behind_it(held):
    region = dataclasses.replace(held.regions["train"][0], first=600, last=700)
    long, short = held.train.stretches[0], Stretch(held.records[0], region, 0, np.array([5]), np.array([2]))
    batches = WindowBatches(SequencePart((long, short), 3000, 40), held.plan, 200, 40, 1.0, 0.0, 0, 0)
    codes, labels = batches._one(len(batches._sites) - 1, np.random.default_rng(0))
    assert np.flatnonzero(labels).tolist() == [5]
    np.testing.assert_array_equal(codes[:120], short.bases(-20, 100))
    assert (codes[120:] == UNKNOWN).all()


def test_the_network_follows_from_variant_rates_and_sites(held):
    assert tuple(splicenet.VARIANTS) == recipe.VARIANTS

    def made(**options):
        return plan.make(find("sequence-labelling", "").replace(options), held.sites)

    assert made(variant="10k").context == 10_000
    assert made(variant="2k", rates=1).stages == ((11, 1), (11, 1), (21, 1))
    assert made(variant="400nt", rates=(1, 2)).context == 2 * 4 * 10 * 3
    assert Plan.from_json(json.loads(json.dumps(made().to_json()))) == made()
    with pytest.raises(ValueError, match="`rates` must be one, or one a stage: 3 of 2k"):
        made(variant="2k", rates=(1, 2))
    dilated, flat = (network.build(made(variant="400nt", rates=rates), 3, 8, "float32") for rates in ((), 1))
    assert [v.shape for v in dilated.variables] == [v.shape for v in flat.variables]
    assert atrous.field.analyze(dilated).output.size == (401,)
    assert atrous.field.analyze(flat).output.size == (161,)


@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=3),
    half=st.integers(0, 12),
    chunk=st.integers(1, 40),
    piece=st.integers(1, 50),
)
def test_chunks_of_pieces_are_those_of_the_whole(lengths, half, chunk, piece):
    draw = np.random.default_rng(sum(lengths))
    records = {f"r{i}": draw.integers(0, 4, n, np.uint8) for i, n in enumerate(lengths)}
    parts = [(name, codes[i : i + piece]) for name, codes in records.items() for i in range(0, len(codes), piece)]
    seen = dict.fromkeys(records, 0)
    for name, first, count, codes in chunks(parts, half, chunk):
        whole = np.concatenate([np.full(half, UNKNOWN), records[name], np.full(half + chunk, UNKNOWN)])
        np.testing.assert_array_equal(codes, whole[first : first + chunk + 2 * half])
        assert first == seen[name]
        seen[name] += count
    assert seen == {name: len(codes) for name, codes in records.items()}


def test_predict_calls_what_the_test_scored(run, data, tmp_path, monkeypatch, capsys):
    sequence, _ = dna.genome()
    file = tmp_path / "two.fa.gz"
    file.write_bytes(dna.fasta({"chr1": sequence.lower(), "short": "ACGTN" * 9}, packed=True))
    code, out, err = command(["predict", run.path, file, "--confidence", "0.05"], monkeypatch, capsys)
    assert code == 0
    first, second = map(json.loads, out.splitlines())
    assert (first["record"], first["bases"], second["record"], second["bases"]) == ("chr1", 24_000, "short", 45)
    assert "lower case" in err
    assert "are N or another letter" in err
    held, model, made = run.load_data(), run.load_model(), plan_of(run.config)
    part = held.test
    scores, _ = evaluation.score(model, part, made)
    expected = {
        (each.position(place), "+-"[each.strand], name): scores[start + place, i]
        for each, start in zip(part.stretches, (0, 6000), strict=True)
        for i, name in enumerate(TYPES)
        for place in np.flatnonzero(scores[start : start + 6000, i] >= 0.05)
    }
    called = {(s["position"], s["strand"], s["type"]): s["score"] for s in first["sites"] if s["position"] >= 18_000}
    assert called.keys() == expected.keys()
    assert len(called) > 5
    assert all(called[key] == pytest.approx(expected[key], abs=1e-5) for key in called)
    (written, _) = atrous.predict(run, file, output=tmp_path / "out", confidence=0.05)
    assert written.sites == ()
    lines = [line.split("\t") for line in (tmp_path / "out" / "two.bed").read_text().splitlines()]
    assert [(line[0], int(line[1]), int(line[2]) - 1, line[3], line[5]) for line in lines] == [
        ("chr1", s["position"], s["position"], s["type"], s["strand"]) for s in first["sites"]
    ]
    assert [int(line[4]) for line in lines] == [round(1000 * float(line[6])) for line in lines]
    atrous.predict(run, file, output=tmp_path / "all.tsv")
    table = (tmp_path / "all.tsv").read_text().splitlines()
    assert table[0] == "record\tposition\tstrand\ttype\tscore"


def test_predict_says_what_it_can_not_read_and_keeps_the_rest(run, tmp_path, monkeypatch, capsys):
    bad, good = tmp_path / "bad.fa", tmp_path / "good.fa"
    bad.write_bytes(dna.fasta({"a": dna.random(7000)}) + b"AC!T\n")
    good.write_bytes(dna.fasta({"b": dna.genome(6000)[0]}))
    code, out, err = command(["predict", run.path, bad, good, "--output", tmp_path / "x.bed"], monkeypatch, capsys)
    assert code == 1
    assert "Received: '!' in line 119 of bad.fa, record a." in err
    broken, fine = map(json.loads, out.splitlines())
    assert set(broken) == {"file", "error"}
    rows = (tmp_path / "x.bed").read_text().splitlines()
    assert len(rows) == sum(fine["counts"].values()) > 0
    assert {row.split("\t")[0] for row in rows} == {"b"}
    code, _, _ = command(["predict", run.path, bad, "--output", tmp_path / "none"], monkeypatch, capsys)
    assert (code, list((tmp_path / "none").iterdir())) == (1, [])
    code, _, err = command(["predict", run.path, tmp_path / "nowhere.fa"], monkeypatch, capsys)
    assert (code, "which isn't there" in err) == (2, True)
    code, _, err = command(["predict", run.path, good, "--confidence", "2"], monkeypatch, capsys)
    assert (code, "`confidence` must be between 0 and 1" in err) == (2, True)


def test_the_page_shows_curves_scores_and_motifs(run):
    page = run.report_file.read_text("utf-8")
    for words in ("Test AP", "Top-k accuracy", "position weight matrix (PWM)", "Along the DNA", "Sequence logos", "chance"):
        assert words in page
    assert page.count('aria-label="Scores along 2,000 bases') == 4
    assert not re.search(r"@import|url\((?!#)|src=\"(?!data:)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_evaluate_on_the_terminal_and_on_other_dna(run, tmp_path, monkeypatch, capsys):
    other = dna.folder(tmp_path / "other", seed=5)
    code, out, _ = command(["evaluate", run.path, "--data", other], monkeypatch, capsys)
    assert code == 0
    assert re.search(r"acceptor +\d+ +\d+\.\d%", out)
    assert "AP 0." in out or "AP 1." in out
    types = dna.table([(p, s, "start") for p, s, _ in dna.genome()[1]])
    wrong = dna.folder(tmp_path / "wrong", sites_tsv=types)
    code, _, err = command(["evaluate", run.path, "--data", wrong], monkeypatch, capsys)
    assert (code, "`type` must be one of acceptor, donor. Received: 'start'" in err) == (2, True)


def test_stretches_are_cut_where_no_file_names_them(data, tmp_path):
    other = dna.folder(tmp_path / "x", splits_tsv=None, sites_bed="", sites_tsv=(data / "sites.tsv").read_text())
    with pytest.raises(ValueError, match=r"must have one table of sites, .* Received: sites.bed, sites.tsv"):
        load(str(other), SMALL)
    (other / "sites.bed").unlink()
    found = load(str(other), dataclasses.replace(SMALL, shares=(0.5, 0.25, 0.25)))
    bounds = [(each.first, each.last) for part in ("train", "validation", "test") for each in found.regions[part]]
    assert [later[0] - earlier[1] for earlier, later in itertools.pairwise(bounds)] == [40, 40]
    alone = load(
        str(other / "dna.fa"), dataclasses.replace(SMALL, sites=str(data / "sites.tsv"), splits=str(data / "splits.tsv"))
    )
    assert (alone.name, alone.test.positions) == ("dna", 12_000)


SEQUENCE, SITES = dna.genome()
MISTAKES = {
    "no FASTA": ({"dna_fa": None}, [], "a folder without FASTA"),
    "empty FASTA": ({"dna_fa": ""}, [], "Received: dna.fa, which is empty"),
    "no sites": ({"sites_tsv": None}, [], "must have one table of sites"),
    "letters": (
        {"dna_fa": dna.fasta({"chr1": SEQUENCE[:500] + "-" + SEQUENCE[500:]})},
        [],
        "Received: '-' in line 10 of dna.fa",
    ),
    "out of range": ({"sites_tsv": dna.table([*SITES, (24_000, "+", "donor")])}, [], "`position` must be 0 to 23,999"),
    "from one": ({"sites_tsv": dna.table([(p + 1, *rest) for p, *rest in SITES])}, [], "Use --one-based"),
    "other name": ({"dna_fa": dna.fasta({"a": SEQUENCE, "b": SEQUENCE})}, [], "in a column `record`"),
    "no site in a part": (
        {"sites_tsv": dna.table([row for row in SITES if row[0] < 18_000])},
        [],
        "Each part must have sites of each type. Received: test without one of type acceptor",
    ),
    "overlap": (
        {
            "splits_tsv": dna.table(
                [("train", 0, 12_000), ("val", 11_000, 18_000), ("test", 18_000, 24_000)], ("name", "start", "end")
            )
        },
        [],
        "Stretches must not overlap",
    ),
    "variant": ({}, ["--variant", "400"], "`variant` must be one of 80nt, 400nt, 2k, 10k"),
    "shares": ({}, ["--shares", "0.5,0.5"], "`shares` must be three shares that add up to 1"),
    "rates": ({}, ["--rates", "1,2"], "`rates` must be one, or one a stage: 1 of 80nt"),
    "no such file": ({}, ["--sites", "x.bed"], "`sites` must be a file, here or in the folder of the FASTA"),
    "blocks": ({}, ["--blocks", "0"], "`blocks` must be a positive integer"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_sentence_and_leaves_no_run(name, tmp_path, monkeypatch, capsys):
    files, words, message = MISTAKES[name]
    folder = dna.folder(tmp_path / "data", **files)
    words = words if "--variant" in words else ["--variant", "80nt", *words]
    code, out, err = command(
        ["train", "sequence-labelling", "--data", folder, "--output", tmp_path / "run", "--quiet", *words], monkeypatch, capsys
    )
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "run").exists()


def test_what_is_unusual_is_told_and_no_mistake(tmp_path):
    lower = SEQUENCE[:9000].lower() + "N" * 10 + SEQUENCE[9010:]
    folder = dna.folder(tmp_path / "data", dna_fa=dna.fasta({"chr1": lower}))
    told = load(str(folder), SMALL).notes
    assert any("9,000 of 24,000 bases are lower case" in note for note in told)
    assert any("10 of 24,000 bases are N" in note for note in told)
    assert any("Between train and validation lie 0 bases of chr1, the network sees 40" in note for note in told)
    assert read_fasta(folder / "dna.fa")[0][0].codes[9000] == UNKNOWN


@pytest.mark.parametrize(
    "options",
    [
        {"shares": (0.5, 0.2, 0.2)},
        {"types": "a,a"},
        {"types": ""},
        {"around": 1.5},
        {"mutate": -0.1},
        {"window": 0},
        {"rates": (0,)},
    ],
)
def test_choices_keep_their_rules(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must"):
        find("sequence-labelling", "").replace(options)


def test_labelled_takes_any_length(run):
    model, codes = run.load_model(), np.random.default_rng(0).integers(0, 4, 240).astype(np.uint8)
    said = windows.labelled(model, codes)
    assert said.shape == (200, 3)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
