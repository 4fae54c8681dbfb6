"""Recordings of any kind, to be generated anew: a folder of sound files, or a CSV file that lists them.

atrous train audio-generation --data FOLDER
atrous train audio-generation --data FOLDER --head logistics
atrous train audio-generation --data FOLDER --rates 1    # the same network without dilation
"""

from atrous.tasks.audio_generation.recipe import AudioGeneration

SOUND_FILES = AudioGeneration(
    name="sound-files",
    epochs=12,
    # Many small steps: in minutes these learn more than fewer with several crops.
    batch_size=1,
    learning_rate=4e-3,
    decay="cosine",
)
