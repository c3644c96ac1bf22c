"""The Dataset screen: a recipe being edited, what it makes, and the data sets written from it."""
