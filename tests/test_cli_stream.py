"""The commands `atrous stream` and `atrous generate`.

The networks' weights are halves and quarters and the sound has 16 bits, so that float32 computes without rounding: what is
streamed equals the definition bit by bit.
"""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
import soundfile
from keras import layers

from atrous.cli import main
from atrous.models import WaveNet
from atrous.ops import native
from atrous.streaming.sound.encodings import encode

RATE = 16000
ECHO = np.array([0.5, -0.25, 0.25])
"""Weights of the sample four before, two before, and the sample itself."""
ATROUS = [sys.executable, "-m", "atrous"]


def echo(x):
    """What the model `echo` makes of (time) samples."""
    padded = np.concatenate([np.zeros(4), x])
    return sum(w * padded[2 * i : 2 * i + len(x)] for i, w in enumerate(ECHO))


def sound(frames, seed=0):
    return np.random.default_rng(seed).integers(-(2**14), 2**14, frames) / 2**15


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(4)  # with some, the network below says the same for ever
    x = keras.Input((None, 1))

    def save(name, y, inputs=x):
        keras.Model(inputs, y).save(folder / f"{name}.keras")

    def conv(inputs, kernel, **arguments):
        layer = layers.Conv1D(kernel.shape[2], kernel.shape[0], use_bias=False, **arguments)
        outputs = layer(inputs)
        layer.set_weights([kernel])
        return outputs

    echoed = conv(x, ECHO[:, None, None], dilation_rate=2, padding="causal")
    save("echo", echoed)
    save("same", conv(x, np.ones((5, 1, 1)), padding="same", name="ahead"))
    save("words", conv(x, (np.arange(24) % 5 - 2.0).reshape(8, 1, 3) / 4, strides=8, padding="causal"))
    save("last", echoed[:, -1])
    stereo = keras.Input((None, 2))
    save("stereo", conv(stereo, np.eye(2)[None]), stereo)
    save("several", [x, echoed])
    wavenet = WaveNet(classes=16, rates=(1, 2), filters=4, skip_filters=4)
    for weight in wavenet.weights:
        weight.assign(4 * weight + (0.1 if len(weight.shape) == 1 else 0))  # or what comes would hardly depend on what came
    wavenet.save(folder / "wavenet.keras")
    given = {"global_classes": 3, "local_channels": 2, "upsampling": 4}
    WaveNet(head="logistics", mixtures=2, rates=(1, 2), filters=4, skip_filters=4, **given).save(folder / "conditioned.keras")
    return folder


@pytest.fixture
def command(monkeypatch, capsysbinary):
    """Calls the command, with bytes on standard input; gives its exit code, output and errors."""

    def call(*words, data=b""):
        monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
        capsysbinary.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            with pytest.raises(SystemExit) as exit_:
                main()
        output = capsysbinary.readouterr()
        return exit_.value.code, output.out, output.err.decode()

    return call


# ---- sound in, sound out ---------------------------------------------------------------------------------------------------


def test_a_file_through_a_model(command, models, tmp_path):
    x = sound(5000)
    soundfile.write(tmp_path / "in.wav", x, RATE, "PCM_16")
    (tmp_path / "out.wav").write_bytes(b"an older file")
    code, out, err = command(
        "stream", models / "echo.keras", "--input", tmp_path / "in.wav", "--output", tmp_path / "out.wav", "--encoding", "f32"
    )
    assert (code, out) == (0, b"")
    data, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == RATE
    np.testing.assert_array_equal(data, echo(x))
    assert "0.31 s of sound (5,000 samples of 16,000 Hz), 5,000 steps out" in err
    assert "latency: 1,024 samples, 64.0 ms" in err
    assert "times real time" in err
    assert "engine: " in err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.wav", "out.wav"]


@pytest.mark.parametrize("encoding", ["s16", "f32"])
def test_raw_sound_stays_raw(command, models, encoding):
    x = sound(2500)
    data = encode(x, encoding)
    words = ["stream", models / "echo.keras", "--encoding", encoding, "--sample-rate", RATE, "--block", 1000, "--json"]
    code, out, err = command(*words, data=data + b"\1")
    assert code == 0
    np.testing.assert_array_equal(
        np.frombuffer(out, {"s16": "<i2", "f32": "<f4"}[encoding]),
        np.frombuffer(encode(echo(x), encoding), {"s16": "<i2", "f32": "<f4"}[encoding]),
    )
    facts = json.loads(err)
    assert (facts["samples"], facts["steps"], facts["bytes_lost"], facts["clipped"]) == (2500, 2500, 1, 0)
    assert (facts["latency"], facts["latency_ms"], facts["lookahead"]) == (1000, 62.5, 0)
    assert 0 < facts["block_ms"]["p50"] <= facts["block_ms"]["p99"] <= facts["block_ms"]["max"]
    assert facts["real_time_factor"] > 0


def test_wav_on_standard_input_is_wav_on_standard_output(command, models):
    x, file = sound(3000), io.BytesIO()
    soundfile.write(file, np.stack([x, -x], axis=1), 44100, "PCM_16", format="WAV")
    code, out, _ = command("stream", models / "stereo.keras", data=file.getvalue())
    assert code == 0
    data, rate = soundfile.read(io.BytesIO(out))
    assert rate == 44100
    np.testing.assert_array_equal(data, np.stack([x, -x], axis=1))


def test_what_looks_ahead_comes_late_but_whole(command, models, tmp_path):
    x = sound(1500)
    soundfile.write(tmp_path / "in.wav", x / 8, RATE, "FLOAT")
    words = ["stream", models / "same.keras", "--input", tmp_path / "in.wav", "--output", tmp_path / "out.wav", "--json"]
    code, _, err = command(*words)
    assert code == 2
    assert "layer 'ahead' (Conv1D)" in err
    assert not (tmp_path / "out.wav").exists()
    code, _, err = command(*words, "--lookahead", 2, "--block", 512)
    assert (code, json.loads(err)["lookahead"], json.loads(err)["latency"]) == (0, 2, 514)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "out.wav")[0], np.convolve(x / 8, np.ones(5), "same"))


def test_sound_that_came_before(command, models, tmp_path):
    x = sound(1400)
    soundfile.write(tmp_path / "before.wav", x[:900] / 8, RATE, "FLOAT")
    soundfile.write(tmp_path / "in.wav", x[900:] / 8, RATE, "FLOAT")
    words = ["--input", tmp_path / "in.wav", "--output", tmp_path / "out.wav", "--warm-up", tmp_path / "before.wav"]
    assert command("stream", models / "echo.keras", *words)[0] == 0
    np.testing.assert_array_equal(soundfile.read(tmp_path / "out.wav")[0], echo(x / 8)[900:])
    assert command("stream", models / "same.keras", *words, "--lookahead", 2)[0] == 0
    np.testing.assert_array_equal(soundfile.read(tmp_path / "out.wav")[0], np.convolve(x / 8, np.ones(5), "same")[900:])


def test_another_sample_rate_is_refused_or_resampled(command, models, tmp_path):
    soundfile.write(tmp_path / "in.wav", sound(4410), 44100)
    words = ["stream", models / "echo.keras", "--input", tmp_path / "in.wav", "--output", tmp_path / "x.wav"]
    code, _, err = command(*words, "--sample-rate", RATE)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "must have the model's sample rate, 16000 Hz. Received: 44100 Hz. Give --resample" in err
    assert command(*words, "--sample-rate", RATE, "--resample")[0] == 0
    found = soundfile.info(tmp_path / "x.wav")
    assert (found.samplerate, found.frames) == (RATE, 1600)


# ---- sound in, rows out ----------------------------------------------------------------------------------------------------


def test_rows_of_values(command, models, tmp_path):
    x = sound(83)
    soundfile.write(tmp_path / "in.wav", x, RATE)
    loaded = keras.models.load_model(models / "words.keras", compile=False)
    expected = keras.ops.convert_to_numpy(loaded(x[None, :, None].astype("float32")))[0]
    words = ["stream", models / "words.keras", "--input", tmp_path / "in.wav", "--block", 32]
    code, out, _ = command(*words, "--labels", "yes,no,other", "--output", tmp_path / "rows.csv")
    assert (code, out) == (0, b"")
    header, *rows = [line.split(",") for line in (tmp_path / "rows.csv").read_text().splitlines()]
    assert header == ["seconds", "label", "yes", "no", "other"]
    assert [row[0] for row in rows] == [
        f"{8 * (i + 1) / RATE:.6f}" for i in range(11)
    ]  # the last is of three samples, and silence
    assert [row[1] for row in rows] == [header[2 + i] for i in expected.argmax(-1)]
    np.testing.assert_allclose(np.array([row[2:] for row in rows], "float32"), expected, rtol=1e-5)
    code, out, _ = command(*words, "--every", 4)
    assert code == 0
    assert out.decode().splitlines() == ["seconds,0,1,2", *(",".join([r[0], *r[2:]]) for r in rows[3::4])]


def test_a_model_of_all_it_heard_answers_each_block(command, models, tmp_path):
    x = sound(250)
    code, out, _ = command(
        "stream", models / "last.keras", "--block", 100, "--sample-rate", 100, "--encoding", "s16", data=encode(x, "s16")
    )
    assert code == 0
    header, *rows = [line.split(",") for line in out.decode().splitlines()]
    assert header == ["seconds", "0"]
    answers = dict(zip((float(row[0]) for row in rows), (float(row[1]) for row in rows), strict=True))
    assert max(answers) == 2.5
    for second, answer in answers.items():
        assert answer == pytest.approx(echo(x)[round(second * 100) - 1], rel=1e-5)


def test_codes_are_made_of_samples(command, models):
    data = encode(sound(40), "s16")
    code, out, _ = command("stream", models / "wavenet.keras", "--encoding", "s16", "--sample-rate", RATE, data=data)
    assert code == 0
    assert len(out.decode().splitlines()) == 41
    assert len(out.decode().splitlines()[1].split(",")) == 17


# ---- mistakes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "data", "answer"),
    [
        (["echo"], b"what is this?", "`input` must be WAV, or raw PCM whose `encoding` is given"),
        (["echo", "--encoding=s8"], b"", "`encoding` must be one of s16"),
        (["echo", "--encoding=s16"], b"", "`--sample-rate` must be given with raw PCM"),
        (["echo", "--input=nowhere.wav"], b"", "No such file or directory: nowhere.wav"),
        (["echo", "--input=stereo.wav"], b"", "`--input` must have as many channels as the model takes, 1. Received: 2."),
        (["echo", "--input=stereo.wav", "--output=stereo.wav"], b"", "`--output` must be another file than what is read"),
        (["echo", "--output=x.mp3"], b"", "`--output` must be a file ending in .wav, .flac, .csv, or -"),
        (["last", "--input=mono.wav", "--output=x.wav"], b"", "`--output` must be a .csv file for a model that gives no sound"),
        (["words", "--input=mono.wav", "--block=12"], b"", "`--block` must be a positive multiple of 8"),
        (["words", "--input=mono.wav", "--labels=a,b"], b"", "`--labels` must be 3 names"),
        (["words", "--input=mono.wav", "--every=0"], b"", "`--every` must be a positive integer"),
        (["several", "--input=mono.wav"], b"", "`model` must have one output"),
        (["conditioned", "--input=mono.wav"], b"", "`model` must take one signal"),
        (["echo", "--engine=fast", "--input=mono.wav"], b"", "`engine` must be"),
    ],
)
def test_a_mistake_gets_one_sentence(command, models, words, data, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("stereo.wav", np.zeros((50, 2)), RATE)
    soundfile.write("mono.wav", np.zeros(50), RATE)
    code, out, err = command("stream", models / f"{words[0]}.keras", *words[1:], data=data)
    assert (code, out) == (2, b"")
    assert answer in err
    assert len(err.splitlines()) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mono.wav", "stereo.wav"]


def test_nan_in_the_stream_is_told_by_its_place(command, models):
    x = sound(1000).astype("float32")
    x[700] = np.nan
    words = ["stream", models / "echo.keras", "--encoding=f32", "--sample-rate", 8000, "--block", 400]
    code, out, err = command(*words, data=encode(x, "f32"))
    assert code == 2
    assert err == "`input` must be finite. Received: nan in sample 700 (0.0875 s), channel 0.\n"
    np.testing.assert_array_equal(np.frombuffer(out, "<f4"), echo(x[:400]))


# ---- at its pace -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_what_was_heard(models, tmp_path, monkeypatch, capsys):
    """The signal comes while it waits for more; samples that were no whole block yet aren't lost."""
    x = sound(1500)
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read))
    words = ["--sample-rate", str(RATE), "--encoding=s16", "--output", str(tmp_path / "x.wav")]
    monkeypatch.setattr(sys, "argv", ["atrous", "stream", str(models / "echo.keras"), *words])

    def talk():
        os.write(write, encode(x, "s16"))
        while not list(tmp_path.iterdir()):
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    talking = threading.Thread(target=talk)
    talking.start()
    with pytest.raises(SystemExit) as exit_:
        main()
    talking.join()
    os.close(write)
    sys.stdin.close()
    assert exit_.value.code == 130
    assert [file.name for file in tmp_path.iterdir()] == ["x.wav"]
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav")[0], np.rint(echo(x) * 2**15) / 2**15)
    assert "(1,500 samples of 16,000 Hz)" in capsys.readouterr().err


def test_answers_come_before_the_sound_ends(models, tmp_path):
    """Through real pipes. When nobody listens any more, it ends without a word; when it is killed, the old file is whole."""
    words = [str(models / "echo.keras"), "--sample-rate", str(RATE), "--encoding", "f32", "--block", "256"]
    old = tmp_path / "old.wav"
    old.write_bytes(b"old")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    live = subprocess.Popen([*ATROUS, "stream", *words], **pipes)
    killed = subprocess.Popen([*ATROUS, "stream", *words, "--output", str(old)], **pipes)
    x = sound(1024)
    killed.stdin.write(encode(x, "f32"))
    heard = b""
    sizes = (256, 100, 56) if native.why_not() is None else (256, 256)  # the functional engine waits for whole blocks
    for end in np.cumsum(sizes):
        live.stdin.write(encode(x[len(heard) // 4 : end], "f32"))
        while len(heard) < 4 * end:
            part = live.stdout.read(4096)
            assert part, live.stderr.read().decode()
            heard += part
        np.testing.assert_array_equal(np.frombuffer(heard, "<f4"), echo(x)[:end])
    live.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        live.stdin.write(encode(x, "f32"))
    assert (live.wait(60), live.stderr.read()) == (141, b"")
    while len(list(tmp_path.iterdir())) < 2 and killed.poll() is None:
        time.sleep(0.05)
    killed.kill()
    assert killed.wait(60) == -signal.SIGKILL, killed.stderr.read().decode()
    assert old.read_bytes() == b"old"
    for process in (live, killed):
        process.stdin.close()
        process.stderr.close()
    killed.stdout.close()


# ---- generate --------------------------------------------------------------------------------------------------------------


def test_generate(command, models, tmp_path):
    words = ["generate", models / "wavenet.keras", "--seconds", 0.01, "--seed", 3, "--sample-rate", 8000]
    code, out, err = command(*words, "--output", tmp_path / "a.wav")
    assert (code, out) == (0, b"")
    assert "0.01 s of sound (80 samples of 8,000 Hz)" in err
    assert "samples/s" in err
    data, rate = soundfile.read(tmp_path / "a.wav")
    assert (rate, len(data)) == (8000, 80)
    assert 2 < len(set(data)) <= 16
    code, out, err = command(*words, "--output=-", "--encoding=f32", "--json")
    assert code == 0
    np.testing.assert_allclose(soundfile.read(io.BytesIO(out))[0], data, atol=2**-15)  # the same, in another encoding
    assert json.loads(err)["samples"] == 80
    soundfile.write(tmp_path / "primer.wav", data, 8000)
    assert command(*words, "--output", tmp_path / "b.wav", "--primer", tmp_path / "primer.wav")[0] == 0
    assert (soundfile.read(tmp_path / "b.wav")[0] != data).any()


def test_generate_with_conditions(command, models, tmp_path):
    np.save(tmp_path / "local.npy", np.random.default_rng(0).normal(size=(10, 2)))
    words = ["generate", models / "conditioned.keras", "--seconds", 0.0025, "--output", tmp_path / "x.wav"]
    code, _, err = command(*words, "--speaker", 2, "--local", tmp_path / "local.npy")
    assert (code, len(soundfile.read(tmp_path / "x.wav")[0])) == (0, 40), err
    for more, answer in [
        (["--speaker", 2], "`--local` must be given for what the model takes: 'local'"),
        (["--speaker", 3, "--local", tmp_path / "local.npy"], "must be a class from 0 to 2"),
        (["--speaker", 1, "--local", models / "echo.keras"], "`--local` must be a .npy file of numbers"),
        (["--speaker", 1, "--local", tmp_path / "local.npy", "--seconds", 1], "must last as long as all that is heard, 16000"),
        (["--speaker", 1, "--local", tmp_path / "local.npy", "--seconds", 0], "`--seconds` must be positive"),
    ]:
        code, out, err = command(*words, *more)
        assert (code, out, len(err.splitlines())) == (2, b"", 1)
        assert answer in err
