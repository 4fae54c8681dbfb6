"""Any folder of sounds, one sub-folder a class, or a CSV file that lists them.

atrous train audio-classification --data FOLDER
atrous train audio-classification --data FOLDER --rates 1          # the same network without dilation
atrous train audio-classification --data FOLDER --network raw      # on the waveform
"""

from atrous.tasks.audio_classification.recipe import AudioClassification

AUDIO_FOLDER = AudioClassification(
    name="audio-folder",
    epochs=12,
    batch_size=32,
    learning_rate=3e-3,
    decay="cosine",
)
