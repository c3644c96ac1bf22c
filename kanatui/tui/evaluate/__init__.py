"""The Evaluate screen: evaluate runs, look at their confusions and misread images, and compare two runs."""
