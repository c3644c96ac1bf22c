"""The app's words for what messages say about the command line."""

import pytest

from kanatui.core.errors import UsageError
from kanatui.kana.sets import parse_characters
from kanatui.tui.words import in_the_app


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("out of memory on the device; try a smaller --batch-size or --image-size",
         "out of memory on the device; try a smaller batch size or image size"),
        ("run 1 held out no faces (train.hold_out_faces), so there are no --held-out-faces to read",
         "run 1 held out no faces (train.hold_out_faces), so there are no held-out faces to read"),
        ("run 1 held out no images (train.hold_out is 0); use --images DIR",
         "run 1 held out no images (train.hold_out is 0); choose a folder of pictures"),
        ("run 001-a is still running (process 7); stop it first: kanatui stop 1",
         "run 001-a is still running (process 7); stop it first: s under Train"),
        ("no trained model yet; make one with kanatui quickstart or kanatui train",
         "no trained model yet; make one with n under Train"),
        ("--device mps: this machine has no Apple GPU; leave --device out to use what is available",
         "device mps: this machine has no Apple GPU; choose auto to use what is available"),
        ("/d/x: unfinished (1 of 11 shards); kanatui generate --resume x completes it",
         "/d/x: unfinished (1 of 11 shards); R on it under Dataset, Data sets completes it"),
        ("a picture -- of two -- stays as it is", "a picture -- of two -- stays as it is"),
    ],
)  # fmt: skip
def test_options_and_commands_become_fields_and_keys(message, said):
    assert in_the_app(message) == said


def test_a_real_message_is_translated():
    with pytest.raises(UsageError) as raised:
        parse_characters("hiragan")
    assert str(raised.value).startswith("--characters")
    assert in_the_app(raised.value).startswith("characters 'hiragan': no set (hiragana")
