"""Records of the ETL databases as their published layouts describe them, with pictures of our own."""

import struct

import numpy as np

CODES = {"あ": 0x2422, "か": 0x242B}


def _picture(character, sheet, height, width, most):
    """A bar for one character, a cross for the other, moved a little on each sheet."""
    picture = np.zeros((height, width), dtype=np.uint8)
    top, left = height // 4 + sheet % 5, width // 4 + sheet % 7
    picture[top : top + height // 8, left : left + width // 2] = most
    if character == "か":
        picture[top - height // 8 : top + height // 3, left + width // 4 : left + width // 3] = most
    return picture


def write_etl(path, sheets=3):
    """Write a file of the kind that its name says; return it and (sheet, character, grey picture) of each record."""
    coarse = path.name[4] == "B"
    height, width, most = (63, 64, 1) if coarse else (127, 128, 15)
    size = {"ETL8G": 8199, "ETL9G": 8199, "ETL8B": 512, "ETL9B": 576}[path.name[:5]]
    records, made = [bytes(size)] if coarse else [], []
    for sheet in range(1, sheets + 1):
        for character, code in CODES.items():
            picture = _picture(character, sheet, height, width, most)
            head = struct.pack(">HH", sheet, code)
            if coarse:
                body = b" A.K" + np.packbits(picture).tobytes()
            else:
                gap = 30 if path.name.startswith("ETL8G") else 34
                packed = (picture[:, ::2] << 4 | picture[:, 1::2]).tobytes()
                body = b"A.KANA  " + struct.pack(">I4B4H2B", sheet, 0, 0, 1, 20, 0, 0, 7301, 7302, 1, 1)
                body += bytes(gap) + packed
            records.append((head + body).ljust(size, b"\0"))
            made.append((sheet, character, picture * (255 // most)))
    path.write_bytes(b"".join(records))
    return path, made
