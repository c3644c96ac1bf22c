"""Score by characters: the mean over characters of the share of each one's images that is read correctly.

Known as balanced accuracy. Unlike the strict score, a character with few pictures counts as much as one with many.
"""

from kanatui import Metric, hookimpl


def balanced(predictions):
    """Return the mean over the characters that there are images of, 0 … 1."""
    shares = [part.right(folded=False).mean() for part in predictions.by_character().values()]
    return sum(shares) / len(shares)


@hookimpl
def kanatui_metrics():
    return [Metric("balanced", "balanced", balanced, per_character=False)]
