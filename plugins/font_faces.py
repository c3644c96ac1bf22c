"""The faces listed in fonts.toml, drawn by ImageMagick."""

from kanatui import GlyphSource, hookimpl


class FontFaces(GlyphSource):
    id = "fonts"

    def faces(self):
        from kanatui.fonts.faces import load_faces

        return load_faces()

    def coverage(self, face, characters):
        from kanatui.fonts.faces import coverage

        return coverage(face, characters)

    def masters(self, face, characters, em):
        from kanatui.fonts.masters import font_masters

        return font_masters(face, characters, em)


@hookimpl
def kanatui_glyph_sources():
    return [FontFaces]
