"""Images by recipe: laid out, rendered, streamed, written and read."""
