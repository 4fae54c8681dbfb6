"""Files of the UCR/UEA archive: written by the format's description here, and read back."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrous.data.ts import filled, natural, read_cases

HEADER = "# a comment\n@problemName Toy\n@timeStamps false\n@univariate true\n@equalLength true\n@classLabel true a b\n@data\n"


def write(tmp_path, text, name="Toy_TRAIN.ts"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


values = st.one_of(st.floats(-(2.0**100), 2.0**100, width=32), st.just(math.nan))
names = st.text("abcXYZ0189_-. ", min_size=1, max_size=6).map(str.strip).filter(bool)


@st.composite
def files(draw):
    channels = draw(st.integers(1, 3))
    classes = draw(st.lists(names, min_size=1, max_size=3, unique_by=lambda name: (natural(name)[0], name.strip())))
    classes = [
        name for i, name in enumerate(classes) if natural(name)[0] not in [natural(other)[0] for other in classes[:i]]
    ] or ["x"]
    cases = []
    for _ in range(draw(st.integers(1, 4))):
        steps = draw(st.integers(1, 5))
        rows = [[draw(values) for _ in range(channels)] for _ in range(steps)]
        rows[-1][0] = draw(st.floats(-(2.0**100), 2.0**100, width=32))  # the last step is known
        cases.append((np.array(rows, np.float32), draw(st.sampled_from(classes))))
    return channels, classes, cases


@given(files(), st.booleans(), st.sampled_from(["?", "NaN", "nan", " ? "]), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read(tmp_path_factory, held, upper, missing, end):
    channels, classes, cases = held
    quoted = [f'"{name}"' for name in classes]
    header = ["@problemName 'Some toy'", "@timeStamps false", f"@dimensions {channels}", f"@classLabel true {' '.join(quoted)}"]
    lines = [line.partition(" ") for line in header]
    text = [
        "#comment",
        *("".join([a.upper() if upper else a.lower(), b, c]) for a, b, c in lines),
        "",
        "@DATA" if upper else "@data",
    ]
    for array, label in cases:
        fields = [",".join(missing if math.isnan(v) else repr(float(v)) for v in channel) for channel in array.T]
        text.append(":".join([*fields, f'"{label}"']))
    read = read_cases(write(tmp_path_factory.mktemp("ts"), end.join(text) + end), strict=True)
    assert (read.name, read.class_names) == ("Some toy", tuple(classes))
    assert [case.label for case in read.cases] == [label for _, label in cases]
    assert [case.line for case in read.cases] == list(range(8, 8 + len(cases)))
    for case, (array, _) in zip(read.cases, cases, strict=True):
        np.testing.assert_array_equal(case.values, array)
        assert case.values.dtype == np.float32


def test_labels_are_the_same_if_they_are_the_same_number(tmp_path):
    text = HEADER.replace("a b", "1 2") + "1,2:1.0\n1,2: 2 \n3,4:2.0000000e+00\n"
    assert [case.label for case in read_cases(write(tmp_path, text)).cases] == ["1", "2", "2"]


def test_class_names_that_the_header_lacks_are_those_of_the_cases(tmp_path):
    text = HEADER.replace(" a b", "") + "1,2:10\n1,2:9\n3,4:up\n"
    assert read_cases(write(tmp_path, text)).class_names == ("9", "10", "up")


def test_times_put_values_in_order(tmp_path):
    header = HEADER.replace("@timeStamps false", "@timeStamps true").replace("@univariate true", "@univariate false")
    text = header + (
        "(0,1.5),(2,3.5),(1,2.5):(1,7.0),(0,?):a\n"
        "(2024-01-01 00:00:00,1),(2024-01-01 00:00:01,2):(2024-01-01 00:00:00,3),(2024-01-01 00:00:01,4):b\n"
    )
    first, second = read_cases(write(tmp_path, text), strict=True).cases
    np.testing.assert_array_equal(first.values, [[1.5, np.nan], [2.5, 7], [3.5, np.nan]])
    np.testing.assert_array_equal(second.values, [[1, 3], [2, 4]])
    uneven = read_cases(write(tmp_path, header + "(0,1),(1,2),(2,2),(50,3):(0,1):a\n"))
    assert "timestamps are uneven" in uneven.notes[0]


def test_what_fills_up_the_end_is_no_step(tmp_path):
    text = HEADER + "1,?,3,?,NaN:a\n1,2,3,4,5:b\n"
    assert [len(case.values) for case in read_cases(write(tmp_path, text)).cases] == [3, 5]
    tabbed = "1.0000000e+00\t0.5\t1.5\tNaN\n-1\t1\t2\t3\n\n"
    read = read_cases(write(tmp_path, tabbed, "Toy_TRAIN.tsv"))
    assert read.class_names == ("-1", "1")
    assert [case.values[:, 0].tolist() for case in read.cases] == [[0.5, 1.5], [1, 2, 3]]


BAD_CASES = {
    "1,2": r"must end with its label, behind a colon\. Received: '1,2'",
    "1,2:": r"must end with its label\. Received: none behind",
    "1,2:c": r"a label must be one that @classLabel lists: a, b\. Received: 'c'",
    "1,x2:a": r"numbers, or \? where one is missing\. Received: 'x2', value 2 of channel 1",
    "1,2,:a": r"Received: '', value 3 of channel 1",
    "1,2:3,4:a": r"a case must have 1 channel\. Received: 2",
    "?,?:a": r"a case must have a value\. Received: none that is known",
    "1,inf:a": r"values must be finite, below 3\.4e38\. Received: inf, value 2 of channel 1",
    "1,1e39:a": r"values must be finite.*1e\+39",
}


@pytest.mark.parametrize("line", BAD_CASES)
def test_a_bad_case_is_left_out_and_named(line, tmp_path):
    file = write(tmp_path, HEADER + "1,2:a\n" + line + "\n3,4:b\n")
    read = read_cases(file)
    assert [case.label for case in read.cases] == ["a", "b"]
    (why,) = read.skipped
    assert why.startswith("Toy_TRAIN.ts, line 9: ")
    assert re.search(BAD_CASES[line], why)
    with pytest.raises(ValueError, match=r"Toy_TRAIN.ts, line 9: .*" + BAD_CASES[line]):
        read_cases(file, strict=True)


BAD_FILES = {
    b"": r"which is empty",
    b"\x93NUMPY\x01\x00v\x00{'descr'": r"which is binary or damaged",
    b"1,2:a\n": r"only lines with # and @ before @data\. Received: Toy_TRAIN.ts, line 1: '1,2:a'",
    b"@classLabel true a b\n": r"a line @data",
    b"@classLabel true a b\n@data\n": r"Toy_TRAIN.ts has no case behind @data",
    b"@classLabel a b\n@data\n1,2:a\n": r"Toy_TRAIN.ts, line 1: it must say true or false",
    b"@dimensions x\n@data\n1,2:a\n": r"Toy_TRAIN.ts, line 1: it must be a positive integer",
    b"@targetLabel true\n@data\n1,2:0.5\n": r"must have classes, @classLabel\. .* regression, not classification",
    b"@classLabel false\n@data\n1,2\n": r"which has @classLabel false",
    b"@problemName x\n@data\n1,2:a\n": r"which has none",
    b"@classLabel true a b\n@data\n1;2:a\n1,z:a\n": r"cases that can be read\. .*line 3: values must be numbers",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_bad_file_is_told_in_a_sentence(text, tmp_path):
    with pytest.raises(ValueError, match=BAD_FILES[text]):
        read_cases(write(tmp_path, text))


def test_what_the_header_says_otherwise_is_told(tmp_path):
    text = HEADER.replace("@equalLength true", "@seriesLength 3") + "1,2,3:a\n1,2:b\n"
    (note,) = read_cases(write(tmp_path, text)).notes
    assert "say" in note
    assert "1 case of 2 have another number, line 9 2" in note
    text = HEADER.replace("@univariate true", "@univariate false") + "1,2,3:4,5:a\n"
    read = read_cases(write(tmp_path, text))
    assert "channels of different length" in read.notes[0]
    np.testing.assert_array_equal(read.cases[0].values, [[1, 4], [2, 5], [3, np.nan]])


@pytest.mark.parametrize(
    ("header", "labels"), [("@classLabel true a b\n", ["a", "b"]), ("", ["a", None]), ("@classLabel false\n", None)]
)
def test_labels_may_be_there_or_not_if_they_don_t_count(header, labels, tmp_path):
    lines = "1,2:a\n3,4:b\n" if labels == ["a", "b"] else "1,2:a\n3,4\n" if labels else "1,2\n3,4\n"
    read = read_cases(write(tmp_path, header + "@data\n" + lines), channels=1, labelled=False, strict=True)
    assert [case.label for case in read.cases] == (labels or [None, None])
    assert [case.values[0, 0] for case in read.cases] == [1, 3]


def test_missing_values_are_on_straight_lines():
    nan = np.nan
    found = filled(np.array([[nan, nan], [1, nan], [nan, nan], [2, nan], [nan, nan]], np.float32))
    np.testing.assert_array_equal(found[:, 0], [1, 1, 1.5, 2, 2])
    np.testing.assert_array_equal(found[:, 1], 0)
