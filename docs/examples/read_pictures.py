"""Read pictures of single characters: `python read_pictures.py MODEL PICTURE…`; `default` is the model that ships."""

import sys

import kanatui

model, *pictures = sys.argv[1:]
reader = kanatui.load(model)
for picture, read in zip(pictures, reader.read_many(pictures, top=3), strict=True):
    readings = "  ".join(f"{reading.character} {reading.probability:.0%}" for reading in read.readings)
    print(f"{picture}: {readings}" + ("  (no character that it knows?)" if read.refused else ""))
