"""Train as `kanatui train` does, and score the result: `python train_and_evaluate.py [EPOCHS]`."""

import sys

import kanatui

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 4
glyphs = kanatui.stream("quick", characters="あいうえお", image_size=32, images_per_character=200)


def show(event):
    """Print the score of each validation."""
    if event["event"] == "validation" and "held_out" in event:
        print(f"step {event['step']}: {event['held_out']['strict']:.1%} of the held-out images are read")


run = kanatui.train(glyphs, name="five", epochs=epochs, parameters={"width": 8}, hold_out=0.2, on_event=show)
evaluation = kanatui.evaluate(run)
print(f"run {run.id}: strict {evaluation.total['strict']:.1%} of {evaluation.total.images} images")
print("runs so far:", ", ".join(each.id for each in kanatui.runs()))
