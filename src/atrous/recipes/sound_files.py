"""Recordings of any kind, to be generated anew: a folder of sound files, or a CSV file that lists them.

    atrous train audio-generation --data FOLDER
    atrous train audio-generation --data FOLDER --head logistics
    atrous train audio-generation --data FOLDER --rates 1    # the same network without dilation

An epoch is 1,400 steps of a crop of 2,048 samples, whatever there is of sound: with 98,016 parameters some 45 seconds of the
processor, while others use the machine, too.

One speaker's telephone prompts at 8 kHz (Asterisk's in English: 496 files of speech, 21 minutes, for training and validation,
55 for the test), on one busy core of an x86-64 machine (TensorFlow 2.21), six minutes of the processor, one seed, by

    atrous train audio-generation --data prompts/ --where speech=1 --epochs 6

That is a third of the recipe's epochs; all of them haven't been measured.

| bits per sample of the held-out files | |
|---|---|
| categorical head, field 64 ms | 3.969 |
| `--head logistics --learning-rate 1.5e-3`, four minutes | 4.157 |
| linear predictor of order 16, one for all | 6.330 |
| … adapted every 2 ms to the past | 3.999 |
| … each frame its own, told beside | 4.143 |

The network is ahead of the best of these in 40 of 55 files. What it makes of silence in nine seconds is babble with the voice's
timbre: its long-term average spectrum is 3.2 dB from that of the held-out files, where Laplacian noise through the predictor's
filter has 4.7 and white noise 11.6; the levels of bands as they come and go (`sounds.timbre_distance`) differ by 10.0, 20.1
and 27.3 dB. What the mixture makes is 3.4 and 8.4 dB away.

Bits per sample of the validation part (30 seconds), where some runs were begun with the same data and stopped, are

| after | 1,400 steps | 2,800 steps | 8,400 steps |
|---|---|---|---|
| categorical head | 4.567 | 4.350 | 4.013 |
| … `--rates 1`, field 1.6 ms | 4.698 | 4.567 | |
| `--head logistics` (of `--epochs 5`) | 5.002 | 4.780 | |
| … `--learning-rate 1.5e-3` | 4.991 | 4.799 | 4.194 |

So the mixture learns more slowly, in large or small steps: it is far below the predictor for all, and not yet below the one
that adapts to the past.
"""

from atrous.tasks.audio_generation.recipe import AudioGeneration

SOUND_FILES = AudioGeneration(
    name="sound-files",
    epochs=18,
    # Many small steps: in minutes these learn more than fewer with several crops.
    batch_size=1,
    learning_rate=4e-3,
    decay="cosine",
)
