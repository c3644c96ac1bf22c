"""The release. Kept below all rooms, because weights and data sets record it; the build reads it here too."""

__version__ = "0.2.0"
