"""Pictures of handwriting: read from files or drawn, and prepared for a model."""
