"""The Dataset screen: edit a recipe, preview its images, and write data sets from it."""
