"""Judging a classifier: scores strict and folded, confusions, folders of labelled pictures."""
